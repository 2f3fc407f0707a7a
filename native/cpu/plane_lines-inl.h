// Lines of planes (plane_plan.h): elements that lie a stride apart, brought together, and sums of
// phases, brought apart again; positions, line by line.
#if defined(NAMP_CPU_PLANE_LINES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_PLANE_LINES_INL_H
#undef NAMP_CPU_PLANE_LINES_INL_H
#else
#define NAMP_CPU_PLANE_LINES_INL_H
#endif

#include <algorithm>

#include "cpu/block_gemm.h"
#include "cpu/loop-inl.h"
#include "cpu/plane_plan.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3
// p[0], p[2], … for count elements. What lies after the last one may be nobody's: only here masks
// reach elements of 16 bits.
HWY_INLINE hn::Vec<LaneTag> load_every_second(const float* p, int64_t count) {
  const LaneTag tag;
  const int64_t there = 2 * count - 1;
  const auto low = hn::FirstN(tag, static_cast<size_t>(std::min(there, kLanes)));
  const auto high = hn::FirstN(tag, static_cast<size_t>(std::max<int64_t>(there - kLanes, 0)));
  return hn::ConcatEven(tag, hn::MaskedLoad(high, tag, p + kLanes), hn::MaskedLoad(low, tag, p));
}
HWY_INLINE hn::Vec<HalfTag> load_every_second(const uint16_t* p, int64_t count) {
  const hn::ScalableTag<uint16_t> tag;
  const auto there = hn::FirstN(tag, static_cast<size_t>(2 * count - 1));
  return hn::TruncateTo(HalfTag(), hn::BitCast(BitsTag(), hn::MaskedLoad(there, tag, p)));
}

HWY_INLINE void store_words(hn::Vec<LaneTag> words, float* to, int64_t count) {
  store_part(Lane(words), to, count);
}
HWY_INLINE void store_words(hn::Vec<HalfTag> words, uint16_t* to, int64_t count) {
  store_part_halves(words, to, count);
}

HWY_INLINE Lane widen_every_second(const float* p, int64_t count) {
  return Lane(load_every_second(p, count));
}
HWY_INLINE Lane widen_every_second(const Float16* p, int64_t count) {
  const hn::Rebind<hwy::float16_t, LaneTag> tag;
  return Lane(hn::PromoteTo(LaneTag(), hn::BitCast(tag, load_every_second(&p->bits, count))));
}
HWY_INLINE Lane widen_every_second(const BFloat16* p, int64_t count) {
  return decode<BFloat16, Lane>(
      LaneBits(hn::PromoteTo(BitsTag(), load_every_second(&p->bits, count))));
}
#endif

// p[0], p[stride], … for a part of a lane, widened.
template <class T, class Elements>
HWY_INLINE Lane load_apart(const T* p, int64_t stride, Elements part) {
  if (stride == 1) return load(p, part);
#if HWY_TARGET == HWY_AVX3
  if (stride == 2) return widen_every_second(p, part.count);
#endif
  T elements[kLanes] = {};
  for (int64_t i = 0; i < part.count; ++i)
    elements[i] = p[i * stride];
  return load(elements);
}

// Elements as they are: to[row * to_row + i] = from[row * from_row + i * stride].
template <class Word>
HWY_INLINE void copy_apart(Word* to, int64_t to_row, const Word* from, int64_t from_row,
                           int64_t stride, int64_t rows, int64_t count) {
#if HWY_TARGET == HWY_AVX3
  if (stride == 2) {
    for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
      for (int64_t row = 0; row < rows; ++row) {
        store_words(load_every_second(from + row * from_row + 2 * i, part.count),
                    to + row * to_row + i, part.count);
      }
    });
    return;
  }
#endif
  for (int64_t row = 0; row < rows; ++row, to += to_row, from += from_row) {
    if (stride == 1) {
      std::copy_n(from, count, to);
    } else {
      for (int64_t i = 0; i < count; ++i)
        to[i] = from[i * stride];
    }
  }
}

// to[i * phases + phase] = sums[phase * phase_units + i] for count elements of to, which has memory
// for two vectors more.
HWY_INLINE void put_together(float* to, const float* sums, int64_t phase_units, int64_t phases,
                             int64_t count) {
  if (phases == 2) {
    const LaneTag tag;
    for (int64_t i = 0; i < count; i += 2 * kLanes, sums += kLanes) {
      hn::StoreInterleaved2(hn::LoadU(tag, sums), hn::LoadU(tag, sums + phase_units), tag, to + i);
    }
    return;
  }
  for (int64_t phase = 0; phase < phases; ++phase, sums += phase_units) {
    for (int64_t i = 0; i * phases + phase < count; ++i)
      to[i * phases + phase] = sums[i];
  }
}

// Rows of the input that the planes of a channel have of one phase of the rows.
struct PlaneRows {
  int64_t from;      // first element
  int64_t from_row;  // elements from one row to the next
  int64_t rows;
};

// Calls body(to, rows) for each phase of the rows of a channel's planes: where its rows begin there in the
// plane of the first line, which lie the planes' width apart. first is the position in the output of the
// first of some rows. Rows of padding are filled with zeros, unless planes are of whole images: then they
// are cleared once, by clear_planes, as are the columns of padding.
template <class Unit, class Body>
HWY_INLINE void for_plane_rows(const PlanePlan& plan, int64_t first, int64_t rows, Unit* plane,
                               Body&& body) {
  const PlaneAxis& height = plan.shape.height;
  const int64_t in_w = plan.shape.width.in;
  const int64_t width = plan.plane_row;
  const int64_t stride = height.in_stride;
  const auto lines = static_cast<int64_t>(plan.lines.size());
  // A division takes as long as a short row.
  const auto steps = [stride](int64_t distance) NAMP_LANES {
    return stride == 1 ? distance : divide_up(distance, stride);
  };
  for (int64_t phase : height.phases) {
    const int64_t in_row = first * stride + phase - height.pad;
    const int64_t above = in_row >= 0 ? 0 : std::min(rows, steps(-in_row));
    const int64_t begin = in_row + above * stride;
    const int64_t there = begin >= height.in ? 0 : steps(height.in - begin);
    const int64_t inside = std::min(there, rows - above);
    const int64_t below = rows - above - inside;
    for (int64_t line = 0; line < lines && !plan.is_whole; ++line) {
      Unit* const of_line = plane + line * plan.phase_plane;
      std::fill_n(of_line, above * width, Unit{});
      std::fill_n(of_line + (above + inside) * width, below * width, Unit{});
    }
    body(plane + above * width, PlaneRows{begin * in_w, stride * in_w, inside});
    plane += lines * plan.phase_plane;
  }
}

// The part of the input that a line has of a phase of the rows.
struct PlanePart {
  int64_t from;      // first element
  int64_t from_row;  // elements from one row to the next
  int64_t rows;
  int64_t count;  // of a row, in_stride of the width apart
};

// The same line by line: calls body(to, part).
template <class Unit, class Body>
HWY_INLINE void for_plane_parts(const PlanePlan& plan, int64_t first, int64_t rows, Unit* plane,
                                Body&& body) {
  for_plane_rows(plan, first, rows, plane, [&](Unit* to, const PlaneRows& some) NAMP_LANES {
    for (const PlanePlan::Line& line : plan.lines) {
      body(to + line.left, PlanePart{some.from + line.first, some.from_row, some.rows, line.count});
      to += plan.phase_plane;
    }
  });
}

// Fills two lines of every second element each from the same loads, and returns how many elements of both.
// 0 where they are no such lines.
#if HWY_TARGET == HWY_SCALAR
template <class T>
HWY_INLINE int64_t fill_both_lines(const PlanePlan&, const T*, const PlaneRows&, float*) {
  return 0;
}
#else
// p[0], … for at most a lane of count elements, which may be none.
template <class T>
HWY_INLINE Lane load_some(const T* p, int64_t count) {
  if (count <= 0) return Lane(0.0f);
  return count < kLanes ? load_part(p, count) : load(p);
}

template <class T>
HWY_INLINE int64_t fill_both_lines(const PlanePlan& plan, const T* input, const PlaneRows& rows,
                                   float* planes) {
  if (plan.shape.width.in_stride != 2 || plan.lines.size() != 2) return 0;
  const bool swapped = plan.lines[0].first > plan.lines[1].first;
  const PlanePlan::Line& even = plan.lines[swapped ? 1 : 0];
  const PlanePlan::Line& odd = plan.lines[swapped ? 0 : 1];
  if (odd.first != even.first + 1) return 0;
  const LaneTag tag;
  const int64_t count = std::min(even.count, odd.count);
  float* to_even = planes + (swapped ? plan.phase_plane : 0) + even.left;
  float* to_odd = planes + (swapped ? 0 : plan.phase_plane) + odd.left;
  const T* from = input + even.first;
  // Rows inside: the masks of a part are then made once.
  for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
    const T* row_from = from + 2 * i;
    float* row_even = to_even + i;
    float* row_odd = to_odd + i;
    for (int64_t row = 0; row < rows.rows; ++row) {
      const auto low = load_some(row_from, 2 * part.count).raw;
      const auto high = load_some(row_from + kLanes, 2 * part.count - kLanes).raw;
      store(Lane(hn::ConcatEven(tag, high, low)), row_even, part);
      store(Lane(hn::ConcatOdd(tag, high, low)), row_odd, part);
      row_from += rows.from_row;
      row_even += plan.plane_row;
      row_odd += plan.plane_row;
    }
  });
  return count;
}
#endif

// The planes of a band, which begins at a row of positions.
template <class T>
HWY_INLINE void fill_planes(const PlanePlan& plan, const T* input, int64_t first, int64_t rows,
                            float* planes) {
  const PlaneAxis& width = plan.shape.width;
  const int64_t pixels = plan.shape.height.in * width.in;
  const int64_t stride = width.in_stride;
  for (int64_t channel = 0; channel < plan.shape.channels; ++channel) {
    const T* const of_channel = input + channel * pixels;
    for_plane_rows(plan, first, rows, planes + channel * plan.plane,
                   [&](float* to, const PlaneRows& some) NAMP_LANES {
                     const T* const of_rows = of_channel + some.from;
                     const int64_t filled = fill_both_lines(plan, of_rows, some, to);
                     for (const PlanePlan::Line& line : plan.lines) {
                       const T* in = of_rows + line.first + filled * stride;
                       float* const out = to + line.left + filled;
                       for_lanes(line.count - filled, [&](int64_t i, auto part) NAMP_LANES {
                         const T* from = in + i * stride;
                         for (int64_t row = 0; row < some.rows; ++row, from += some.from_row)
                           store(load_apart(from, stride, part), out + row * plan.plane_row + i,
                                 part);
                       });
                       to += plan.phase_plane;
                     }
                   });
  }
}

// Calls body(begin, count) for pieces of [begin, end).
template <class Body>
HWY_INLINE void in_pieces(int64_t begin, int64_t end, int64_t piece, Body&& body) {
  for (; begin < end; begin += piece)
    body(begin, std::min(piece, end - begin));
}

// Some of the positions of all images and rows of a band, which follow each other.
struct PositionBlock {
  int64_t begin;
  int64_t count;
};

// Calls body(image, row, column, at, count) for parts of a block that lie in one row, of images of
// some rows of row_positions; the part begins at the block's position at.
template <class Body>
HWY_INLINE void in_rows(const PositionBlock& block, int64_t rows, int64_t row_positions,
                        Body&& body) {
  int64_t column = block.begin % row_positions;
  int64_t row = block.begin / row_positions % rows;
  int64_t image = block.begin / row_positions / rows;
  for (int64_t at = 0; at < block.count;) {
    const int64_t count = std::min(row_positions - column, block.count - at);
    body(image, row, column, at, count);
    at += count;
    column = 0;
    if (++row == rows) {
      row = 0;
      ++image;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
