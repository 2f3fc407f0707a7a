// Embedding lookups. The gradient of a row is always summed in the order of the indices, so that
// threads may share the work in any way: by strips of columns of equal length, and if those are too
// few, by ranges of the vocabulary too.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/embedding.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"

#include "cpu/cpu_backend.h"
#include "cpu/index_search.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

void embedding_forward_rows(const namp_embedding_args& args, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.weight_dtype), [&](auto in) NAMP_LANES {
    with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto out) NAMP_LANES {
      const auto* weight = static_cast<const typename decltype(in)::Type*>(args.weight);
      auto* output = static_cast<typename decltype(out)::Type*>(args.output);
      for (int64_t r = begin; r < end; ++r) {
        const int64_t index = args.indices[r];
        auto* row = output + r * args.width;
        if (index >= 0 && index < args.vocabulary) {
          map(
              row, args.width, [](Lane x) NAMP_LANES { return x; }, weight + index * args.width);
        } else {
          map(row, args.width, []() NAMP_LANES { return Lane(__builtin_nanf("")); });
        }
      }
    });
  });
}

// Columns first_column to end_column of rows first_row to end_row of the gradient.
void embedding_backward_part(const namp_embedding_args& args, int64_t first_row, int64_t end_row,
                             int64_t first_column, int64_t end_column) {
  const int64_t columns = end_column - first_column;
  float* sums = args.weight_gradient + first_column;
  if (args.accumulate == 0) {
    for (int64_t row = first_row; row < end_row; ++row) {
      std::fill(sums + row * args.width, sums + row * args.width + columns, 0.0f);
    }
  }
  with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto element) NAMP_LANES {
    const auto* gradient =
        static_cast<const typename decltype(element)::Type*>(args.output_gradient) + first_column;
    for (int64_t i = 0; i < args.count; ++i) {
      const int64_t index = args.indices[i];
      if (index < first_row || index >= end_row) continue;
      float* row = sums + index * args.width;
      map(
          row, columns, [](Lane sum, Lane g) NAMP_LANES { return sum + g; }, row,
          gradient + i * args.width);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(embedding_forward_rows);
NAMP_SIMD_TABLE(embedding_backward_part);

void CpuBackend::embedding_forward(const namp_embedding_args& args, namp_stream) {
  const auto rows = embedding_forward_rows_by_simd(simd_);
  threads_.parallel_for(args.count, std::max<int64_t>(1, kChunkElements / args.width),
                        [&](int64_t begin, int64_t end) { rows(args, begin, end); });
  if (args.bad_index == nullptr) return;
  const int64_t bad = first_outside(args.indices, args.count, args.vocabulary);
  if (bad < args.count)
    tell(args.bad_index, NAMP_INDEX_ROW, bad, args.indices[bad], args.vocabulary);
}

void CpuBackend::embedding_backward(const namp_embedding_args& args, namp_stream) {
  constexpr int64_t kStrip = 128;  // columns: at least two cache lines of half-precision elements
  // A thread's share must be worth starting it.
  const int64_t work = (args.count + args.vocabulary) * args.width;
  const int64_t threads = std::min<int64_t>(threads_.count(), 1 + work / kChunkElements);
  const int64_t strips = (args.width + kStrip - 1) / kStrip;
  const int64_t ranges = std::clamp<int64_t>((threads + strips - 1) / strips, 1, args.vocabulary);
  const int64_t range = (args.vocabulary + ranges - 1) / ranges;
  const auto backward = embedding_backward_part_by_simd(simd_);
  threads_.parallel_for(strips * ranges, 1, [&](int64_t task, int64_t) {
    const int64_t row = std::min(task / strips * range, args.vocabulary);
    const int64_t column = task % strips * kStrip;
    backward(args, row, std::min(row + range, args.vocabulary), column,
             std::min(column + kStrip, args.width));
  });
}

}  // namespace namp
#endif
