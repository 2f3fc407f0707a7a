// The compiled kernels: one image a .cu file, a fatbin or PTX, embedded by cmake/EmbedImages.cmake.
#pragma once

#include <cstddef>

namespace namp {

struct KernelImage {
  const char* name;  // of the .cu file, without ".cu"
  const unsigned char* data;
  size_t size;  // with a zero at the end
};

// Ends with a null name.
extern const KernelImage kKernelImages[];

// What they are: "PTX" or "fatbin".
extern const char* const kKernelFormat;

}  // namespace namp
