// Slices of the batch of a convolution whose images are copied.
#pragma once

#include <algorithm>

#include "cpu/convolution.h"
#include "cpu/element.h"

namespace namp {

// Bytes of input and output, in the type that is computed in, of the images in one slice. So the
// copies, widened or in a library's layout, stay near the caches and do not grow with the
// batch.
inline constexpr int64_t kSliceBytes = int64_t{8} << 20;

// Calls run(args) for slices of the batch of nearly equal size, until one gives false; whether none did.
template <class Run>
bool by_images(const namp_conv2d_args& args, Run run) {
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t input = args.in_channels * shape.pixels;
  const int64_t output = args.out_channels * shape.positions;
  const int64_t image_bytes = (input + output) * (args.dtype == NAMP_BFLOAT16 ? 2 : 4);
  const int64_t most = std::max<int64_t>(1, kSliceBytes / std::max<int64_t>(1, image_bytes));
  const int64_t slices = std::max<int64_t>(1, (args.batch + most - 1) / most);
  const int64_t images = (args.batch + slices - 1) / slices;
  const auto move = [&](auto*& pointer, int64_t elements) {
    if (pointer != nullptr) pointer = element(pointer, dtype, elements);
  };
  for (int64_t first = 0; first < args.batch; first += images) {
    namp_conv2d_args slice = args;
    slice.batch = std::min(images, args.batch - first);
    move(slice.input, first * input);
    move(slice.input_gradient, first * input);
    move(slice.output, first * output);
    move(slice.output_gradient, first * output);
    if (!run(slice)) return false;
  }
  return true;
}

}  // namespace namp
