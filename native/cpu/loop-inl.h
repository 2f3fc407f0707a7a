// The one SIMD loop over contiguous elements, with its tail.
//
//   map(out, count, [=](Lane a, Lane b) NAMP_LANES { return a + b * factor; }, in_a, in_b);
//
// where out, in_a and in_b are float, Float16 or BFloat16 pointers in any mix; out may be one of
// the inputs. For more than one output, or for sums, the loop without the loads:
//
//   for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
//     store(load(in + i, part) * factor, out + i, part);
//   });
//
// A run-time dtype becomes a type by with_element, or with_stored_element in a cast.
#if defined(NAMP_CPU_LOOP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_LOOP_INL_H
#undef NAMP_CPU_LOOP_INL_H
#else
#define NAMP_CPU_LOOP_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/simd_lane-inl.h"
#include "nativeamp.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The part of a lane in one iteration: all of it, or the first count elements.
struct Whole {
  static constexpr int64_t count = kLanes;
};
struct Part {
  int64_t count;
};

template <class T>
HWY_INLINE Lane load(const T* p, Whole) {
  return load(p);
}
template <class T>
HWY_INLINE Lane load(const T* p, Part part) {
  return load_part(p, part.count);
}
template <class T>
HWY_INLINE void store(Lane x, T* p, Whole) {
  store(x, p);
}
template <class T>
HWY_INLINE void store(Lane x, T* p, Part part) {
  store_part(x, p, part.count);
}
template <class T>
HWY_INLINE void stream(Lane x, T* p, Whole) {
  stream(x, p);
}
template <class T>
HWY_INLINE void stream(Lane x, T* p, Part part) {
  store_part(x, p, part.count);
}

template <class T>
HWY_INLINE void store_stochastic(Lane x, LaneBits random, T* p, Whole) {
  store_stochastic(x, random, p);
}
template <class T>
HWY_INLINE void store_stochastic(Lane x, LaneBits random, T* p, Part part) {
  store_stochastic_part(x, random, p, part.count);
}

// The lane with fill in the elements outside of a part: 0 for a sum, -infinity for a maximum.
HWY_INLINE Lane keep(Lane x, Lane, Whole) { return x; }
HWY_INLINE Lane keep(Lane x, Lane fill, Part part) {
  const auto mask = hn::FirstN(LaneTag(), static_cast<size_t>(part.count));
  return Lane(hn::IfThenElse(mask, x.raw, fill.raw));
}

// Calls body(i, Whole{}) for i = 0, kLanes, 2 kLanes, … and body(i, Part{rest}) for the rest, if
// any.
template <class Body>
HWY_INLINE void for_lanes(int64_t count, Body&& body) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    body(i, Whole{});
  if (i < count) body(i, Part{count - i});
}

// out[i] = op(in[i]...) for all i < count.
template <class Out, class Op, class... In>
HWY_INLINE void map(Out* out, int64_t count, Op op, const In*... in) {
  for_lanes(count, [=](int64_t i, auto part)
                       NAMP_LANES { store(op(load(in + i, part)...), out + i, part); });
}

// Whether p is aligned as stream needs it.
template <class T>
HWY_INLINE bool is_aligned_to_lane(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % (kLanes * sizeof(T)) == 0;
}

// map that bypasses the cache (cpu/streaming.h) if streams is set and out is aligned. Not for
// in-place use: writing back a line that was read is cheaper.
template <class Out, class Op, class... In>
HWY_INLINE void map_streaming(bool streams, Out* out, int64_t count, Op op, const In*... in) {
  const bool in_place = ((static_cast<const void*>(in) == out) || ...);
  if (!streams || in_place || !is_aligned_to_lane(out)) return map(out, count, op, in...);
  for_lanes(count, [=](int64_t i, auto part)
                       NAMP_LANES { stream(op(load(in + i, part)...), out + i, part); });
  hwy::FlushStream();
}

template <class T>
struct ElementType {
  using Type = T;
};

// Returns body(ElementType<float or Float16 or BFloat16>{}). The wall refuses all other dtypes.
template <class Body>
HWY_INLINE auto with_element(int32_t dtype, Body&& body) {
  switch (dtype) {
#define NAMP_CASE(DTYPE, Element, ...) \
  case DTYPE:                          \
    return body(ElementType<Element>{});
    NAMP_FOR_EACH_FLOAT(NAMP_CASE)
  }
  __builtin_trap();
}

// The same for the dtypes that a cast stores.
template <class Body>
HWY_INLINE void with_stored_element(int32_t dtype, Body&& body) {
  switch (dtype) {
    NAMP_FOR_EACH_FLOAT(NAMP_CASE)
    NAMP_FOR_EACH_FLOAT8(NAMP_CASE)
  }
  __builtin_trap();
}

// The same for FP8 alone.
template <class Body>
HWY_INLINE auto with_float8_element(int32_t dtype, Body&& body) {
  switch (dtype) {
    NAMP_FOR_EACH_FLOAT8(NAMP_CASE)
#undef NAMP_CASE
  }
  __builtin_trap();
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
