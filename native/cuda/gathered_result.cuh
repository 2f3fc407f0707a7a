// The columns of a gathered convolution's products, and where what is made of them lies: with channels first,
// as the call has it.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/convolution_kernels.h"
#include "cuda/product_tile.cuh"

namespace namp::cuda {

// Whose product a tile is of.
struct GatherTask {
  int phase_h;
  int phase_w;
  int group;

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
// ConvolutionArgs says: where the pack of a lane is, of any row.
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
    // The elements' places from there.
    int x = column.x;
    int y = column.y;
    uint32_t place = 0;
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      places_[j] = place;
      place += static_cast<uint32_t>(args.step_w);
      if (++x < width) continue;
      x = 0;
      place += static_cast<uint32_t>(args.step_h * args.result_w - width * args.step_w);
      if (++y < height) continue;
      y = 0;
      place += static_cast<uint32_t>(of_image) -
               static_cast<uint32_t>(height * args.step_h * args.result_w);
    }
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
    const int channels = static_cast<int>(args.gemm.call.m) / args.phases_of_rows;
    const int phase = static_cast<int>(row) / channels;
    const int phase_h = phase / args.step_w;
    return to_ + (static_cast<int>(row) - phase * channels) * args.gemm.call.ldc +
           phase_h * args.result_w + (phase - phase_h * args.step_w);
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
      store_global(reinterpret_cast<uint64_t*>(to + places_[4]), words.z | uint64_t{words.w} << 32);
    }
  }
  NAMP_DEVICE void put(const ConvolutionArgs& args, int64_t row, const Words& words) const {
    uint16_t* const to = this->row(args, row);
    if (is_of_halves()) {
      put_halves(to, words);
      return;
    }
    const uint32_t two[] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      if (j < there_)
        store_global(to + places_[j], static_cast<uint16_t>(two[j / 2] >> (j % 2 * 16)));
    }
  }

 private:
  uint16_t* to_;  // in row 0
  int group_;
  int there_;
  int together_;  // elements that lie beside each other, aligned, in every row
  uint32_t places_[kPack];
};

}  // namespace namp::cuda
