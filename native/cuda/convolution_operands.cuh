// Operands of a convolution's products on tensor cores (convolution_kernels.h). A word of 16 bytes is 8
// channels of one pixel, so that a tap moves it as a whole: it is copied from where the tap finds it, or
// is zero where that is beyond the image. What moves from slice to slice is counted on, without a
// division.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gather.cuh"
#include "cuda/gathered_result.cuh"
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

// Of the output and of the image's gradient: A are rows of the weight, B pixels; k is [taps, channels].
template <int kRows, int kColumns, int kThreads, bool kAsync>
class GatheredOperands {
 public:
  using Args = ConvolutionArgs;
  using Result = GatheredResult;
  static constexpr bool kMaySumRows = false;
  static constexpr bool kKeepsPosition = true;
  using TileA = ProductTile<kRows, true>;
  using TileB = ProductTile<kColumns, true>;

  NAMP_DEVICE GatheredOperands(const ConvolutionArgs& args, const TileOfC& tile) {
    const namp_gemm_args& call = args.gemm.call;
    const GatherTask task(args, tile.product);
    const auto& h = args.h.of[task.phase_h];
    const auto& w = args.w.of[task.phase_w];
    const Part part;
    place_ = part.place();
    taps_w_ = w.taps;
    // For a row that is not there the tile's first comes again: nobody writes its sums.
    const int rows = static_cast<int>(call.m) - tile.row;
    const int line = part.line < rows ? part.line : 0;
    const auto* const weight = static_cast<const uint16_t*>(call.a) + task.group * call.stride_a +
                               (tile.row + line) * call.lda +
                               (h.first_tap * args.kernel_w + w.first_tap) * args.channels;
#pragma unroll
    for (int i = 0; i < ShareOfA::kEach; ++i)
      weights_[i] =
          weight + (line + i * kLines < rows ? i * kLines * static_cast<int>(call.lda) : 0);
    first_channel_ = task.group * args.channels;
    const int columns = task.columns(args);
#pragma unroll
    for (int i = 0; i < ShareOfB::kEach; ++i) {
      const int column = tile.column + part.line + i * kLines;
      const GatherColumn own(args, task, column);
      const int y = h.origin + own.y * args.h.stride;
      y_[i] = column < columns ? y : kOutside;
      x_[i] = w.origin + own.x * args.w.stride;
      first_[i] = static_cast<uint32_t>((own.image * args.h.image + y) * args.w.image + x_[i]) *
                  static_cast<uint32_t>(args.pitch);
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
  // A whole slice is copied without a look at its ends.
  NAMP_DEVICE void start(const ConvolutionArgs&, uint32_t stage, int depth_left) {
    const uint32_t to = stage + place_;
    if (depth_left == kSlice) {
      unrolled<ShareOfA::kEach>([&](auto i) {
        constexpr int kIndex = decltype(i)::value;
        rows_.template start<kIndex * ShareOfA::kStep>(kIndex, to, weights_[kIndex]);
      });
      unrolled<ShareOfB::kEach>([&](auto i) {
        constexpr int kIndex = decltype(i)::value;
        pixels_.template start<TileA::kBytes + kIndex * ShareOfB::kStep>(kIndex, to,
                                                                         pixels_at_[kIndex]);
      });
      return;
    }
    const int there = Part().column < depth_left ? kWordElements : 0;
    unrolled<ShareOfA::kEach>([&](auto i) {
      constexpr int kIndex = decltype(i)::value;
      rows_.template start<kIndex * ShareOfA::kStep>(kIndex, to, weights_[kIndex], there);
    });
    unrolled<ShareOfB::kEach>([&](auto i) {
      constexpr int kIndex = decltype(i)::value;
      pixels_.template start<TileA::kBytes + kIndex * ShareOfB::kStep>(kIndex, to,
                                                                       pixels_at_[kIndex], there);
    });
  }
  NAMP_DEVICE void land(const ConvolutionArgs& args, uint32_t stage, int) {
    if constexpr (!kAsync) {
      const uint32_t to = stage + place_;
#pragma unroll
      for (int i = 0; i < ShareOfA::kEach; ++i)
        rows_.land(i, to + i * ShareOfA::kStep);
#pragma unroll
      for (int i = 0; i < ShareOfB::kEach; ++i)
        pixels_.land(i, to + TileA::kBytes + i * ShareOfB::kStep);
    }
    count_on(args, kSlice);
  }

 private:
  using ShareOfA = WordShare<TileA, kThreads>;
  using ShareOfB = WordShare<TileB, kThreads>;
  using Part = TilePart<TileA>;  // of either tile
  static constexpr int kLines = ShareOfA::kLines;
  static_assert(ShareOfB::kLines == kLines);

  // So much further along k. A tap has many slices: what follows from it is found when it begins.
  NAMP_DEVICE void count_on(const ConvolutionArgs& args, int elements) {
    channel_ += elements;
#pragma unroll
    for (const uint16_t*& weight : weights_)
      weight += elements;
#pragma unroll
    for (const uint16_t*& pixel : pixels_at_)
      pixel += elements;
    if (channel_ < args.channels) return;
#pragma unroll 1
    do {
      channel_ -= args.channels;
      // Rows of the weight have their taps one after the other, of which a phase may have every n-th.
      int taps = args.w.weight_step - 1;
      if (++tap_w_ == taps_w_) {
        tap_w_ = 0;
        ++tap_h_;
        taps += args.h.weight_step * args.kernel_w - taps_w_ * args.w.weight_step;
      }
#pragma unroll
      for (const uint16_t*& weight : weights_)
        weight += taps * args.channels;
    } while (channel_ >= args.channels);
    find_pixels(args);
  }
  NAMP_DEVICE void find_pixels(const ConvolutionArgs& args) {
    const auto* const images =
        static_cast<const uint16_t*>(args.gemm.call.b) + (first_channel_ + channel_);
    const int y = tap_h_ * args.h.tap_step;
    const int x = tap_w_ * args.w.tap_step;
    const auto tap = static_cast<uint32_t>((y * args.w.image + x) * args.pitch);
#pragma unroll
    for (int i = 0; i < ShareOfB::kEach; ++i) {
      const bool inside = is_inside(args.h, args.w, y_[i] + y, x_[i] + x);
      pixels_at_[i] = images + (inside ? first_[i] + tap : static_cast<uint32_t>(args.zeros));
    }
  }

  uint32_t place_;  // of the thread's first word in either tile
  // The thread's words of the next slice.
  const uint16_t* weights_[ShareOfA::kEach];
  const uint16_t* pixels_at_[ShareOfB::kEach];
  int first_channel_;  // of the group
  // Where the first tap finds them, in their image and among the elements of all.
  int y_[ShareOfB::kEach];
  int x_[ShareOfB::kEach];
  uint32_t first_[ShareOfB::kEach];
  int taps_w_;
  int tap_h_ = 0;
  int tap_w_ = 0;
  int channel_ = 0;
  WordCopies<ShareOfA::kEach, kAsync> rows_;
  WordCopies<ShareOfB::kEach, kAsync> pixels_;
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
    const PartOfProduct part(args, tile);
    const Part own;
    const int element = tile.column + own.column;
    const int tap = static_cast<int>(static_cast<uint32_t>(element) / args.by_channels);
    const int tap_h = static_cast<int>(static_cast<uint32_t>(tap) / args.by_kernel_w);
    const GatherColumn first(args, GatherTask(), part.index * static_cast<int>(call.k) + own.line);
    const int y = args.h.of[0].origin + tap_h * args.h.tap_step;
    const int x = args.w.of[0].origin + (tap - tap_h * args.kernel_w) * args.w.tap_step;
    y_ = (element < call.n ? y : kOutside) + first.y * args.h.stride;
    x_ = x + first.x * args.w.stride;
    y_end_ = (element < call.n ? y : kOutside) + args.h.result * args.h.stride;
    x_end_ = x + args.w.result * args.w.stride;
    pixel_ = static_cast<uint32_t>(
        ((first.image * args.h.image + y + first.y * args.h.stride) * args.w.image + x_) *
        args.pitch);
    from_ = static_cast<const uint16_t*>(call.b) + part.group * args.channels + element -
            tap * args.channels;
    place_ = own.place();
  }

  template <class Body>
  NAMP_DEVICE static void with_loaders(const ConvolutionArgs& args, const TileOfC& tile,
                                       Body&& body) {
    body(OperandsOfCall(args, WeightOperands(args, tile)));
  }
  NAMP_DEVICE static int64_t depth(const ConvolutionArgs& args, const TileOfC& tile) {
    return depth_of_part(args.gemm, PartOfProduct(args, tile).index);
  }
  NAMP_DEVICE void start(const ConvolutionArgs& args, uint32_t stage, int depth_left) {
    gradient_.start(stage, depth_left);
    const uint32_t to = stage + TileA::kBytes + place_;
    const int line = depth_left == kSlice ? 0 : Part().line;  // all of a whole slice are there
    unrolled<Share::kEach>([&](auto i) {
      constexpr int kIndex = decltype(i)::value;
      const bool there =
          line + kIndex * Share::kLines < depth_left && is_inside(args.h, args.w, y_, x_);
      pixels_.template start<kIndex * Share::kStep>(
          kIndex, to, from_ + (there ? pixel_ : static_cast<uint32_t>(args.zeros)));
      walk(args);
    });
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
  struct PartOfProduct {
    int index;
    int group;
    NAMP_DEVICE PartOfProduct(const ConvolutionArgs& args, const TileOfC& tile) {
      const uint32_t part = static_cast<uint32_t>(tile.product) / args.by_groups;
      index = static_cast<int>(part);
      group = tile.product - static_cast<int>(part * args.by_groups.by);
    }
  };
  static_assert(Share::kLines == kWalk && Share::kLines * Share::kEach == kSlice,
                "the positions of a thread's words, and of its next slice, are equally far apart");

  NAMP_DEVICE static const uint16_t* gradient_of(const ConvolutionArgs& args, const TileOfC& tile) {
    const namp_gemm_args& call = args.gemm.call;
    const PartOfProduct part(args, tile);
    return static_cast<const uint16_t*>(call.a) + part.index * call.k * call.lda +
           part.group * call.stride_a + tile.row;
  }

  // To the output's position of the thread's next word, without a division.
  NAMP_DEVICE void walk(const ConvolutionArgs& args) {
    const PixelWalk& walk = args.walk;
    x_ += walk.x;
    y_ += walk.y;
    pixel_ += static_cast<uint32_t>(walk.pixels);
    if (x_ >= x_end_) {
      x_ -= walk.row_x;
      y_ += args.h.stride;
      pixel_ += static_cast<uint32_t>(walk.row_pixels);
    }
    if (y_ >= y_end_) {
      y_ -= walk.image_y;
      pixel_ += static_cast<uint32_t>(walk.image_pixels);
    }
  }

  WordLoader<TileA, kThreads, kAsync> gradient_;
  const uint16_t* from_;  // the first image's first pixel, from the thread's channels on
  uint32_t place_;        // of the thread's first word in a tile of pixels
  // Where the thread's tap finds its next word: in the image, and from from_ on.
  int y_;
  int x_;
  uint32_t pixel_;
  // Where it would find it behind the output's last row and column.
  int y_end_;
  int x_end_;
  WordCopies<Share::kEach, kAsync> pixels_;
};

// The kernels of a dtype. wide, middle and narrow: blocks with tiles of kWideTile, of kNarrowTile rows and
// kWideTile columns, and of kNarrowTile, that a multiprocessor should hold.
#define NAMP_CONVOLUTIONS(name, Element, Pair, wide, middle, narrow, async)                      \
  NAMP_TENSOR_PRODUCT(convolution_##name##_128_kernel, Element, Pair, kWideTileThreads, wide,    \
                      async, GatheredOperands<kWideTile, kWideTile, kWideTileThreads, async>)    \
  NAMP_TENSOR_PRODUCT(convolution_##name##_64_128_kernel, Element, Pair, kNarrowTileThreads,     \
                      middle, async,                                                             \
                      GatheredOperands<kNarrowTile, kWideTile, kNarrowTileThreads, async>)       \
  NAMP_TENSOR_PRODUCT(convolution_##name##_64_kernel, Element, Pair, kNarrowTileThreads, narrow, \
                      async,                                                                     \
                      GatheredOperands<kNarrowTile, kNarrowTile, kNarrowTileThreads, async>)     \
  NAMP_TENSOR_PRODUCT(convolution_##name##_32_128_kernel, Element, Pair, kNarrowTileThreads,     \
                      narrow, async,                                                             \
                      GatheredOperands<kFewRows, kWideTile, kNarrowTileThreads, async>)          \
  NAMP_TENSOR_PRODUCT(convolution_##name##_weight_128_kernel, Element, Pair, kWideTileThreads,   \
                      wide, async, WeightOperands<kWideTile, kWideTileThreads, async>)           \
  NAMP_TENSOR_PRODUCT(convolution_##name##_weight_64_kernel, Element, Pair, kNarrowTileThreads,  \
                      narrow, async, WeightOperands<kNarrowTile, kNarrowTileThreads, async>)

}  // namespace namp::cuda
