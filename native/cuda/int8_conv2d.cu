// Convolutions of 8-bit integers. A block has positions of some output channels of a group of an image;
// it goes over the taps, of all input channels, in slices: the weights' codes are in shared memory, four
// taps a word, and each thread gathers the four codes of its position that dp4a multiplies by them. Sums
// are exact, so their order does not matter.
#include "cuda/platform.cuh"

#include "cuda/int8_kernels.h"
#include "cuda/tensor_core.cuh"
#include "cuda/view.cuh"
#include "formulas/integer_codes.h"

namespace namp::cuda {
namespace {

constexpr int kChannels = kInt8ConvChannels;
constexpr int kSliceTaps = 128;
constexpr int kSliceWords = kSliceTaps / 4;

// Where a tap is from the position's first.
struct Tap {
  int64_t offset;
  int64_t y;
  int64_t x;
};

// What a block works on.
struct Part {
  int64_t image;
  int64_t group;
  int64_t channel;  // the first of the weight
  int channels;
  int64_t position;  // the first

  NAMP_DEVICE Part(const Int8ConvArgs& args, int64_t task) {
    const namp_int8_conv2d_args& s = args.call;
    const int64_t group_out = s.out_channels / s.groups;
    const int64_t runs = blocks(args.out_h * args.out_w, kInt8ConvThreads);
    position = task % runs * kInt8ConvThreads;
    task /= runs;
    const int64_t first = task % args.group_blocks * kChannels;
    task /= args.group_blocks;
    group = task % s.groups;
    image = task / s.groups;
    channel = group * group_out + first;
    channels = static_cast<int>(group_out - first < kChannels ? group_out - first : kChannels);
  }
};

}  // namespace

NAMP_KERNEL(kInt8ConvThreads, 5) int8_conv2d_kernel(NAMP_GRID_CONSTANT const Int8ConvArgs args) {
  __shared__ Tap taps[kSliceTaps];
  __shared__ uint32_t weights[kSliceWords][kChannels];
  __shared__ int32_t weight_sums[kChannels];
  const namp_int8_conv2d_args& s = args.call;
  const int thread = thread_index();
  const int64_t window = s.kernel_h * s.kernel_w;
  const int64_t group_in = s.in_channels / s.groups;
  const int64_t depth = group_in * window;
  const int64_t pixels = s.in_h * s.in_w;
  const int64_t positions = args.out_h * args.out_w;
  const int64_t tasks =
      s.batch * s.groups * args.group_blocks * blocks(positions, kInt8ConvThreads);
  // A code of the padding, whose value is 0.
  const uint32_t padding = static_cast<uint32_t>(s.zero_point) & 0xffu;
  for (int64_t task = block_index(); task < tasks; task += block_count()) {
    const Part part(args, task);
    const auto* weight = static_cast<const uint8_t*>(s.weight) + part.channel * depth;
    barrier();  // the sums before have been read
    // Of a channel's weights, a warp each.
    for (int c = thread / kWarp; c < part.channels; c += kInt8ConvThreads / kWarp) {
      int32_t sum = 0;
      for (int64_t i = thread % kWarp; i < depth; i += kWarp)
        sum += static_cast<int8_t>(load_global(weight + c * depth + i));
      sum = warp_reduce(sum, Plus());
      if (thread % kWarp == 0) weight_sums[c] = sum;
    }
    const int64_t position = part.position + thread;
    const bool there = position < positions;
    const int64_t top = position / args.out_w * s.stride_h - s.pad_h;
    const int64_t left = position % args.out_w * s.stride_w - s.pad_w;
    const auto* input = reinterpret_cast<const uint8_t*>(s.input) +
                        (part.image * s.groups + part.group) * group_in * pixels;
    int32_t sums[kChannels] = {};
    for (int64_t first = 0; first < depth; first += kSliceTaps) {
      const int slice = depth - first < kSliceTaps ? static_cast<int>(depth - first) : kSliceTaps;
      barrier();  // the slice before has been read
      for (int i = thread; i < slice; i += kInt8ConvThreads) {
        const int64_t y = (first + i) % window / s.kernel_w * s.dilation_h;
        const int64_t x = (first + i) % s.kernel_w * s.dilation_w;
        taps[i] = {(first + i) / window * pixels + y * s.in_w + x, y, x};
      }
      for (int i = thread; i < kSliceWords * kChannels; i += kInt8ConvThreads) {
        const int c = i / kSliceWords;
        const int word = i % kSliceWords;
        uint32_t four = 0;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (c < part.channels && word * 4 + j < slice) {
            four |= uint32_t{load_global(weight + c * depth + first + word * 4 + j)} << (8 * j);
          }
        }
        weights[word][c] = four;
      }
      barrier();
      if (!there) continue;
      for (int word = 0; word * 4 < slice; ++word) {
        uint32_t four = 0;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (word * 4 + j >= slice) continue;  // its weights are zeros
          const Tap& tap = taps[word * 4 + j];
          const bool inside = static_cast<uint64_t>(top + tap.y) < static_cast<uint64_t>(s.in_h) &&
                              static_cast<uint64_t>(left + tap.x) < static_cast<uint64_t>(s.in_w);
          const uint32_t code =
              inside ? load_global(input + top * s.in_w + left + tap.offset) : padding;
          four |= code << (8 * j);
        }
#pragma unroll
        for (int c = 0; c < kChannels; ++c)
          sums[c] = add_byte_products(four, weights[word][c], sums[c]);
      }
    }
    barrier();
    if (!there) continue;
    with_element(s.dtype, [&](auto element) {
      using T = typename decltype(element)::Type;
      T* output = static_cast<T*>(s.output) +
                  (part.image * s.out_channels + part.channel) * positions + position;
#pragma unroll
      for (int c = 0; c < kChannels; ++c) {
        if (c >= part.channels) continue;
        // Sums wrap; the difference does not.
        const uint32_t exact =
            static_cast<uint32_t>(sums[c]) -
            static_cast<uint32_t>(s.zero_point) * static_cast<uint32_t>(weight_sums[c]);
        float x = scale_sum(to_float(exact), s.scale, load(s.weight_scales + part.channel + c),
                            s.bias != nullptr, load_or(s.bias, part.channel + c, 0.0f));
        if (s.activation == NAMP_ACTIVATION_RELU) x = x < 0.0f ? 0.0f : x;
        store(same_nan(x, 0.0f), output + c * positions);
      }
    });
  }
}

}  // namespace namp::cuda
