#include "cpu/convolution_planes.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution_planes.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/gemm_tile-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/pair_blocks-inl.h"
#include "cpu/product_output-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Calls body(to, from, count) for each row of a band's planes: count elements of the input's row at
// from go to column to of the plane. Rows of padding are filled with zeros; so are the columns of
// padding, once, by clear_planes.
template <class Unit, class Body>
HWY_INLINE void for_plane_rows(const PlanePlan& plan, int64_t first, int64_t rows, Unit* plane,
                               Body&& body) {
  const PlaneShape& shape = plan.shape;
  const int64_t width = shape.width();
  const int64_t left = std::clamp<int64_t>(shape.pad_w, 0, width);
  const int64_t skipped = std::max<int64_t>(0, -shape.pad_w);
  const int64_t count = std::max<int64_t>(0, std::min(shape.in_w - skipped, width - left));
  for (int64_t row = 0; row < rows; ++row, plane += width) {
    const int64_t in_row = first + row - shape.pad_h;
    if (in_row < 0 || in_row >= shape.in_h) {
      std::fill_n(plane, width, Unit{});
    } else {
      body(plane + left, in_row * shape.in_w + skipped, count);
    }
  }
}

// The planes of a band, which begins at a row of the output.
template <class T>
HWY_INLINE void fill_planes(const PlanePlan& plan, const T* input, int64_t first, int64_t rows,
                            float* planes) {
  const int64_t pixels = plan.shape.in_h * plan.shape.in_w;
  for (int64_t channel = 0; channel < plan.shape.channels; ++channel) {
    const T* in = input + channel * pixels;
    for_plane_rows(plan, first, rows, planes + channel * plan.plane,
                   [&](float* to, int64_t from, int64_t count) NAMP_LANES {
                     map(
                         to, count, [](Lane x) NAMP_LANES { return x; }, in + from);
                   });
  }
}

HWY_INLINE void fill_pair_planes(const PlanePlan& plan, const BFloat16* input, int64_t first,
                                 int64_t rows, float* planes) {
  const int64_t pixels = plan.shape.in_h * plan.shape.in_w;
  for (int64_t channel = 0; channel < plan.shape.channels; channel += 2) {
    const BFloat16* even = input + channel * pixels;
    const BFloat16* odd = channel + 1 < plan.shape.channels ? even + pixels : nullptr;
    for_plane_rows(plan, first, rows, planes + channel / 2 * plan.plane,
                   [&](float* to, int64_t from, int64_t count) NAMP_LANES {
                     pair_up(to, even + from, odd == nullptr ? nullptr : odd + from, count);
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

// Copies of words, whole vectors at a time: what lies after the last one is overwritten.
template <class Word>
HWY_INLINE void copy_beyond(Word* to, const Word* from, int64_t count) {
  const hn::ScalableTag<Word> tag;
  for (int64_t i = 0; i < count; i += static_cast<int64_t>(hn::Lanes(tag)))
    hn::StoreU(hn::LoadU(tag, from + i), tag, to + i);
}

// As the columns of gather_columns. A row overwrites what the one before it left too much.
template <class Word>
HWY_INLINE void gather_words(const PlanePlan& plan, const Word* input, int64_t first, int64_t rows,
                             Word* planes, Word* columns) {
  const PlaneShape& shape = plan.shape;
  const int64_t width = shape.width();
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    const Word* in = input + channel * shape.in_h * shape.in_w;
    Word* plane = planes + channel * plan.plane;
    for_plane_rows(plan, first, rows + shape.halo_h(), plane,
                   [&](Word* to, int64_t from, int64_t count)
                       NAMP_LANES { std::copy_n(in + from, count, to); });
    for (int64_t run : plan.runs) {
      for (int64_t row = 0; row < rows; ++row, columns += shape.out_w)
        copy_beyond(columns, plane + run + row * width, shape.out_w);
    }
  }
}

HWY_NOINLINE void gather(const PlanePlan& plan, const void* input, namp_dtype dtype, int64_t first,
                         int64_t rows, void* planes, void* columns) {
  if (dtype == NAMP_FLOAT32) {
    gather_words(plan, static_cast<const uint32_t*>(input), first, rows,
                 static_cast<uint32_t*>(planes), static_cast<uint32_t*>(columns));
  } else {
    gather_words(plan, static_cast<const uint16_t*>(input), first, rows,
                 static_cast<uint16_t*>(planes), static_cast<uint16_t*>(columns));
  }
}

// The sums of some output channels at the positions of some rows, and their outputs.
HWY_INLINE void convolve_block(const PlanePlan& plan, const void* weights, const float* planes,
                               const ProductOutput& output, int64_t channels, int64_t rows,
                               int64_t columns, float* sums, float* bias_buffer) {
  const int64_t width = plan.shape.width();
  const int64_t positions = (rows - 1) * width + columns;
  const TileOperands operands{weights,           plan.weight_row, 1, planes, plan.plane, plan.depth,
                              plan.shape.taps(), plan.runs.data()};
  if (plan.pairs != nullptr) {
    plan.pairs->multiply(operands, kPairColumns, sums, kBlockColumns, channels, positions, false);
  } else {
    multiply_panels(operands, kTileColumns, sums, kBlockColumns, channels, positions, false);
  }
  const float* bias = widen_bias(output, channels, positions, bias_buffer);
  with_element(output.dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    if (columns == width) {
      finish_rows<T>(sums, bias, output, channels, rows * columns);
      return;
    }
    ProductOutput part = output;
    part.bias = nullptr;  // widened
    for (int64_t row = 0; row < rows; ++row) {
      finish_rows<T>(sums + row * width, bias, part_of(part, 0, row * plan.shape.out_w), channels,
                     columns);
    }
  });
}

HWY_NOINLINE void convolve(const PlanePlan& plan, const void* weights, const void* input,
                           namp_dtype dtype, const ProductOutput& output, void* scratch) {
  const PlaneShape& shape = plan.shape;
  const int64_t width = shape.width();
  auto* planes = static_cast<float*>(scratch);
  float* const sums = planes + plan.plane_units();
  float* const bias = sums + kBlockRows * kBlockColumns;
  const int64_t block_rows = std::max<int64_t>(1, kBlockColumns / width);
  const int64_t block_columns = std::min(shape.out_w, kBlockColumns);
  for (int64_t first = 0; first < shape.out_h; first += plan.band) {
    const int64_t band = std::min(plan.band, shape.out_h - first);
    fill_band(plan, input, dtype, first, band + shape.halo_h(), planes);
    for (int64_t row = 0; row < band; row += block_rows) {
      const int64_t rows = std::min(block_rows, band - row);
      for (int64_t column = 0; column < shape.out_w; column += block_columns) {
        const int64_t columns = std::min(block_columns, shape.out_w - column);
        for (int64_t channel = 0; channel < shape.out_channels; channel += kBlockRows) {
          const int64_t channels = std::min(kBlockRows, shape.out_channels - channel);
          convolve_block(plan, static_cast<const float*>(weights) + channel * plan.weight_row,
                         planes + row * width + column,
                         part_of(output, channel, (first + row) * shape.out_w + column), channels,
                         rows, columns, sums, bias);
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(convolve);
NAMP_SIMD_TABLE(gather);

// Units of a band's planes: they stay in a core's second-level cache.
constexpr int64_t kPlaneUnits = int64_t{1} << 18;

// A tile reads a panel beyond the last position.
constexpr int64_t kSlack = 64;

constexpr int64_t kLineUnits = 16;

}  // namespace

PlaneShape planes_of_input(const ConvolutionShape& shape) {
  return {shape.group_in,       shape.height.in,     shape.width.in,     shape.height.pad,
          shape.width.pad,      shape.height.kernel, shape.width.kernel, shape.height.dilation,
          shape.width.dilation, shape.group_out,     shape.out_h,        shape.out_w};
}

PlaneShape planes_of_output_gradient(const ConvolutionShape& shape) {
  PlaneShape planes = planes_of_input(shape);
  std::swap(planes.channels, planes.out_channels);
  std::swap(planes.in_h, planes.out_h);
  std::swap(planes.in_w, planes.out_w);
  planes.pad_h = planes.halo_h() - planes.pad_h;
  planes.pad_w = planes.halo_w() - planes.pad_w;
  return planes;
}

PlanePlan::PlanePlan(const PlaneShape& given, const PairTiles* tiles)
    : shape(given),
      pairs(tiles),
      depth(tiles == nullptr ? given.channels : tiles->padded_depth((given.channels + 1) / 2)),
      band(std::clamp<int64_t>(kPlaneUnits / (depth * given.width()) - given.halo_h(), 1,
                               given.out_h)),
      weight_row(depth * given.taps()) {
  // An odd number of cache lines, so that the planes of all channels do not share few places there.
  const int64_t lines = ((band + shape.halo_h()) * shape.width() + kLineUnits - 1) / kLineUnits;
  plane = (lines / 2 * 2 + 1) * kLineUnits;
  for (int64_t h = 0; h < shape.kernel_h; ++h) {
    for (int64_t w = 0; w < shape.kernel_w; ++w)
      runs.push_back(h * shape.dilation_h * shape.width() + w * shape.dilation_w);
  }
}

bool PlanePlan::fits() const {
  const int64_t computed = (shape.out_h - 1) * shape.width() + shape.out_w;
  return plane_units() <= 4 * kPlaneUnits && computed <= 2 * shape.out_h * shape.out_w;
}

int64_t PlanePlan::plane_units() const { return depth * plane + kSlack; }

int64_t PlanePlan::weight_units() const {
  return (shape.out_channels + kPairRows - 1) / kPairRows * kPairRows * weight_row;
}

int64_t PlanePlan::scratch_bytes() const {
  return (plane_units() + kBlockRows * kBlockColumns + kBlockColumns) * 4;
}

void clear_planes(const PlanePlan& plan, void* scratch) {
  std::fill_n(static_cast<float*>(scratch), plan.plane_units(), 0.0f);
}

void convolve_planes(namp_simd simd, const PlanePlan& plan, const void* weights, const void* input,
                     namp_dtype dtype, const ProductOutput& output, void* scratch) {
  convolve_by_simd(simd)(plan, weights, input, dtype, output, scratch);
}

void gather_columns(namp_simd simd, const PlanePlan& plan, const void* input, namp_dtype dtype,
                    int64_t first, int64_t rows, void* planes, void* columns) {
  gather_by_simd(simd)(plan, input, dtype, first, rows, planes, columns);
}

}  // namespace namp
#endif
