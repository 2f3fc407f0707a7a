// The columns of a gathered convolution's products, and where what is made of them lies: with channels first,
// as the call has it.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/convolution_kernels.h"
#include "cuda/divide.cuh"
#include "cuda/product_tile.cuh"

namespace namp::cuda {

// Whose product a tile is of.
struct GatherTask {
  int phase_h = 0;
  int phase_w = 0;
  int group = 0;

  GatherTask() = default;
  NAMP_DEVICE GatherTask(const ConvolutionArgs& args, int64_t product) {
    const auto index = static_cast<uint32_t>(product);
    const uint32_t phase = index / args.by_groups;
    group = static_cast<int>(index - phase * args.by_groups.by);
    const uint32_t of_h = phase / args.by_phases_w;
    phase_h = static_cast<int>(of_h);
    phase_w = static_cast<int>(phase - of_h * args.by_phases_w.by);
  }
  // Positions of an image, at least 1.
  NAMP_DEVICE int height(const ConvolutionArgs& args) const {
    return static_cast<int>(args.by_height[phase_h].by);
  }
  NAMP_DEVICE int width(const ConvolutionArgs& args) const {
    return static_cast<int>(args.by_width[phase_w].by);
  }
  // A phase beyond the result has none.
  NAMP_DEVICE int columns(const ConvolutionArgs& args) const {
    const bool any = phase_h < args.h.result && phase_w < args.w.result;
    return any ? args.images * height(args) * width(args) : 0;
  }
};

// One of a phase's columns, which are the positions of all images one after the other.
struct GatherColumn {
  int image;
  int y;
  int x;

  NAMP_DEVICE GatherColumn(const ConvolutionArgs& args, const GatherTask& task, int column) {
    const Divider& width = args.by_width[task.phase_w];
    const Divider& height = args.by_height[task.phase_h];
    const auto index = static_cast<uint32_t>(column);
    const uint32_t row = index / width;
    const uint32_t of_images = row / height;
    image = static_cast<int>(of_images);
    y = static_cast<int>(row - of_images * height.by);
    x = static_cast<int>(index - row * width.by);
  }
};

// [m, columns of the phase] in [images, groups, m, positions of all phases]; or, where rows have phases, as
// ConvolutionArgs says: where the column of a lane is, or the pack of columns from there on, of any row.
class GatheredResult {
 public:
  static constexpr bool kIsOfImages = true;

  NAMP_DEVICE GatheredResult(const ConvolutionArgs& args, const TileOfC& tile, int first) {
    const namp_gemm_args& call = args.gemm.call;
    const GatherTask task(args, tile.product);
    group_ = task.group;
    const int left = task.columns(args) - first;
    there_ = left < kPack ? left : kPack;
    const GatherColumn column(args, task, first);
    const int64_t of_image = args.groups * call.stride_c;
    to_ = static_cast<uint16_t*>(call.c) + column.image * of_image + task.group * call.stride_c +
          int64_t{task.phase_h + column.y * args.step_h} * args.result_w + task.phase_w +
          int64_t{column.x} * args.step_w;
    const int width = task.width(args);
    const int height = task.height(args);
    const bool dense = args.step_h * args.step_w == 1;
    const int in_image = width * height - (column.y * width + column.x);
    const auto at = reinterpret_cast<uintptr_t>(to_);
    if (dense && there_ == kPack && in_image >= kPack && at % 16 == 0 && call.ldc % 8 == 0) {
      together_ = 8;
    } else if (dense && at % 8 == 0 && call.ldc % 4 == 0 && of_image % 4 == 0) {
      together_ = 4;
    } else {
      together_ = 1;
    }
    // Behind the last of an image's elements is the next image's first.
    second_half_ = in_image > kPack / 2 ? kPack / 2
                                        : static_cast<uint32_t>(of_image) -
                                              static_cast<uint32_t>(width * height - in_image);
  }
  NAMP_DEVICE bool is_there() const { return there_ > 0; }
  // Whether elements lie beside each other in words or halves of them, in every row.
  NAMP_DEVICE bool is_of_halves() const { return together_ > 1; }
  // Of the output, among those of all groups.
  NAMP_DEVICE int64_t channel(const ConvolutionArgs& args, int64_t row) const {
    return group_ * args.gemm.call.m + row;
  }
  NAMP_DEVICE uint16_t* row(const ConvolutionArgs& args, int64_t row) const {
    if (args.phases_of_rows == 1) return to_ + row * args.gemm.call.ldc;
    const auto index = static_cast<uint32_t>(row);
    const uint32_t phase = index / args.by_row_channels;
    const uint32_t phase_h = phase / args.by_step_w;
    return to_ + int64_t{index - phase * args.by_row_channels.by} * args.gemm.call.ldc +
           int64_t{phase_h} * args.result_w + (phase - phase_h * args.by_step_w.by);
  }
  // The same of one row after the other: of channels, and of rows with phases, without a quotient for each.
  struct Channels {
    uint16_t* to;

    NAMP_DEVICE void next(const ConvolutionArgs& args) { to += args.gemm.call.ldc; }
  };
  NAMP_DEVICE Channels channels(const ConvolutionArgs& args, int row) const {
    return {to_ + row * args.gemm.call.ldc};
  }
  struct Rows {
    uint16_t* to;
    uint32_t channels_left;  // of the row's phase
    uint32_t phases_left;    // of the image's row

    NAMP_DEVICE void next(const ConvolutionArgs& args) {
      const int64_t ldc = args.gemm.call.ldc;
      to += ldc;
      if (--channels_left != 0) return;
      channels_left = args.by_row_channels.by;
      to += 1 - int64_t{channels_left} * ldc;
      if (--phases_left != 0) return;
      phases_left = args.by_step_w.by;
      to += args.result_w - args.step_w;
    }
  };
  NAMP_DEVICE Rows rows(const ConvolutionArgs& args, int row) const {
    const auto index = static_cast<uint32_t>(row);
    const uint32_t phase = index / args.by_row_channels;
    const uint32_t phase_h = phase / args.by_step_w;
    return {this->row(args, row), (phase + 1) * args.by_row_channels.by - index,
            (phase_h + 1) * args.by_step_w.by - phase};
  }
  // Where is_of_halves.
  NAMP_DEVICE void put_halves(uint16_t* to, const Words& words) const {
    if (together_ == kPack) {
      store_words<0>(reinterpret_cast<Words*>(to), words);
      return;
    }
    if (there_ > 0)
      store_global(reinterpret_cast<uint64_t*>(to), words.x | uint64_t{words.y} << 32);
    if (there_ > 4) {
      store_global(reinterpret_cast<uint64_t*>(to + second_half_),
                   words.z | uint64_t{words.w} << 32);
    }
  }

 private:
  uint16_t* to_;  // in row 0
  int group_;
  int there_;
  int together_;          // elements that lie beside each other, aligned, in every row
  uint32_t second_half_;  // where it begins
};

}  // namespace namp::cuda
