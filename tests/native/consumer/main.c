/* A C program that found the library by find_package. */
#include <nativeamp.h>

int main(void) { return namp_abi_version() == NAMP_ABI_VERSION ? 0 : 1; }
