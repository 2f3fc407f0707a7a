// Which version of cuBLAS the stand-in is.
#pragma once

namespace nampemu {

// Of a file named libcublas.so.13 it is 13; 12 where the name does not say.
int cublas_major_version();

// Whether it starts on this machine: not where it is newer than the driver, nor where the environment
// lists its version (NAMPEMU_CUBLAS_REFUSES=12,13).
bool cublas_starts();

}  // namespace nampemu
