// Operands of a convolution's products on tensor cores (convolution_kernels.h). A word of 16 bytes is 8
// channels of one pixel, so that a tap moves it as a whole: it is copied from where the tap finds it, or
// is zero where that is beyond the image. What moves from slice to slice is counted on, without a
// division.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gather.cuh"
#include "cuda/product_loaders.cuh"
#include "cuda/tensor_product.cuh"

namespace namp::cuda {

// A place before every image, from which no tap leads into one.
inline constexpr int kOutside = -(1 << 30);

NAMP_DEVICE const GemmArgs& gemm_of(const ConvolutionArgs& args) { return args.gemm; }

// Operands with the call that they are of.
template <class Operands>
class OperandsOfCall {
 public:
  NAMP_DEVICE OperandsOfCall(const ConvolutionArgs& call, const Operands& operands)
      : call_(call), operands_(operands) {}
  NAMP_DEVICE void start(uint32_t stage, int left) { operands_.start(call_, stage, left); }
  NAMP_DEVICE void land(uint32_t stage, int left) { operands_.land(call_, stage, left); }

 private:
  const ConvolutionArgs& call_;
  Operands operands_;
};

// Whose product a tile is of.
struct GatherTask {
  int phase_h;
  int phase_w;
  int image;
  int group;

  NAMP_DEVICE GatherTask(const ConvolutionArgs& args, int64_t product) {
    const int pair = static_cast<int>(product);
    const int of_phase = args.images * args.groups;
    const int phase = pair / of_phase;
    const int rest = pair - phase * of_phase;
    phase_h = phase / args.w.phases;
    phase_w = phase - phase_h * args.w.phases;
    image = rest / args.groups;
    group = rest - image * args.groups;
  }
  NAMP_DEVICE int columns(const ConvolutionArgs& args) const {
    return args.h.positions(phase_h) * args.w.positions(phase_w);
  }
};

// [m, positions of the phase] in [images, groups, m, positions of all phases].
struct GatheredResult {
  static constexpr bool kMayScatter = true;

  NAMP_DEVICE GatheredResult(const ConvolutionArgs& args, const TileOfC& tile)
      : task(args, tile.product),
        first((int64_t{task.image} * args.groups + task.group) * args.gemm.call.stride_c) {}
  NAMP_DEVICE int64_t columns(const ConvolutionArgs& args) const { return task.columns(args); }
  NAMP_DEVICE Place place(const ConvolutionArgs& args, int64_t row, int64_t column) const {
    return {task.group * args.gemm.call.m + row, column, first + row * args.gemm.call.ldc + column,
            0};
  }
  NAMP_DEVICE bool is_scattered(const ConvolutionArgs& args) const {
    return args.h.phases * args.w.phases > 1;
  }
  NAMP_DEVICE int64_t scattered(const ConvolutionArgs& args, int64_t row, int64_t column) const {
    const int width = args.w.positions(task.phase_w);
    const int y = static_cast<int>(column) / width;
    const int x = static_cast<int>(column) - y * width;
    return first + row * args.gemm.call.ldc + (task.phase_h + y * args.h.phases) * args.w.result +
           task.phase_w + x * args.w.phases;
  }

  GatherTask task;
  int64_t first;
};

// Of the output and of the image's gradient: A are rows of the weight, B pixels; k is [taps, channels].
template <int kSide, int kThreads, bool kAsync>
class GatheredOperands {
 public:
  using Args = ConvolutionArgs;
  using Result = GatheredResult;
  static constexpr bool kMaySumRows = false;
  static constexpr bool kHasEpilogue = true;  // bias and activation
  static constexpr bool kKeepsPosition = true;
  using TileA = ProductTile<kSide, true>;
  using TileB = ProductTile<kSide, true>;

  NAMP_DEVICE GatheredOperands(const ConvolutionArgs& args, const TileOfC& tile) {
    const namp_gemm_args& call = args.gemm.call;
    const GatherTask task(args, tile.product);
    const auto& h = args.h.of[task.phase_h];
    const auto& w = args.w.of[task.phase_w];
    const Part part;
    place_ = part.place();
    taps_w_ = w.taps;
    // For a row that is not there the tile's first comes again: nobody writes its sums.
    const int64_t rows = call.m - tile.row;
    const int line = part.line < rows ? part.line : 0;
    to_second_row_ = line + Share::kLines < rows ? Share::kLines * static_cast<int>(call.lda) : 0;
    weight_ = static_cast<const uint16_t*>(call.a) + task.group * call.stride_a +
              (tile.row + line) * call.lda +
              (h.first_tap * args.kernel_w + w.first_tap) * args.channels;
    image_ = static_cast<const uint16_t*>(call.b) +
             int64_t{task.image} * args.h.image * args.w.image * pitch(args) +
             task.group * args.channels;
    const int columns = task.columns(args);
    const int width = columns > 0 ? args.w.positions(task.phase_w) : 1;
#pragma unroll
    for (int i = 0; i < Share::kEach; ++i) {
      const int column = static_cast<int>(tile.column) + part.line + i * Share::kLines;
      const int y = column / width;
      y_[i] = column < columns ? h.origin + y * args.h.stride : kOutside;
      x_[i] = w.origin + (column - y * width) * args.w.stride;
    }
    find_pixels(args);
    count_on(args, part.column);
  }

  template <class Body>
  NAMP_DEVICE static void with_loaders(const ConvolutionArgs& args, const TileOfC& tile,
                                       Body&& body) {
    body(OperandsOfCall(args, GatheredOperands(args, tile)));
  }
  NAMP_DEVICE static int64_t depth(const ConvolutionArgs& args, const TileOfC& tile) {
    const GatherTask task(args, tile.product);
    if (tile.column >= task.columns(args)) return 0;  // the phase has fewer than others
    return args.h.of[task.phase_h].taps * args.w.of[task.phase_w].taps * args.channels;
  }
  NAMP_DEVICE void start(const ConvolutionArgs&, uint32_t stage, int depth_left) {
    const bool there = depth_left == kSlice || Part().column < depth_left;
    const uint32_t to = stage + place_;
    rows_.start(0, to, weight_, there ? kWordElements : 0);
    rows_.start(1, to + Share::kStep, weight_ + to_second_row_, there ? kWordElements : 0);
#pragma unroll
    for (int i = 0; i < Share::kEach; ++i) {
      pixels_.start(i, to + TileA::kBytes + i * Share::kStep, image_ + pixel_[i],
                    there && pixel_[i] >= 0 ? kWordElements : 0);
    }
  }
  NAMP_DEVICE void land(const ConvolutionArgs& args, uint32_t stage, int) {
    if constexpr (!kAsync) {
      const uint32_t to = stage + place_;
#pragma unroll
      for (int i = 0; i < Share::kEach; ++i) {
        rows_.land(i, to + i * Share::kStep);
        pixels_.land(i, to + TileA::kBytes + i * Share::kStep);
      }
    }
    count_on(args, kSlice);
  }

 private:
  using Share = WordShare<TileA, kThreads>;  // of either tile
  using Part = TilePart<TileA>;
  static_assert(Share::kEach == 2);

  NAMP_DEVICE static int pitch(const ConvolutionArgs& args) { return args.groups * args.channels; }

  // So much further along k. A tap has many slices: what follows from it is found when it begins.
  NAMP_DEVICE void count_on(const ConvolutionArgs& args, int elements) {
    channel_ += elements;
    weight_ += elements;
    image_ += elements;
    if (channel_ < args.channels) return;
#pragma unroll 1
    do {
      channel_ -= args.channels;
      image_ -= args.channels;
      // Rows of the weight have their taps one after the other, of which a phase may have every n-th.
      int taps = args.w.weight_step - 1;
      if (++tap_w_ == taps_w_) {
        tap_w_ = 0;
        ++tap_h_;
        taps += args.h.weight_step * args.kernel_w - taps_w_ * args.w.weight_step;
      }
      weight_ += taps * args.channels;
    } while (channel_ >= args.channels);
    find_pixels(args);
  }
  NAMP_DEVICE void find_pixels(const ConvolutionArgs& args) {
#pragma unroll
    for (int i = 0; i < Share::kEach; ++i) {
      const int y = y_[i] + tap_h_ * args.h.tap_step;
      const int x = x_[i] + tap_w_ * args.w.tap_step;
      pixel_[i] = is_inside(args.h, args.w, y, x) ? (y * args.w.image + x) * pitch(args) : kNoPixel;
    }
  }

  static constexpr int kNoPixel = -1;

  uint32_t place_;  // of the thread's first word in either tile
  // The thread's words of the next slice.
  const uint16_t* weight_;
  int to_second_row_;
  const uint16_t* image_;
  int pixel_[Share::kEach];  // from there, or kNoPixel
  // Where the first tap finds them.
  int y_[Share::kEach];
  int x_[Share::kEach];
  int taps_w_;
  int tap_h_ = 0;
  int tap_w_ = 0;
  int channel_ = 0;
  WordCopies<Share::kEach, kAsync> rows_;
  WordCopies<Share::kEach, kAsync> pixels_;
};

// Of the weight's gradient: A is the output's gradient, B pixels; k is positions of the output, of all
// images one after the other.
template <int kSide, int kThreads, bool kAsync>
class WeightOperands {
 public:
  using Args = ConvolutionArgs;
  using Result = DenseResult<ConvolutionArgs>;
  static constexpr bool kMaySumRows = false;
  static constexpr bool kHasEpilogue = false;
  static constexpr bool kKeepsPosition = true;
  using TileA = ProductTile<kSide, false>;
  using TileB = ProductTile<kSide, false>;

  NAMP_DEVICE WeightOperands(const ConvolutionArgs& args, const TileOfC& tile)
      : gradient_(gradient_of(args, tile), args.gemm.call.lda, args.gemm.call.m - tile.row) {
    const namp_gemm_args& call = args.gemm.call;
    const int part = static_cast<int>(tile.product) / args.groups;
    const int group = static_cast<int>(tile.product) - part * args.groups;
    const Part own;
    const int element = static_cast<int>(tile.column) + own.column;
    const int tap = element / args.channels;
    const int tap_h = tap / args.kernel_w;
    y_ = element < call.n ? args.h.of[0].origin + tap_h * args.h.tap_step : kOutside;
    x_ = args.w.of[0].origin + (tap - tap_h * args.kernel_w) * args.w.tap_step;
    from_ = static_cast<const uint16_t*>(call.b) + group * args.channels + element -
            tap * args.channels;
    const int first = part * static_cast<int>(call.k) + own.line;
    at_ = Position(args.h, args.w, first);
    place_ = own.place();
  }

  template <class Body>
  NAMP_DEVICE static void with_loaders(const ConvolutionArgs& args, const TileOfC& tile,
                                       Body&& body) {
    body(OperandsOfCall(args, WeightOperands(args, tile)));
  }
  NAMP_DEVICE static int64_t depth(const ConvolutionArgs& args, const TileOfC& tile) {
    return depth_of_part(args.gemm, tile.product / args.groups);
  }
  NAMP_DEVICE void start(const ConvolutionArgs& args, uint32_t stage, int depth_left) {
    gradient_.start(stage, depth_left);
    const uint32_t to = stage + TileA::kBytes + place_;
    const int line = depth_left == kSlice ? 0 : Part().line;  // all of a whole slice are there
    const int pitch = args.groups * args.channels;
#pragma unroll
    for (int i = 0; i < Share::kEach; ++i) {
      const int y = y_ + at_.h * args.h.stride;
      const int x = x_ + at_.w * args.w.stride;
      const bool there = line + i * Share::kLines < depth_left && is_inside(args.h, args.w, y, x);
      const int pixel = there ? (at_.image * args.h.image + y) * args.w.image + x : 0;
      pixels_.start(i, to + i * Share::kStep, from_ + int64_t{pixel} * pitch,
                    there ? kWordElements : 0);
      at_.move(args.h, args.w, args.walk);
    }
  }
  NAMP_DEVICE void land(const ConvolutionArgs&, uint32_t stage, int depth_left) {
    gradient_.land(stage, depth_left);
    if constexpr (!kAsync) {
      const uint32_t to = stage + TileA::kBytes + place_;
#pragma unroll
      for (int i = 0; i < Share::kEach; ++i)
        pixels_.land(i, to + i * Share::kStep);
    }
  }

 private:
  using Share = WordShare<TileB, kThreads>;
  using Part = TilePart<TileB>;
  static_assert(Share::kLines == kWalk && Share::kLines * Share::kEach == kSlice,
                "the positions of a thread's words, and of its next slice, are equally far apart");

  NAMP_DEVICE static const uint16_t* gradient_of(const ConvolutionArgs& args, const TileOfC& tile) {
    const namp_gemm_args& call = args.gemm.call;
    const int64_t part = tile.product / args.groups;
    return static_cast<const uint16_t*>(call.a) + part * call.k * call.lda +
           (tile.product - part * args.groups) * call.stride_a + tile.row;
  }

  WordLoader<TileA, kThreads, kAsync> gradient_;
  const uint16_t* from_;  // the first image's first pixel, from the thread's channels on
  int y_;                 // where the thread's tap finds the output's first position
  int x_;
  uint32_t place_;  // of the thread's first word in a tile of pixels
  // The position of the thread's next word.
  Position at_;
  WordCopies<Share::kEach, kAsync> pixels_;
};

// The kernels of a dtype. wide and narrow: blocks with tiles of 128 and 64 that a multiprocessor should
// hold.
#define NAMP_CONVOLUTIONS_OF(name, Element, Pair, Operands, wide, narrow, async)                 \
  NAMP_TENSOR_PRODUCT(convolution_##name##_128_kernel, Element, Pair, kWideTileThreads, wide,    \
                      async, Operands<kWideTile, kWideTileThreads, async>)                       \
  NAMP_TENSOR_PRODUCT(convolution_##name##_64_kernel, Element, Pair, kNarrowTileThreads, narrow, \
                      async, Operands<kNarrowTile, kNarrowTileThreads, async>)
#define NAMP_CONVOLUTIONS(name, Element, Pair, wide, narrow, async)                \
  NAMP_CONVOLUTIONS_OF(name, Element, Pair, GatheredOperands, wide, narrow, async) \
  NAMP_CONVOLUTIONS_OF(name##_weight, Element, Pair, WeightOperands, wide, narrow, async)

}  // namespace namp::cuda
