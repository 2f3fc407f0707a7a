// Functions of one or two tensors, element by element, with any strides.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/map.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/float_room-inl.h"
#include "formulas/functions.h"

#include <algorithm>

#include "cpu/cpu_backend.h"
#include "strided.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Calls body(at, offset, count) for the runs along the last dimension of elements begin to begin + count: the
// at-th of them lies at offset in a tensor of these strides.
template <class Body>
HWY_INLINE void for_runs(const Strided& shape, const int64_t* strides, int64_t begin, int64_t count,
                         Body&& body) {
  const int32_t last = shape.rank - 1;
  int64_t index[NAMP_MAP_MAX_RANK];
  int64_t offset = 0;
  int64_t rest = begin;
  for (int32_t d = last; d >= 0; --d) {
    index[d] = rest % shape.shape[d];
    rest /= shape.shape[d];
    offset += index[d] * strides[d];
  }
  for (int64_t at = 0; at < count;) {
    const int64_t run = std::min(count - at, shape.shape[last] - index[last]);
    body(at, offset, run);
    at += run;
    index[last] += run;
    offset += run * strides[last];
    for (int32_t d = last; d > 0 && index[d] == shape.shape[d]; --d) {
      index[d] = 0;
      offset += strides[d - 1] - shape.shape[d] * strides[d];
      ++index[d - 1];
    }
  }
}

// Elements begin to begin + count of an operand, where they lie or in the room.
const float* fetch(const Strided& shape, const int64_t* strides, const void* data, int32_t dtype,
                   int64_t begin, int64_t count, FloatRoom& room) {
  if (shape.is_run(strides)) return as_floats(data, dtype, begin, count, room);
  const int64_t step = strides[shape.rank - 1];
  with_element(dtype, [&](auto element) NAMP_LANES {
    const auto* from = static_cast<const typename decltype(element)::Type*>(data);
    for_runs(shape, strides, begin, count, [&](int64_t at, int64_t offset, int64_t run) NAMP_LANES {
      float* to = room.values + at;
      if (step == 1) {
        map(
            to, run, [](Lane x) NAMP_LANES { return x; }, from + offset);
      } else if (step == 0) {
        float one;
        map(
            &one, 1, [](Lane x) NAMP_LANES { return x; }, from + offset);
        std::fill_n(to, run, one);
      } else {
        for (int64_t i = 0; i < run; ++i)
          map(
              to + i, 1, [](Lane x) NAMP_LANES { return x; }, from + offset + i * step);
      }
    });
  });
  return room.values;
}

void put(const Strided& shape, const FloatRoom& room, void* data, int32_t dtype, int64_t begin,
         int64_t count) {
  if (shape.is_run(shape.out)) return narrow_run(room.values, count, data, dtype, begin);
  const int64_t step = shape.out[shape.rank - 1];
  with_element(dtype, [&](auto element) NAMP_LANES {
    auto* to = static_cast<typename decltype(element)::Type*>(data);
    for_runs(shape, shape.out, begin, count,
             [&](int64_t at, int64_t offset, int64_t run) NAMP_LANES {
               const float* from = room.values + at;
               if (step == 1) {
                 map(
                     to + offset, run, [](Lane x) NAMP_LANES { return x; }, from);
               } else {
                 for (int64_t i = 0; i < run; ++i)
                   map(
                       to + offset + i * step, 1, [](Lane x) NAMP_LANES { return x; }, from + i);
               }
             });
  });
}

template <class Formula, bool kReadsB>
HWY_NOINLINE void compute(const Formula& formula, float* out, const float* a, const float* b,
                          int64_t count) {
  if constexpr (kReadsB) {
    map(
        out, count, [=](Lane x, Lane y) NAMP_LANES { return formula(x, y); }, a, b);
  } else {
    map(
        out, count, [=](Lane x) NAMP_LANES { return formula(x); }, a);
  }
}

void map_range(const namp_map_args& args, const Strided& shape, int64_t begin, int64_t end) {
  FloatRoom of_a, of_b, of_out;
  const bool in_place = args.out_dtype == NAMP_FLOAT32 && shape.is_run(shape.out);
  for (int64_t at = begin; at < end; at += kRoom) {
    const int64_t count = std::min(kRoom, end - at);
    const float* a = fetch(shape, shape.a, args.a, args.a_dtype, at, count, of_a);
    const float* b =
        args.b == nullptr ? a : fetch(shape, shape.b, args.b, args.b_dtype, at, count, of_b);
    float* out = in_place ? static_cast<float*>(args.out) + at : of_out.values;
    switch (args.function) {
#define NAMP_CASE(VALUE, Formula, reads)                                \
  case VALUE:                                                           \
    compute<Formula, reads>(Formula{args.p, args.q}, out, a, b, count); \
    break;
      NAMP_FOR_EACH_FUNCTION(NAMP_CASE)
#undef NAMP_CASE
    }
    if (!in_place) put(shape, of_out, args.out, args.out_dtype, at, count);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(map_range);

void CpuBackend::map(const namp_map_args& args, namp_stream) {
  const Strided shape(args);
  const auto range = map_range_by_simd(simd_);
  threads_.parallel_for(shape.count, kChunkElements,
                        [&](int64_t begin, int64_t end) { range(args, shape, begin, end); });
}

}  // namespace namp
#endif
