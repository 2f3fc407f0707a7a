// The shapes of namp_map and namp_reduce, for both backends.
#pragma once

#include <cstdint>

#include "lists/functions.h"
#include "nativeamp.h"

namespace namp {

// The dimensions of namp_map in their shortest form: without those of size 1, and with those merged that lie
// one after the other in every tensor.
struct Strided {
  int64_t count = 1;  // of elements
  int32_t rank = 0;   // 1 or more
  int64_t shape[NAMP_MAP_MAX_RANK] = {};
  int64_t out[NAMP_MAP_MAX_RANK] = {};
  int64_t a[NAMP_MAP_MAX_RANK] = {};
  int64_t b[NAMP_MAP_MAX_RANK] = {};

  explicit Strided(const namp_map_args& args) {
    const bool two = reads_b(args.function);
    for (int32_t d = 0; d < args.rank; ++d) {
      const int64_t size = args.shape[d];
      count *= size;
      if (size == 1) continue;
      const int64_t to = args.out_strides[d];
      const int64_t from_a = args.a_strides[d];
      const int64_t from_b = two ? args.b_strides[d] : from_a;
      const bool goes_on = rank > 0 && out[rank - 1] == to * size && a[rank - 1] == from_a * size &&
                           b[rank - 1] == from_b * size;
      if (!goes_on) ++rank;
      shape[rank - 1] = goes_on ? shape[rank - 1] * size : size;
      out[rank - 1] = to;
      a[rank - 1] = from_a;
      b[rank - 1] = from_b;
    }
    if (rank > 0) return;
    rank = 1;
    shape[0] = out[0] = a[0] = b[0] = 1;
  }

  // Whether a tensor of these strides is one run.
  bool is_run(const int64_t* strides) const { return rank == 1 && strides[0] == 1; }
  bool is_run() const { return is_run(out) && is_run(a) && is_run(b); }
};

// A sum over the middle dimension where outer or inner is 1: one over rows or columns.
inline namp_sum_args columns_or_rows(const namp_reduce_args& args) {
  const bool columns = args.inner != 1;
  namp_sum_args call{};
  call.out_dtype = args.out_dtype;
  call.in_dtype = args.in_dtype;
  call.alpha = args.alpha;
  call.outer = columns ? args.count : 1;
  call.channels = columns ? args.inner : args.outer;
  call.inner = columns ? 1 : args.count;
  call.out = args.out;
  call.in = args.in;
  call.accumulate = args.accumulate;
  return call;
}

}  // namespace namp
