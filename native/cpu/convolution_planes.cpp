#include "cpu/convolution_planes.h"

#include <algorithm>
#include <cstring>

#include "cpu/element.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution_planes.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/convolution_panels-inl.h"
#include "cpu/gemm_tile-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/pair_blocks-inl.h"
#include "cpu/plane_lines-inl.h"
#include "cpu/product_output-inl.h"
#include "cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The planes of a band, as fill_planes, with pairs of channels.
HWY_INLINE void fill_pair_planes(const PlanePlan& plan, const BFloat16* input, int64_t first,
                                 int64_t rows, float* planes) {
  const PlaneAxis& width = plan.shape.width;
  const int64_t pixels = plan.shape.height.in * width.in;
  const int64_t stride = width.in_stride;
  for (int64_t channel = 0; channel < plan.shape.channels; channel += 2) {
    const bool has_odd = channel + 1 < plan.shape.channels;
    for_plane_parts(plan, first, rows, planes + channel / 2 * plan.plane,
                    [&](float* to, const PlanePart& part) NAMP_LANES {
                      const BFloat16* in = input + channel * pixels + part.from;
                      for_lanes(part.count, [&](int64_t i, auto some) NAMP_LANES {
                        const BFloat16* even = in + i * stride;
                        for (int64_t row = 0; row < part.rows; ++row, even += part.from_row) {
                          const Lane low = load_apart(even, stride, some);
                          const Lane high =
                              has_odd ? load_apart(even + pixels, stride, some) : Lane(0.0f);
                          store(paired(low, high), to + row * plan.plane_row + i, some);
                        }
                      });
                    });
  }
}

HWY_INLINE void fill_band(const PlanePlan& plan, const void* input, namp_dtype dtype, int64_t first,
                          int64_t rows, float* planes) {
  if (plan.pairs != nullptr) {
    fill_pair_planes(plan, static_cast<const BFloat16*>(input), first, rows, planes);
    return;
  }
  with_element(dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    fill_planes(plan, static_cast<const T*>(input), first, rows, planes);
  });
}

// As the columns of gather_columns. A row overwrites what the one before it left too much.
template <class Word>
HWY_INLINE void gather_words(const PlanePlan& plan, const Word* input, int64_t first, int64_t rows,
                             Word* planes, Word* columns, int64_t columns_row) {
  const PlaneAxis& width = plan.shape.width;
  const int64_t pixels = plan.shape.height.in * width.in;
  for (int64_t channel = 0; channel < plan.shape.channels; ++channel) {
    const Word* in = input + channel * pixels;
    Word* plane = planes + channel * plan.plane;
    for_plane_parts(plan, first, rows + plan.shape.height.halo, plane,
                    [&](Word* to, const PlanePart& part) NAMP_LANES {
                      copy_apart(to, plan.plane_row, in + part.from, part.from_row, width.in_stride,
                                 part.rows, part.count);
                    });
    for (int64_t run : plan.runs) {
      const Word* from = plane + run;
      for (int64_t row = 0; row < rows; ++row)
        copy_beyond(columns + row * width.out, from + row * plan.plane_row, width.out);
      columns += columns_row;
    }
  }
}

HWY_NOINLINE void gather(const PlanePlan& plan, const void* input, namp_dtype dtype, int64_t first,
                         int64_t rows, void* planes, void* columns, int64_t columns_row) {
  if (dtype == NAMP_FLOAT32) {
    gather_words(plan, static_cast<const float*>(input), first, rows, static_cast<float*>(planes),
                 static_cast<float*>(columns), columns_row);
  } else {
    gather_words(plan, static_cast<const uint16_t*>(input), first, rows,
                 static_cast<uint16_t*>(planes), static_cast<uint16_t*>(columns), columns_row);
  }
}

// Its own function: inlined twice, the tiles take other registers and more time.
HWY_NOINLINE void multiply(const PlanePlan& plan, const TileOperands& operands, float* sums,
                           int64_t channels, int64_t positions, bool accumulate) {
  if (plan.pairs != nullptr) {
    plan.pairs->multiply(operands, kPairColumns, sums, kBlockColumns, channels, positions,
                         accumulate);
  } else {
    multiply_panels(operands, kTileColumns, sums, kBlockColumns, channels, positions, accumulate);
  }
}

struct BlockScratch {
  float* sums;  // of each phase along a line
  float* bias;
  float* line;
  float* panels;
};

// Where the outputs of a band's positions are.
struct BandOutput {
  ProductOutput all;  // of the first image
  int64_t image;      // elements from one image to the next
  int64_t first;      // row of positions at which the band begins
  int64_t rows;       // of an image that are outputs
  int64_t phase;      // of the rows

  // The first channel's outputs from a position on.
  HWY_INLINE ProductOutput at(const PlanePlan& plan, int64_t index, int64_t row,
                              int64_t column) const {
    const int64_t out_row = (first + row) * plan.shape.height.out_stride + phase;
    const int64_t out_column = column * plan.shape.width.out_stride;
    return part_of(all, 0, index * image + out_row * plan.shape.width.out + out_column);
  }
};

// Stores a block, whose positions have one output each in its row.
template <class T>
HWY_INLINE void store_block(const PlanePlan& plan, const BlockScratch& scratch, const float* bias,
                            const BandOutput& output, int64_t rows, const PositionBlock& block,
                            int64_t channels) {
  const int64_t columns = plan.row_outputs;
  const int64_t positions = plan.row_positions;
  const bool dense = positions == columns && plan.shape.height.out_stride == 1;
  const int64_t lines = dense ? rows : 1;  // that follow each other without gaps
  in_rows(block, rows / lines, lines * positions,
          [&](int64_t image, int64_t row, int64_t column, int64_t at, int64_t count) NAMP_LANES {
            const int64_t stored = std::min(count, lines * columns - column);
            if (stored <= 0 || row >= output.rows) return;
            finish_rows<T>(scratch.sums + at, bias, output.at(plan, image, row, column), channels,
                           stored);
          });
}

// The same where each position has an output of every phase.
template <class T>
HWY_INLINE void store_phases(const PlanePlan& plan, const BlockScratch& scratch, const float* bias,
                             const BandOutput& output, int64_t rows, const PositionBlock& block,
                             int64_t channels) {
  const PlaneAxis& width = plan.shape.width;
  const int64_t phases = width.out_stride;
  const int64_t sum_units = plan.sum_units();
  struct Part {
    T* c;  // of the first channel
    int64_t at;
    int64_t count;
  };
  Part parts[kBlockColumns];
  int64_t part_count = 0;
  in_rows(block, rows, plan.row_positions,
          [&](int64_t image, int64_t row, int64_t column, int64_t at, int64_t some) NAMP_LANES {
            const int64_t count = std::min(phases * some, width.out - phases * column);
            if (count <= 0 || row >= output.rows) return;
            T* const c = static_cast<T*>(output.at(plan, image, row, column).c);
            parts[part_count++] = {c, at, count};
          });
  ProductOutput line = output.all;
  for (int64_t channel = 0; channel < channels; ++channel) {
    for (int64_t i = 0; i < part_count; ++i) {
      const Part& part = parts[i];
      line.c = part.c + channel * line.ldc;
      put_together(scratch.line, scratch.sums + channel * kBlockColumns + part.at, sum_units,
                   width.written_phases(), part.count);
      finish_rows<T>(scratch.line, bias == nullptr ? nullptr : bias + channel, line, 1, part.count);
    }
  }
}

// The rows of a phase that no tap writes.
HWY_INLINE void store_zeros(const PlanePlan& plan, const BandOutput& output, int64_t images) {
  const int64_t size = dtype_size(output.all.dtype);
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t row = 0; row < output.rows; ++row) {
      auto* c = static_cast<char*>(output.at(plan, image, row, 0).c);
      for (int64_t channel = 0; channel < plan.shape.out_channels; ++channel) {
        std::memset(c + channel * output.all.ldc * size, 0,
                    static_cast<size_t>(plan.shape.width.out * size));
      }
    }
  }
}

// The sums of some channels of the output at a block's positions. weights: of the first channel. rows: of
// an image.
HWY_INLINE void sum_block(const PlanePlan& plan, int64_t phase, const PlaneWeights& weights,
                          const void* planes, int64_t rows, const PositionBlock& block,
                          int64_t channels, const BlockScratch& scratch) {
  const PlanePlan::Sum* const first = plan.sums.data() + phase * plan.shape.width.written_phases();
  const int64_t count = plan.block_phases();
  if (plan.packs && plan.pairs != nullptr) {
    sum_by_panels<BFloat16Pair>(plan, first, first + count, weights, planes, rows, block, channels,
                                scratch.sums, scratch.panels);
    return;
  }
  if (plan.packs) {
    with_element(weights.dtype, [&](auto element) HWY_ATTR {
      using T = typename decltype(element)::Type;
      sum_by_panels<T>(plan, first, first + count, weights, planes, rows, block, channels,
                       scratch.sums, scratch.panels);
    });
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const PlanePlan::Sum& sum = first[i];
    if (sum.runs == 0) continue;  // zeros, by clear_scratch
    multiply(plan,
             {static_cast<const float*>(weights.data) + sum.first_run * plan.depth, weights.row, 1,
              static_cast<const float*>(planes) + block.begin, plan.plane, plan.depth, sum.runs,
              plan.runs.data() + sum.first_run},
             scratch.sums + i * plan.sum_units(), channels, block.count, false);
  }
}

// Stores some channels of the output at a block's positions. output: from the first one on. rows: of an
// image's positions, of which a phase may have fewer.
HWY_INLINE void finish_block(const PlanePlan& plan, BandOutput output, int64_t rows,
                             const PositionBlock& block, int64_t channels, BlockScratch scratch) {
  const int64_t phases = plan.shape.width.written_phases();
  const float* bias = widen_bias(output.all, channels, block.count, scratch.bias);
  for (int64_t i = 0; i < plan.rows_phases; ++i, ++output.phase) {
    output.rows = std::min(rows, plan.shape.height.positions(output.phase) - output.first);
    with_element(output.all.dtype, [&](auto element) HWY_ATTR {
      using T = typename decltype(element)::Type;
      if (phases == 1) {
        store_block<T>(plan, scratch, bias, output, rows, block, channels);
      } else {
        store_phases<T>(plan, scratch, bias, output, rows, block, channels);
      }
    });
    scratch.sums += phases * plan.sum_units();
  }
}

HWY_NOINLINE void convolve(const PlanePlan& plan, const PlaneWeights& weights, const void* input,
                           namp_dtype dtype, const ProductOutput& output, const ImageBatch& batch,
                           void* memory) {
  const PlaneAxis& height = plan.shape.height;
  auto* planes = static_cast<float*>(memory);
  BlockScratch scratch{};
  scratch.sums = planes + plan.plane_units();
  scratch.bias = scratch.sums + plan.block_phases() * plan.sum_units();
  scratch.line = scratch.bias + kBlockColumns;
  scratch.panels = scratch.line + plan.line_units();
  in_pieces(0, height.positions(), plan.band, [&](int64_t first, int64_t band) NAMP_LANES {
    for (int64_t image = 0; image < batch.images && !plan.in_place; ++image) {
      fill_band(plan, element(input, dtype, image * batch.input), dtype, first, band + height.halo,
                planes + image * plan.image_plane);
    }
    for (int64_t phase = 0; phase < height.written_phases(); phase += plan.rows_phases) {
      const int64_t rows = std::min(band, height.positions(phase) - first);
      if (!height.has_taps(phase)) {
        store_zeros(plan, {output, batch.output, first, rows, phase}, batch.images);
        continue;
      }
      const int64_t positions = plan.positions(batch.images, rows);
      in_pieces(0, positions, kBlockColumns, [&](int64_t begin, int64_t count) NAMP_LANES {
        in_pieces(0, plan.shape.out_channels, plan.block_channels,
                  [&](int64_t channel, int64_t channels) NAMP_LANES {
                    PlaneWeights from = weights;
                    from.data = element(weights.data, weights.dtype, channel * weights.row);
                    sum_block(plan, phase, from, plan.in_place ? input : planes, rows,
                              {begin, count}, channels, scratch);
                    finish_block(plan, {part_of(output, channel, 0), batch.output, first, 0, phase},
                                 rows, {begin, count}, channels, scratch);
                  });
      });
    }
  });
}

HWY_NOINLINE void transpose_block(float* out, int64_t out_stride, const float* in,
                                  int64_t in_stride, int64_t rows, int64_t columns) {
  transpose(out, out_stride, in, in_stride, rows, columns);
}

HWY_NOINLINE void transpose_pair_block(float* out, int64_t out_stride, const BFloat16* in,
                                       int64_t in_stride, int64_t rows, int64_t columns) {
  constexpr int64_t kColumns = 128;
  HWY_ALIGN float pairs[kTransposedRows / 2 * kColumns];
  in_pieces(0, columns, kColumns, [&](int64_t column, int64_t count) NAMP_LANES {
    for (int64_t row = 0; row < rows; row += 2) {
      const BFloat16* even = in + row * in_stride + column;
      pair_up(pairs + row / 2 * kColumns, even, row + 1 < rows ? even + in_stride : nullptr, count);
    }
    transpose(out + column * out_stride, out_stride, pairs, kColumns, divide_up(rows, 2), count);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(convolve);
NAMP_SIMD_TABLE(gather);
NAMP_SIMD_TABLE(transpose_block);
NAMP_SIMD_TABLE(transpose_pair_block);

}  // namespace

void clear_planes(const PlanePlan& plan, void* planes) {
  std::fill_n(static_cast<float*>(planes), plan.plane_units(), 0.0f);
}

void clear_scratch(const PlanePlan& plan, void* scratch) {
  clear_planes(plan, scratch);
  // The sums of a phase that no tap writes stay zeros.
  std::fill_n(static_cast<float*>(scratch) + plan.plane_units(),
              plan.block_phases() * plan.sum_units(), 0.0f);
}

void convolve_planes(namp_simd simd, const PlanePlan& plan, const PlaneWeights& weights,
                     const void* input, namp_dtype dtype, const ProductOutput& output,
                     const ImageBatch& batch, void* scratch) {
  convolve_by_simd(simd)(plan, weights, input, dtype, output, batch, scratch);
}

void gather_columns(namp_simd simd, const PlanePlan& plan, const void* input, namp_dtype dtype,
                    int64_t first, int64_t rows, void* planes, void* columns, int64_t columns_row) {
  gather_by_simd(simd)(plan, input, dtype, first, rows, planes, columns, columns_row);
}

void transpose_floats(namp_simd simd, float* out, int64_t out_stride, const float* in,
                      int64_t in_stride, int64_t rows, int64_t columns) {
  transpose_block_by_simd(simd)(out, out_stride, in, in_stride, rows, columns);
}

void transpose_pairs(namp_simd simd, float* out, int64_t out_stride, const uint16_t* in,
                     int64_t in_stride, int64_t rows, int64_t columns) {
  transpose_pair_block_by_simd(simd)(out, out_stride, reinterpret_cast<const BFloat16*>(in),
                                     in_stride, rows, columns);
}

}  // namespace namp
#endif
