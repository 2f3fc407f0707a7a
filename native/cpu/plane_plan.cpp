#include "cpu/plane_plan.h"

#include <algorithm>

#include "cpu/block_gemm.h"

namespace namp {
namespace {

// Whole vectors are copied, of what lies after the last unit too.
constexpr int64_t kSlack = 64;

constexpr int64_t kLineUnits = 16;

// A row of a panel is copied together in parts, as long as the rows of the output. From this
// number of products of a part on, which is read for every channel, that takes less time than it saves;
// always, where it is the only copy.
constexpr int64_t kPackedProducts = 1536;

// An odd number of cache lines: what lies so far apart shares no few places in the first-level cache.
int64_t odd_lines(int64_t units) { return (divide_up(units, kLineUnits) / 2 * 2 + 1) * kLineUnits; }

int64_t rounded_down(int64_t value, int64_t to) { return value / to * to; }

// The remainder that is not negative.
int64_t modulo(int64_t value, int64_t by) { return (value % by + by) % by; }

void set_halo(PlaneAxis& axis) {
  axis.halo = 0;
  for (const PlaneAxis::Tap& tap : axis.taps)
    axis.halo = std::max(axis.halo, tap.shift);
}

PlaneAxis axis_of_input(const Window& window, int64_t out) {
  PlaneAxis axis{window.in, window.stride, window.pad, out, 1, {}, {}, 0};
  for (int64_t tap = 0; tap < window.kernel; ++tap) {
    const int64_t phase = tap * window.dilation % window.stride;
    auto at = std::find(axis.phases.begin(), axis.phases.end(), phase);
    if (at == axis.phases.end()) at = axis.phases.insert(at, phase);
    axis.taps.push_back({at - axis.phases.begin(), tap * window.dilation / window.stride, 0});
  }
  set_halo(axis);
  return axis;
}

// Output o reads input stride * o + tap * dilation - pad. So the gradient of input
// stride * i + written, where written is that place of the tap modulo the stride, has a term of
// output i + (written + pad - tap * dilation) / stride.
PlaneAxis axis_of_output_gradient(const Window& window, int64_t out) {
  PlaneAxis axis{out, 1, 0, window.in, window.stride, {0}, {}, 0};
  for (int64_t tap = 0; tap < window.kernel; ++tap) {
    const int64_t place = tap * window.dilation - window.pad;
    const int64_t written = modulo(place, window.stride);
    axis.taps.push_back({0, (written - place) / window.stride, written});
  }
  int64_t least = axis.taps.front().shift;
  for (const PlaneAxis::Tap& tap : axis.taps)
    least = std::min(least, tap.shift);
  for (PlaneAxis::Tap& tap : axis.taps)
    tap.shift -= least;
  axis.pad = -least;
  set_halo(axis);
  return axis;
}

PlanePlan::Line line_of(const PlaneAxis& axis, int64_t phase) {
  const int64_t before = std::max<int64_t>(0, axis.pad - phase);
  const int64_t left = std::min(divide_up(before, axis.in_stride), axis.width());
  const int64_t first = left * axis.in_stride + phase - axis.pad;
  const int64_t there = divide_up(std::max<int64_t>(0, axis.in - first), axis.in_stride);
  return {left, first, std::min(there, axis.width() - left)};
}

// The size of pieces of nearly the same one, at most this.
int64_t even_pieces(int64_t size, int64_t most) { return divide_up(size, divide_up(size, most)); }

// Whether an image is its own planes: it has no padding, and all of it is read by each tap.
bool is_dense(const PlaneShape& shape) {
  const auto of = [](const PlaneAxis& axis) {
    return axis.in_stride == 1 && axis.pad == 0 && axis.halo == 0 && axis.in == axis.positions();
  };
  return of(shape.height) && of(shape.width);
}

bool all_have_taps(const PlaneAxis& axis) {
  for (int64_t phase = 0; phase < axis.written_phases(); ++phase) {
    if (!axis.has_taps(phase)) return false;
  }
  return true;
}

// Blocks of nearly the same number of channels, which may be fewer where more phases are summed.
int64_t channels_of_block(int64_t channels, int64_t all) {
  const int64_t most = std::max(kPairRows, rounded_down(all, kPairRows));
  return divide_up(even_pieces(channels, most), kPairRows) * kPairRows;
}

}  // namespace

int64_t PlaneAxis::written_phases() const { return std::min(out_stride, out); }

int64_t PlaneAxis::positions(int64_t written) const { return divide_up(out - written, out_stride); }

PlaneShape planes_of_input(const ConvolutionShape& shape) {
  return {shape.group_in, shape.group_out, axis_of_input(shape.height, shape.out_h),
          axis_of_input(shape.width, shape.out_w)};
}

PlaneShape planes_of_output_gradient(const ConvolutionShape& shape) {
  return {shape.group_out, shape.group_in, axis_of_output_gradient(shape.height, shape.out_h),
          axis_of_output_gradient(shape.width, shape.out_w)};
}

PlaneShape as_one_row(const PlaneShape& shape) {
  const Window none{1, 1, 1, 0, 1};
  Window row = none;
  row.in = shape.height.in * shape.width.in;
  return {shape.channels, shape.out_channels, axis_of_input(none, 1), axis_of_input(row, row.in)};
}

PlanePlan::PlanePlan(const PlaneShape& given, const PairTiles* tiles, int64_t most_images,
                     int64_t most_units)
    : shape(given), pairs(tiles) {
  const PlaneAxis& down = shape.height;
  const PlaneAxis& along = shape.width;
  plane_row = along.width();
  kernel = static_cast<int64_t>(down.taps.size() * along.taps.size());
  depth = pairs == nullptr ? shape.channels : pairs->padded_depth((shape.channels + 1) / 2);
  const auto phases_w = static_cast<int64_t>(along.phases.size());
  const auto phases = static_cast<int64_t>(down.phases.size()) * phases_w;
  band = even_pieces(down.positions(),
                     std::max<int64_t>(1, most_units / (depth * phases * plane_row) - down.halo));
  is_whole = band == down.positions();
  phase_plane = (band + down.halo) * plane_row;
  image_plane = phases * phase_plane;
  for (int64_t phase : along.phases)
    lines.push_back(line_of(along, phase));
  const auto kernel_w = static_cast<int64_t>(along.taps.size());
  for (int64_t row = 0; row < down.written_phases(); ++row) {
    for (int64_t column = 0; column < along.written_phases(); ++column) {
      const auto first = static_cast<int64_t>(runs.size());
      for (size_t h = 0; h < down.taps.size(); ++h) {
        const PlaneAxis::Tap& tap_h = down.taps[h];
        if (tap_h.written != row) continue;
        for (size_t w = 0; w < along.taps.size(); ++w) {
          const PlaneAxis::Tap& tap_w = along.taps[w];
          if (tap_w.written != column) continue;
          runs.push_back((tap_h.read * phases_w + tap_w.read) * phase_plane +
                         tap_h.shift * plane_row + tap_w.shift);
          taps.push_back(static_cast<int64_t>(h) * kernel_w + static_cast<int64_t>(w));
        }
      }
      sums.push_back({first, static_cast<int64_t>(runs.size()) - first});
    }
  }
  weight_row = odd_lines(depth * static_cast<int64_t>(runs.size()));
  packs = (pairs == nullptr || pairs->a_lies_anyhow) && kernel <= kBlockDepth &&
          (is_dense(shape) ||
           shape.out_channels * std::min(along.positions(), kColumnGranule) >= kPackedProducts);
  channels_at_once = even_pieces(depth, std::max<int64_t>(1, kBlockDepth / kernel));
  // Panels are read for all phases of the output before the next ones are copied.
  rows_phases = 1;
  if (packs && all_have_taps(down)) rows_phases = down.written_phases();
  row_outputs = along.positions();
  row_positions = packs ? row_outputs : plane_row;
  block_channels =
      channels_of_block(shape.out_channels, (packs ? 3 * kBlockRows : kBlockRows) / block_phases());
  images = 1;
  if (packs && band == down.positions()) {
    const int64_t filling = 2 * kBlockColumns / (band * along.positions());
    images = std::clamp<int64_t>(std::min(filling, 4 * kPlaneUnits / (depth * image_plane)), 1,
                                 most_images);
    images = even_pieces(most_images, images);
  }
  plane = odd_lines(images * image_plane);
}

bool PlanePlan::may_read_in_place() const { return packs && is_dense(shape); }

void PlanePlan::read_in_place(int64_t image_units, int64_t most_images) {
  in_place = is_whole = true;
  band = shape.height.positions();
  plane = band * plane_row;
  image_plane = image_units;
  images = std::clamp<int64_t>(2 * kBlockColumns / plane, 1, most_images);
  images = even_pieces(most_images, images);
}

int64_t PlanePlan::block_phases() const { return rows_phases * shape.width.written_phases(); }

int64_t PlanePlan::positions(int64_t image_count, int64_t rows) const {
  const int64_t gaps = rows > 0 ? row_positions - row_outputs : 0;
  return image_count * rows * row_positions - gaps;
}

bool PlaneAxis::has_taps(int64_t phase) const {
  return std::any_of(taps.begin(), taps.end(),
                     [phase](const Tap& tap) { return tap.written == phase; });
}

bool PlanePlan::fits_caches() const { return in_place || depth * image_plane <= 4 * kPlaneUnits; }

bool PlanePlan::fits() const {
  const int64_t rows = shape.height.positions();
  const int64_t columns = shape.width.positions();
  const int64_t computed = (rows - 1) * plane_row + columns;
  return fits_caches() && computed <= 2 * rows * columns &&
         block_phases() * sum_units() <= 4 * kPlaneUnits;
}

int64_t PlanePlan::plane_units() const { return in_place ? 0 : depth * plane + kSlack; }

int64_t PlanePlan::weight_units() const {
  return divide_up(shape.out_channels, kPairRows) * kPairRows * weight_row;
}

int64_t PlanePlan::sum_units() const { return block_channels * kBlockColumns; }

int64_t PlanePlan::line_units() const {
  return shape.width.written_phases() * kBlockColumns + kSlack;
}

int64_t PlanePlan::tile_row(int64_t channels) const { return odd_lines(channels * kernel); }

int64_t PlanePlan::panel_units() const {
  return packs ? (kBlockDepth + 1) * kBlockColumns + kSlack : 0;
}

int64_t PlanePlan::tile_units() const {
  return packs ? kBlockDepth * (kRowGranule + 2 * kLineUnits) : 0;
}

int64_t PlanePlan::scratch_bytes() const {
  return (plane_units() + block_phases() * sum_units() + kBlockColumns + line_units() +
          panel_units() + tile_units()) *
         4;
}

}  // namespace namp
