// The kernels of convolutions. On tensor cores a convolution is one product an image and group, whose
// slices of columns are gathered from the image while they are copied to shared memory: there are
// no columns in global memory. For this the image has its channels last, by 8: a word of 16 bytes is
// of one pixel. convolution_float16_sm75.cu, convolution_float16_sm80.cu,
// convolution_bfloat16_sm80.cu; other dtypes and sizes make columns (convolution.cu).
#pragma once

#include "cuda/gemm_kernels.h"

namespace namp::cuda {

// Columns of some images and one group: [images, channels * kernel_h * kernel_w, out_h * out_w].
struct ColumnsArgs {
  namp_conv2d_args shape;
  void* image;  // the first image's, from the group's first channel on
  void* columns;
  int32_t image_dtype;
  int32_t columns_dtype;
  int64_t images;
  int64_t channels;      // of the group
  int64_t image_stride;  // elements from one image to the next
  int64_t out_h;
  int64_t out_w;
};
inline constexpr Kernel<ColumnsArgs> kImageToColumns{"convolution", "image_to_columns_kernel",
                                                     kElementThreads};
inline constexpr Kernel<ColumnsArgs> kColumnsToImage{"convolution", "columns_to_image_kernel",
                                                     kElementThreads};

// From [images, groups, channels, from_plane] to [images, plane, groups, padded channels], elements of
// two bytes: channels are padded with zeros to whole words of kPack. A plane's pixels are those of every
// row_step-th and step-th position, width in a row.
struct ChannelsLast {
  const void* from;
  void* to;
  int64_t images;
  int64_t from_plane;
  int64_t row_step;
  int64_t step;
  int32_t plane;
  int32_t width;
  int32_t groups;
  int32_t channels;  // of a group

  constexpr int64_t words() const {  // of a pixel
    return groups * blocks(channels, kPack);
  }
};
// Pixels and words that a block moves at a time.
inline constexpr int kChannelsLastPixels = 64;
inline constexpr int kChannelsLastWords = 8;
constexpr int64_t channels_last_tasks(const ChannelsLast& t) {
  return blocks(t.images * t.plane, kChannelsLastPixels) * blocks(t.words(), kChannelsLastWords);
}
// Both operands of a convolution, or one and no images.
struct ChannelsLastArgs {
  ChannelsLast tensors[2];
};
inline constexpr Kernel<ChannelsLastArgs> kChannelsLast{"convolution", "channels_last_kernel",
                                                        kElementThreads};

// One direction, height or width, of a gathered convolution. The result's positions are made in
// phases: phase p has the positions p, p + phases, …, and its own taps of the weight. Its i-th
// position reads the image at of[p].origin + i * stride + tap * tap_step for each of its taps.
//
// Forward: one phase with all taps. The gradient of the image is gathered from the output's gradient
// in as many phases as the convolution has strides: each has the taps that lead to a whole position.
inline constexpr int kMostPhases = 4;
struct GatherAxis {
  int32_t image;   // positions of what is gathered from
  int32_t result;  // positions of what is made
  int32_t stride;
  int32_t tap_step;
  int32_t weight_step;  // taps of the weight from one of a phase to its next
  int32_t phases;
  struct {
    int32_t taps;
    int32_t first_tap;  // of the weight
    int32_t origin;
  } of[kMostPhases];

  constexpr int32_t positions(int32_t phase) const {
    return (result - phase + phases - 1) / phases;
  }
};

// From one position of the result to that a fixed number further on, over all images: of images, rows and
// positions.
struct Walk {
  int32_t images;
  int32_t h;
  int32_t w;

  static constexpr Walk of(int64_t steps, int64_t height, int64_t width) {
    return {static_cast<int32_t>(steps / width / height),
            static_cast<int32_t>(steps / width % height), static_cast<int32_t>(steps % width)};
  }
};

// A convolution's products of channels last, [phases, images, groups]. gemm.call: what is made of the
// products, and
//   forward and the image's gradient: a, weights [groups, m, kernel_h, kernel_w, channels]; b, images
//     [images, h.image, w.image, groups, channels]; n, the most positions of a phase;
//   the weight's gradient: a, the output's gradient [images, h.result, w.result, lda]; b, images as
//     above; n, elements of a row of the weight; k and whole_k, positions of a part and of all images.
//     The products are [parts, groups].
struct ConvolutionArgs {
  GemmArgs gemm;
  GatherAxis h;
  GatherAxis w;
  int32_t groups;
  int32_t channels;  // of a group of b, padded
  int32_t images;
  int32_t kernel_w;
  Walk walk;  // the weight's gradient: by kWalk
};
inline constexpr int kWalk = 16;

// A product, and the tile of it that a block makes.
struct ConvolutionKernel {
  Kernel<ConvolutionArgs> kernel;
  int64_t tile;
};
struct ConvolutionKernels {
  ConvolutionKernel wide;
  ConvolutionKernel narrow;
};
// The products of a dtype: result, for output and the image's gradient; weight, for the weight's.
struct TensorConvolutions {
  ConvolutionKernels result;
  ConvolutionKernels weight;
};

#define NAMP_TILES(image, name)                                                  \
  {                                                                              \
    {{image, "convolution_" name "_128_kernel", kWideTileThreads}, kWideTile}, { \
      {image, "convolution_" name "_64_kernel", kNarrowTileThreads}, kNarrowTile \
    }                                                                            \
  }
#define NAMP_TENSOR_CONVOLUTIONS(image, dtype) \
  { NAMP_TILES(image, dtype), NAMP_TILES(image, dtype "_weight") }

inline constexpr TensorConvolutions kConvolutionTuringFloat16 =
    NAMP_TENSOR_CONVOLUTIONS("convolution_float16_sm75", "float16_sm75");
inline constexpr TensorConvolutions kConvolutionFloat16 =
    NAMP_TENSOR_CONVOLUTIONS("convolution_float16_sm80", "float16");
inline constexpr TensorConvolutions kConvolutionBFloat16 =
    NAMP_TENSOR_CONVOLUTIONS("convolution_bfloat16_sm80", "bfloat16");

#undef NAMP_TILES
#undef NAMP_TENSOR_CONVOLUTIONS

// Adds the parts of a weight's gradient in their order, and puts its channels first again.
struct ConvolutionWeightArgs {
  const float* sums;  // [parts, rows, taps, padded]
  void* weight;       // [rows, channels, taps]
  int32_t dtype;
  int32_t channels;
  int32_t padded;
  int32_t taps;
  int64_t rows;
  int64_t parts;
};
inline constexpr Kernel<ConvolutionWeightArgs> kConvolutionWeight{
    "convolution", "convolution_weight_kernel", kElementThreads};

// Convolutions of one channel a group (depthwise_convolution.cu), of any dtype: a thread sums an element
// of the output or of the image's gradient. Here too the latter is gathered from the output's gradient.
struct DepthwiseArgs {
  const void* image;   // [images, groups, images_of_group, h.image, w.image]
  const void* weight;  // [groups, output channels of one, taps]
  const void* bias;    // [results], or null
  void* result;        // [images, results, h.result, w.result]
  int32_t dtype;
  int32_t activation;
  int32_t images;
  int32_t results;
  int32_t results_of_group;  // one of these two is 1
  int32_t images_of_group;
  int32_t kernel_w;
  int32_t taps;
  GatherAxis h;
  GatherAxis w;
};
inline constexpr Kernel<DepthwiseArgs> kDepthwise{"depthwise_convolution", "depthwise_kernel",
                                                  kElementThreads};

// Sums of the weight's gradient, [parts, channels, taps]: a block sums some images' products of one tap.
struct DepthwiseWeightArgs {
  const void* image;     // [images, groups, h.image, w.image]
  const void* gradient;  // [images, channels, h.result, w.result]
  float* sums;
  int32_t dtype;
  int32_t images;
  int32_t images_of_part;
  int32_t channels;
  int32_t channels_of_group;
  int32_t kernel_w;
  int32_t taps;
  Walk walk;  // by kElementThreads
  GatherAxis h;
  GatherAxis w;
};
inline constexpr Kernel<DepthwiseWeightArgs> kDepthwiseWeight{
    "depthwise_convolution", "depthwise_weight_kernel", kElementThreads};

}  // namespace namp::cuda
