// The compiled kernels: one image a .cu file, embedded by cmake/CudaCompilers.cmake.
#pragma once

namespace namp {

struct KernelImage {
  const char* name;           // of the .cu file, without ".cu"
  const unsigned char* data;  // a fatbin, or PTX with a zero behind it
  // Clang's PTX, for drivers that refuse data: older than the toolkit that made it, or for a device
  // that it holds nothing for. Null where that is data already, or clang was not there.
  const unsigned char* net;
};

struct KernelImages {
  const char* format;        // of the images, but for the nets: "PTX" or "fatbin"
  const char* compiler;      // "nvcc 12.4"
  const char* holds;         // "machine code for 7.5, 8.0, PTX for 7.5 and 8.0"
  int driver;                // that can read all of it, as cuDriverGetVersion counts: 12040 is 12.4
  const KernelImage* first;  // the last has no name
};

// The images that this library was built with.
extern const KernelImages kKernelImages;

}  // namespace namp
