# nativeamp-compiler: what every native source is compiled with.
# nativeamp-portable: what the shared library is linked with, so that it loads on systems older than the one that built it.

set(NATIVEAMP_SANITIZE "" CACHE STRING "Sanitizers for what is built, tests too, e.g. address,undefined")
option(NATIVEAMP_WERROR "Warnings are errors" ON)

add_library(nativeamp-compiler INTERFACE)
add_library(nativeamp-portable INTERFACE)

if(MSVC)
  message(FATAL_ERROR "On Windows the library is built by MinGW-w64's g++ (cmake --preset windows); docs/decisions/0016-mingw-on-windows.md says why not by cl or clang-cl.")
endif()

# Contraction off everywhere: a fused multiply-add where another target has none would end the promise of equal bits.
# errno off changes no result; it lets sqrt be one instruction.
target_compile_options(nativeamp-compiler INTERFACE
  -Wall -Wextra -Wpedantic $<$<BOOL:${NATIVEAMP_WERROR}>:-Werror>
  -ffp-contract=off -fno-math-errno
  -fvisibility=hidden $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports its own AVX-512 headers (GCC bug 105593).
  target_compile_options(nativeamp-compiler INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
if(MINGW)
  target_compile_definitions(nativeamp-compiler INTERFACE NOMINMAX WIN32_LEAN_AND_MEAN)
  # Only Windows' own libraries are needed where the library or a test runs.
  target_link_options(nativeamp-compiler INTERFACE -static)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Windows aligns the stack to 16 bytes, and g++ uses aligned moves of 32 and 64 for vectors there (GCC bug 54412). The assembler
    # writes the moves that take any address: on processors with AVX they are as fast. Debian's g++ is patched to the same end.
    target_compile_options(nativeamp-compiler INTERFACE -Wa,-muse-unaligned-vector-move)
  endif()
endif()

if(NATIVEAMP_SANITIZE)
  # Not of pointers that leave their object: ASan sees an access, and these two checks are half of the time that a kernel takes to compile.
  target_compile_options(nativeamp-compiler INTERFACE
    -fsanitize=${NATIVEAMP_SANITIZE} -fno-sanitize=pointer-overflow,object-size -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(nativeamp-compiler INTERFACE -fsanitize=${NATIVEAMP_SANITIZE})
  # One vector target beside the scalar one: the kernels' source is the same for each, and a third of the time to compile.
  target_compile_definitions(nativeamp-compiler INTERFACE NAMP_SANITIZED=1)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Accesses are checked by a call each: written out in place, clang 14 takes more than five minutes over attention.cpp, where everything is inlined.
    target_compile_options(nativeamp-compiler INTERFACE "SHELL:-mllvm -asan-instrumentation-with-call-threshold=0")
    # The functions of drivers are declared here with int for their enumerations and void* for their handles, which are the same to a call and
    # not to clang's check of function types.
    target_compile_options(nativeamp-compiler INTERFACE -fno-sanitize=function)
  endif()
elseif(UNIX AND NOT APPLE)
  # The exports file hides what the static libraries bring along. Parts of them that nothing calls are left out, and libgcc,
  # which every machine with .NET has, is not one of them: both would ask for a newer glibc (cmake/CheckExports.cmake).
  target_link_options(nativeamp-portable INTERFACE
    -static-libstdc++ -shared-libgcc
    -Wl,--no-undefined -Wl,-z,now -Wl,--gc-sections
    -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/exports.map)
endif()
