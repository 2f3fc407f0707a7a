// Convolution without a library, forward and backward to the images: by planes.
#include <algorithm>
#include <type_traits>

#include "cpu/convolution_planes.h"
#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "hwy/cache_control.h"

namespace namp {
namespace {

// Rows and channels whose weights are laid out together: a page of memory is read once for many.
constexpr int64_t kRowsAtOnce = 64;
constexpr int64_t kChannelsAtOnce = kTransposedRows;

// Weights of a channel that are transposed at once: the block stays in the first-level cache.
constexpr int64_t kTransposedColumns = 128;

// A group's weights as the rows of a product: for an output channel of the plan, each of its runs
// with all channels. Backward the channels change places.
struct WeightRows {
  WeightRows(const ConvolutionShape& shape, const PlanePlan& given, bool to_images,
             namp_simd target)
      : simd(target),
        backward(to_images),
        plan(given),
        rows(plan.weight_units() / plan.weight_row),
        used(plan.shape.out_channels),
        channels(plan.shape.channels),
        row_stride(to_images ? shape.taps / shape.group_in : shape.taps),
        channel_stride(to_images ? shape.taps : shape.taps / shape.group_in),
        group(shape.group_out * shape.taps) {}

  // Rows begin to end of those of all groups. Word is a type of the element's size, of which a unit of
  // the plan has a number.
  template <class Word>
  void lay_out(Word* out, const Word* weights, int64_t begin, int64_t end, int64_t words) const {
    for (int64_t index = begin; index < end;) {
      const int64_t row = index % rows;
      const int64_t count = std::min(end - index, rows - row);
      const int64_t filled = std::clamp<int64_t>(used - row, 0, count);
      const Word* from = weights + index / rows * group + row * row_stride;
      Word* to = out + index * plan.weight_row * words;
      const bool in_units = std::is_same_v<Word, float> || plan.pairs != nullptr;
      if (in_units && backward && row_stride <= kTransposedColumns) {
        lay_out_transposed(reinterpret_cast<float*>(to), from, filled);
      } else if (backward) {
        lay_out_together(to, from, filled, words);
      } else {
        for (int64_t i = 0; i < filled; ++i)
          lay_out_row(to + i * plan.weight_row * words, from + i * row_stride, words);
      }
      fill_up(to, filled, count, words);
      index += count;
    }
  }

  template <class Word>
  void lay_out_row(Word* to, const Word* from, int64_t words) const {
    for (int64_t tap : plan.taps) {
      if (channel_stride == 1) {
        std::copy_n(from + tap, channels, to);
      } else {
        for (int64_t channel = 0; channel < channels; ++channel)
          to[channel] = from[channel * channel_stride + tap];
      }
      to += plan.depth * words;
    }
  }

  // Backward, neighbouring rows are neighbours in memory, and a channel's weights are far from the
  // next one's: all rows take a few channels before the next.
  template <class Word>
  void lay_out_together(Word* to, const Word* from, int64_t count, int64_t words) const {
    const int64_t to_row = plan.weight_row * words;
    for (int64_t begin = 0; begin < channels; begin += kChannelsAtOnce) {
      const int64_t after = std::min(channels, begin + kChannelsAtOnce);
      for (size_t run = 0; run < plan.taps.size(); ++run) {
        Word* unit = to + static_cast<int64_t>(run) * plan.depth * words;
        for (int64_t channel = begin; channel < after; ++channel) {
          const Word* in = from + channel * channel_stride + plan.taps[run];
          for (int64_t i = 0; i < count; ++i)
            unit[i * to_row + channel] = in[i * row_stride];
        }
      }
    }
  }

  // The same, with few enough taps, transposed in registers: all taps of some rows of some channels,
  // from where each row and tap is copied to its run.
  template <class Word>
  void lay_out_transposed(float* to, const Word* from, int64_t count) const {
    alignas(64) float block[kTransposedColumns * kChannelsAtOnce];
    constexpr int64_t kOfUnit = sizeof(float) / sizeof(Word);  // channels
    const int64_t piece = kTransposedColumns / row_stride;
    for (int64_t first = 0; first < count; first += piece) {
      const int64_t some = std::min(piece, count - first);
      for (int64_t channel = 0; channel < channels; channel += kChannelsAtOnce) {
        const int64_t after = std::min(kChannelsAtOnce, channels - channel);
        const Word* in = from + channel * channel_stride + first * row_stride;
        if constexpr (std::is_same_v<Word, float>) {
          transpose_floats(simd, block, kChannelsAtOnce, in, channel_stride, after,
                           some * row_stride);
        } else {
          transpose_pairs(simd, block, kChannelsAtOnce, in, channel_stride, after,
                          some * row_stride);
        }
        for (int64_t i = 0; i < some; ++i) {
          float* unit = to + (first + i) * plan.weight_row + channel / kOfUnit;
          for (int64_t tap : plan.taps) {
            std::copy_n(block + (i * row_stride + tap) * kChannelsAtOnce, divide_up(after, kOfUnit),
                        unit);
            unit += plan.depth;
          }
        }
      }
    }
  }

  // Zeros where some rows, of which the first ones are filled, have no channel.
  template <class Word>
  void fill_up(Word* to, int64_t filled, int64_t count, int64_t words) const {
    const int64_t to_row = plan.weight_row * words;
    const int64_t to_tap = plan.depth * words;
    const auto end = static_cast<int64_t>(plan.taps.size()) * to_tap;
    for (int64_t i = 0; i < count; ++i, to += to_row) {
      const int64_t there = i < filled ? channels : 0;
      for (int64_t tap = 0; tap < end; tap += to_tap)
        std::fill(to + tap + there, to + tap + to_tap, Word{});
      std::fill(to + end, to + to_row, Word{});
    }
  }

  namp_simd simd;
  bool backward;
  const PlanePlan& plan;
  int64_t rows;  // up to a whole tile, of zeros where there is no output channel
  int64_t used;
  int64_t channels;
  int64_t row_stride;
  int64_t channel_stride;
  int64_t group;
};

// Channels of the output that are fewer than the rows of a tile.
constexpr int64_t kFewChannels = 4;

// Whether few channels fill no tile here, but all taps of them do: as columns. for_all_taps: the
// tiles for that sum, if it is one.
bool fill_as_columns(const PlanePlan& plan, const PairTiles* for_all_taps, namp_dtype dtype) {
  if (plan.pairs != nullptr) return false;
  const bool phases = plan.shape.height.out_stride > 1 || plan.shape.width.out_stride > 1;
  return (dtype == NAMP_BFLOAT16 && for_all_taps != nullptr) ||
         (phases && plan.shape.out_channels < kFewChannels &&
          plan.shape.channels > plan.shape.out_channels);
}

// Positions for which weights in pairs are laid out a tile at a time: two blocks of them.
constexpr int64_t kFewPositions = 2 * kBlockColumns;

// The same tiles, but of weights that are laid out as a whole where that takes less time: a tile would
// be laid out again for each of many blocks of positions, unless weights are pairs where they are. positions:
// of the batch, so that the bits do not depend on threads.
PairTiles with_layout(const PairTiles& tiles, int64_t positions, bool are_pairs) {
  PairTiles result = tiles;
  result.a_lies_anyhow = tiles.a_lies_anyhow && (are_pairs || positions <= kFewPositions);
  return result;
}

}  // namespace

bool CpuBackend::convolve_by_planes(const namp_conv2d_args& args, ConvolutionPass pass,
                                    namp_stream stream) {
  const ConvolutionShape shape(args);
  const bool backward = pass == ConvolutionPass::kBackwardData;
  PlaneShape planes = backward ? planes_of_output_gradient(shape) : planes_of_input(shape);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const PairTiles* const usual =
      dtype == NAMP_BFLOAT16 ? pair_tiles(simd_, planes.channels) : nullptr;
  PairTiles tiles{};
  if (usual != nullptr) {
    tiles = with_layout(*usual, args.batch * planes.height.out * planes.width.out,
                        !backward && is_pointwise(shape));
  }
  const PairTiles* const pairs = usual == nullptr ? nullptr : &tiles;
  if (is_pointwise(shape) && (pairs == nullptr || pairs->a_lies_anyhow))
    planes = as_one_row(planes);
  const int64_t threads = threads_.count();
  const int64_t most_images = std::max<int64_t>(1, divide_up(args.batch, threads));
  PlanePlan plan(planes, pairs, most_images);
  if (plan.may_read_in_place())
    plan.read_in_place(args.groups * planes.channels * planes.height.in * planes.width.in,
                       most_images);
  if (fill_as_columns(plan, backward ? nullptr : pair_tiles(simd_, shape.taps), dtype) ||
      !plan.fits())
    return false;

  // Panels read the weights where they are; else each row is laid out, as the plan's units.
  const int64_t kernel = plan.kernel;
  PlaneWeights weights{args.weight, dtype, backward ? kernel : shape.taps,
                       backward ? shape.taps : kernel};
  const bool widened = dtype != NAMP_FLOAT32 && plan.pairs == nullptr;
  const int64_t group_units = plan.packs ? shape.group_out * shape.taps : plan.weight_units();
  const int64_t units = plan.packs ? 0 : args.groups * group_units;
  const int64_t weights_bytes = align(units * 4);
  const int64_t narrow_bytes = widened ? align(units * 2) : 0;
  const int64_t each = align(plan.scratch_bytes());
  char* own = worker_scratch(1, weights_bytes + narrow_bytes + threads * each, stream);
  char* scratch = own + weights_bytes + narrow_bytes;
  if (!plan.packs) {
    const WeightRows rows(shape, plan, backward, simd_);
    char* laid_out = widened ? own + weights_bytes : own;
    threads_.parallel_for(args.groups * rows.rows, kRowsAtOnce, [&](int64_t begin, int64_t end) {
      if (dtype == NAMP_FLOAT32) {
        rows.lay_out(reinterpret_cast<float*>(laid_out), static_cast<const float*>(args.weight),
                     begin, end, 1);
      } else {
        rows.lay_out(reinterpret_cast<uint16_t*>(laid_out),
                     static_cast<const uint16_t*>(args.weight), begin, end,
                     plan.pairs == nullptr ? 1 : 2);
      }
    });
    if (widened) cast(cell_of(own, NAMP_FLOAT32), cell_of(laid_out, dtype), units, {}, stream);
    weights = {own, NAMP_FLOAT32, plan.weight_row, 1};
  }

  const int64_t positions = planes.height.out * planes.width.out;
  const int64_t outputs = planes.out_channels * positions;
  const int64_t inputs = planes.channels * planes.height.in * planes.width.in;
  const ProductOutput all = convolution_output(args, backward, positions);
  const void* input = backward ? args.output_gradient : args.input;
  const int64_t pieces = divide_up(args.batch, plan.images);
  threads_.split(pieces * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* mine = scratch + worker * each;
    clear_scratch(plan, mine);
    for (int64_t item = first; item < last; ++item) {
      const int64_t group = item % args.groups;
      const int64_t image = item / args.groups * plan.images;
      const int64_t index = image * args.groups + group;
      const ImageBatch batch{std::min(plan.images, args.batch - image), args.groups * inputs,
                             args.groups * outputs};
      ProductOutput output = all;
      output.c = element(all.c, dtype, index * outputs);
      if (all.bias != nullptr) output.bias = element(all.bias, dtype, group * planes.out_channels);
      PlaneWeights of_group = weights;
      of_group.data = element(weights.data, weights.dtype, group * group_units);
      convolve_planes(simd_, plan, of_group, element(input, dtype, index * inputs), dtype, output,
                      batch, mine);
    }
    hwy::FlushStream();
  });
  return true;
}

}  // namespace namp
