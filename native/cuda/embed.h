// NAMP_EMBED(name, "path"): the bytes of a file as an array called name, with a zero behind them.
// The assembler reads the file: as text in a source it would be five times as long, and seconds of
// the compiler's time. GNU's form of assembly, which g++ and clang take.
#pragma once

#if defined(_WIN32)
#define NAMP_EMBED_SECTION ".section .rdata,\"dr\"\n"
#define NAMP_EMBED_NAME(name) #name
#define NAMP_EMBED_HIDDEN(name) ""
#elif defined(__APPLE__)
#define NAMP_EMBED_SECTION ".section __TEXT,__const\n"
#define NAMP_EMBED_NAME(name) "_" #name
#define NAMP_EMBED_HIDDEN(name) ".private_extern _" #name "\n"
#else
#define NAMP_EMBED_SECTION ".section .rodata\n"
#define NAMP_EMBED_NAME(name) #name
#define NAMP_EMBED_HIDDEN(name) ".hidden " #name "\n"
#endif

// 16: what fatbins ask for, and more.
#define NAMP_EMBED(name, path)                                                                 \
  __asm__(NAMP_EMBED_SECTION ".globl " NAMP_EMBED_NAME(name) "\n" NAMP_EMBED_HIDDEN(           \
      name) ".balign 16\n" NAMP_EMBED_NAME(name) ":\n.incbin \"" path "\"\n.byte 0\n.text\n"); \
  extern "C" const unsigned char name[];
