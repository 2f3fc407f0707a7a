/* That this compiles is the test: the public header alone, as strict C99, and twice. */
#include "nativeamp.h"
#include "nativeamp.h" /* NOLINT: the guard is part of the test */

int main(void) { return 0; }
