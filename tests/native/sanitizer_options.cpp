// Options of the sanitizers' runtime for every program of the tests, however it is started.
#if defined(NAMP_SANITIZED)

// It takes the thread-local memory of a library that was loaded at run time for that of glibc 2.19
// where the block happens to begin 16 bytes into a page, and its search for leaks then reads any
// address ("Tracer caught signal 11"): sanitizer_tls_get_addr.cpp of LLVM 14.
extern "C" const char* __asan_default_options() { return "intercept_tls_get_addr=0"; }

#endif
