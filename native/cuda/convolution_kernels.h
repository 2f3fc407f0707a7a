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
  int32_t at_once;   // pixels_at_once
  int32_t zeros;     // words of zeros behind the last pixel
  Divider by_plane, by_width, by_word_tiles;

  constexpr int64_t words() const {  // of a pixel
    return groups * blocks(channels, kPack);
  }
};
// Pixels that a thread moves at once: of 16 or 8 bytes of a channel all, or every second one. 1 where no
// row has them together.
int32_t pixels_at_once(const ChannelsLast& t);
// Words of a pixel, and groups of pixels, that a block moves at a time.
inline constexpr int kChannelsLastWords = 8;
inline constexpr int kChannelsLastGroups = kElementThreads / kChannelsLastWords;
// Of single pixels, which go through shared memory.
inline constexpr int kChannelsLastPixels = 64;
constexpr int64_t channels_last_tasks(const ChannelsLast& t) {
  const int64_t pixels = t.at_once > 1 ? kChannelsLastGroups * t.at_once : kChannelsLastPixels;
  return blocks(t.images * t.plane, pixels) * blocks(t.words(), kChannelsLastWords);
}
// Both operands of a convolution, or one and no images.
struct ChannelsLastArgs {
  ChannelsLast tensors[2];
};
inline constexpr Kernel<ChannelsLastArgs> kChannelsLast{"convolution", "channels_last_kernel",
                                                        kElementThreads};

// From [images, channels, height, width], of up to kWindowChannels, to [images, height, pixels,
// kWindowChannels], elements of two bytes: zeros where there is no such channel or column. So a row of a
// kernel's taps, with all their channels, is adjacent in memory, where it begins at an even pixel in whole
// words, and a product needs no look whether a column is within the image.
inline constexpr int kWindowChannels = kPack / 2;
struct RowWindows {
  const void* from;
  void* to;
  int64_t images;
  int32_t channels;
  int32_t height;
  int32_t width;
  int32_t left;    // pixels of zeros before a row
  int32_t pixels;  // of a row with its zeros; even
  int32_t zeros;   // words of zeros behind the last row
  Divider by_row_words, by_height;

  constexpr int64_t words() const { return images * height * pixels / 2 + zeros; }
};
struct RowWindowsArgs {
  RowWindows tensors[2];
};
inline constexpr Kernel<RowWindowsArgs> kRowWindows{"convolution", "row_windows_kernel",
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

// Weights for the image's gradient with the rows of all phases, elements of two bytes: from [out_channels,
// channels, kernel_h, kernel_w] to [phases of h, phases of w, channels, taps_h, taps_w, padded
// out_channels]. The i-th of taps_h is at the place top_h - i, where a phase may have no tap: a zero.
struct PhaseWeights {
  const void* from;
  void* to;
  int32_t out_channels;
  int32_t channels;
  int32_t kernel_h;
  int32_t kernel_w;
  int32_t top_h;
  int32_t top_w;
  int32_t taps_h;
  int32_t taps_w;
  GatherAxis h;
  GatherAxis w;

  constexpr int64_t words() const {
    return int64_t{h.phases} * w.phases * channels * taps_h * taps_w * blocks(out_channels, kPack);
  }
};
inline constexpr Kernel<PhaseWeights> kPhaseWeights{"convolution", "phase_weights_kernel",
                                                    kElementThreads};

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

// The same, as a tap sees it in the image: of columns, rows and elements. Then back by the result's columns
// to the beginning of the next row, and by its rows to that of the next image.
struct PixelWalk {
  int32_t x;
  int32_t y;
  int32_t pixels;
  int32_t row_x;
  int32_t row_pixels;
  int32_t image_y;
  int32_t image_pixels;

  static constexpr PixelWalk of(int64_t steps, const GatherAxis& h, const GatherAxis& w,
                                int32_t pitch) {
    const Walk walk = Walk::of(steps, h.result, w.result);
    PixelWalk p{};
    p.x = walk.w * w.stride;
    p.y = walk.h * h.stride;
    p.pixels = ((walk.images * h.image + p.y) * w.image + p.x) * pitch;
    p.row_x = w.result * w.stride;
    p.row_pixels = (h.stride * w.image - p.row_x) * pitch;
    p.image_y = h.result * h.stride;
    p.image_pixels = (h.image - p.image_y) * w.image * pitch;
    return p;
  }
};

// A convolution's products of channels last. gemm.call: what is made of the products, and
//   forward and the image's gradient, [phases, groups]: a, weights [groups, m, kernel_h, kernel_w,
//     channels]; b, images [images, h.image, w.image, pitch], of which a tap of a group takes channels; n,
//     the most positions of a phase, of all images one after the other;
//   the weight's gradient, [parts, groups]: a, the output's gradient [images, h.result, w.result, lda]; b,
//     images as above; n, elements of a row of the weight; k and whole_k, positions of a part and of all
//     images.
struct ConvolutionArgs {
  GemmArgs gemm;
  GatherAxis h;
  GatherAxis w;
  int32_t groups;
  int32_t channels;  // of a group of b, padded; or of a window: all taps of a row
  int32_t pitch;     // of b, from pixel to pixel
  int32_t images;
  int32_t kernel_w;
  // Of what is made: columns of an image, and from a column or row of a phase to its next.
  int32_t result_w;
  int32_t step_h;
  int32_t step_w;
  // Where one tile has the rows of all phases, as many as there are, the products have one phase: rows are
  // [step_h, step_w, channels] of the image, ldc and stride_c are of channels and images; else 1.
  int32_t phases_of_rows;
  PixelWalk walk;  // the weight's gradient: by kWalk
  // Elements from b to a pixel of zeros, or a window of them: what a tap beyond the image reads.
  int32_t zeros;
  // For the divisions of a tile (set_dividers): by groups, phases of a row, positions of a phase, or 1 where it
  // has none; of the weight's gradient by channels and a row's taps.
  Divider by_groups;
  Divider by_phases_w;
  Divider by_height[kMostPhases];
  Divider by_width[kMostPhases];
  Divider by_channels;
  Divider by_kernel_w;
  // Of rows with phases: by the channels of a phase, and phases of a row.
  Divider by_row_channels;
  Divider by_step_w;
};
inline constexpr int kWalk = 16;

// Rows of the smallest tile: of images of few channels.
inline constexpr int kFewRows = 32;

// A product, and the tile of it that a block makes.
struct ConvolutionKernel {
  Kernel<ConvolutionArgs> kernel;
  int64_t rows;
  int64_t columns;
  // Time of a tile for each of its elements beside that of the largest tile, which reads less for each
  // product. Chosen by the model of docs/step-model.md.
  double cost;
};
// The products of a dtype, by tiles of several sizes: result, for output and the image's gradient; weight,
// for the weight's.
struct TensorConvolutions {
  ConvolutionKernel result[4];
  ConvolutionKernel weight[2];
};

#define NAMP_WIDE(image, name) \
  { {image, "convolution_" name "_128_kernel", kWideTileThreads}, kWideTile, kWideTile, 1.0 }
#define NAMP_MIDDLE(image, name)                                                               \
  {                                                                                            \
    {image, "convolution_" name "_64_128_kernel", kNarrowTileThreads}, kNarrowTile, kWideTile, \
        1.15                                                                                   \
  }
#define NAMP_NARROW(image, name) \
  { {image, "convolution_" name "_64_kernel", kNarrowTileThreads}, kNarrowTile, kNarrowTile, 1.5 }
#define NAMP_FEW(image, name) \
  { {image, "convolution_" name "_32_128_kernel", kNarrowTileThreads}, kFewRows, kWideTile, 1.8 }
#define NAMP_TENSOR_CONVOLUTIONS(image, dtype)                                      \
  {                                                                                 \
    {NAMP_WIDE(image, dtype), NAMP_MIDDLE(image, dtype), NAMP_NARROW(image, dtype), \
     NAMP_FEW(image, dtype)},                                                       \
    {                                                                               \
      NAMP_WIDE(image, dtype "_weight"), NAMP_NARROW(image, dtype "_weight")        \
    }                                                                               \
  }

inline constexpr TensorConvolutions kConvolutionTuringFloat16 =
    NAMP_TENSOR_CONVOLUTIONS("convolution_float16_sm75", "float16_sm75");
inline constexpr TensorConvolutions kConvolutionFloat16 =
    NAMP_TENSOR_CONVOLUTIONS("convolution_float16_sm80", "float16");
inline constexpr TensorConvolutions kConvolutionBFloat16 =
    NAMP_TENSOR_CONVOLUTIONS("convolution_bfloat16_sm80", "bfloat16");

#undef NAMP_WIDE
#undef NAMP_MIDDLE
#undef NAMP_NARROW
#undef NAMP_FEW
#undef NAMP_TENSOR_CONVOLUTIONS

// Spreads planes: to[plane][y step_h][2 x] = from[plane][y][x], elements of two bytes, and zeros between.
struct SpreadArgs {
  const void* from;  // [planes, from_h, from_w]
  void* to;          // [planes, to_h, 2 from_w]
  int64_t planes;
  int32_t from_h;
  int32_t from_w;
  int32_t to_h;
  int32_t step_h;
  int32_t together;  // elements of a row of to that lie in an aligned word: 8, 4 or 2
  Divider by_row_parts, by_to_h, by_step_h;
};
inline constexpr Kernel<SpreadArgs> kSpread{"convolution", "spread_kernel", kElementThreads};

// Adds the parts of a weight's gradient in their order, and puts its channels first again.
struct ConvolutionWeightArgs {
  const float* sums;  // [parts, rows, taps / taps_together, padded]
  void* weight;       // [rows, channels, taps]
  int32_t dtype;
  int32_t channels;
  int32_t padded;
  int32_t taps;
  int32_t taps_together;  // a window's, of kWindowChannels each; or 1
  int64_t rows;
  int64_t parts;
  Divider by_channels, by_taps, by_taps_together;
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
