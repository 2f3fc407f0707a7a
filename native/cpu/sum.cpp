// Sums over all dimensions but the channels: bias gradients, means. Results depend neither on the
// SIMD target nor on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/sum.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/reduce-inl.h"
#include "cpu/channels-inl.h"

#include "cpu/column_sums.h"
#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// sums[i] += element i of each of the rows, which lie stride elements apart.
void add_rows_of(namp_dtype dtype, float* sums, const void* in, int64_t offset, int64_t rows,
                 int64_t stride, int64_t count) {
  with_element(dtype, [&](auto element) NAMP_LANES {
    add_rows(sums, static_cast<const typename decltype(element)::Type*>(in) + offset, rows, stride,
             count);
  });
}

void sum_of_unit(const namp_sum_args& args, const Channels& shape, int64_t unit, double* sum) {
  with_element(static_cast<namp_dtype>(args.in_dtype), [&](auto element) NAMP_LANES {
    const auto* in = static_cast<const typename decltype(element)::Type*>(args.in);
    sum_unit<1>(shape, unit, sum,
                [=](int64_t i, auto part) NAMP_LANES { return Several<1>{{load(in + i, part)}}; });
  });
}

void finish_sums(const namp_sum_args& args, const float* sums) {
  with_element(static_cast<namp_dtype>(args.out_dtype), [&](auto element) NAMP_LANES {
    auto* out = static_cast<typename decltype(element)::Type*>(args.out);
    const Lane alpha = args.alpha;
    if (args.accumulate != 0) {
      map(
          out, args.channels, [=](Lane sum, Lane old) NAMP_LANES { return alpha * sum + old; },
          sums, out);
    } else {
      map(
          out, args.channels, [=](Lane sum) NAMP_LANES { return alpha * sum; }, sums);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(add_rows_of);
NAMP_SIMD_TABLE(sum_of_unit);
NAMP_SIMD_TABLE(finish_sums);

constexpr int64_t kBlockRows = 64;
constexpr int64_t kStrip = 2048;     // columns: 8 KiB of sums, which stay in L1
constexpr int64_t kShortRow = 256;   // columns; several shorter rows are taken at a time
constexpr int64_t kShortInner = 64;  // elements; shorter runs are separate columns

// The tensor as rows of channels * inner columns; several short rows are joined. The last row is
// padded with zeros.
struct ColumnPlan {
  int64_t columns, joined, width, rows, rest, blocks;

  explicit ColumnPlan(const namp_sum_args& args)
      : columns(args.channels * args.inner),
        joined(std::max<int64_t>(1, std::min(args.outer, kShortRow / columns))),
        width(columns * joined),
        rows(args.outer / joined),
        rest(args.outer % joined * columns),
        blocks((rows + kBlockRows - 1) / kBlockRows) {}
};

}  // namespace

void add_blocks(const Threads& threads, namp_simd simd, float* sums, int64_t blocks,
                int64_t columns) {
  if (blocks < 2) return;
  const auto add = add_rows_of_by_simd(simd);
  const int64_t grain = std::max<int64_t>(64, kChunkElements / blocks);
  threads.parallel_for(columns, grain, [&](int64_t begin, int64_t end) {
    add(NAMP_FLOAT32, sums + begin, sums + columns, begin, blocks - 1, columns, end - begin);
  });
}

void CpuBackend::sum(const namp_sum_args& args, namp_stream stream) {
  const auto finish = finish_sums_by_simd(simd_);
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  if (args.outer == 0 || args.inner == 0) {
    auto* zeros = static_cast<float*>(workspace(args.channels * kFloat, stream));
    std::fill(zeros, zeros + args.channels, 0.0f);
    return finish(args, zeros);
  }
  if (args.inner >= kShortInner) {
    const Channels shape(args.outer, args.channels, args.inner);
    auto* unit_sums = static_cast<double*>(workspace(
        shape.units() * static_cast<int64_t>(sizeof(double)) + args.channels * kFloat, stream));
    auto* sums = reinterpret_cast<float*>(unit_sums + shape.units());
    const auto of_unit = sum_of_unit_by_simd(simd_);
    for_units(threads_, shape, [&](int64_t unit) { of_unit(args, shape, unit, unit_sums + unit); });
    for (int64_t c = 0; c < args.channels; ++c) {
      double total;
      shape.collect(unit_sums, c, 1, &total);
      sums[c] = static_cast<float>(total);
    }
    return finish(args, sums);
  }
  const ColumnPlan plan(args);
  auto* sums =
      static_cast<float*>(workspace((plan.blocks * plan.width + args.channels) * kFloat, stream));
  const auto dtype = static_cast<namp_dtype>(args.in_dtype);
  const auto add = add_rows_of_by_simd(simd_);
  const int64_t strips = (plan.width + kStrip - 1) / kStrip;
  threads_.parallel_for(plan.blocks * strips, 1, [&](int64_t task, int64_t) {
    const int64_t row = task / strips * kBlockRows;
    const int64_t column = task % strips * kStrip;
    const int64_t count = std::min(kStrip, plan.width - column);
    const int64_t rows = std::min(kBlockRows, plan.rows - row);
    float* block = sums + task / strips * plan.width + column;
    std::fill(block, block + count, 0.0f);
    add(dtype, block, args.in, row * plan.width + column, rows, plan.width, count);
    if (row + rows == plan.rows && plan.rest > column) {
      add(dtype, block, args.in, plan.rows * plan.width + column, 1, plan.width,
          std::min(count, plan.rest - column));
    }
  });
  add_blocks(threads_, simd_, sums, plan.blocks, plan.width);
  // Combines joined rows, and the runs of a channel.
  float* totals = sums + plan.blocks * plan.width;
  for (int64_t c = 0; c < args.channels; ++c) {
    float total = 0.0f;
    for (int64_t j = 0; j < plan.joined; ++j) {
      for (int64_t i = 0; i < args.inner; ++i)
        total += sums[j * plan.columns + c * args.inner + i];
    }
    totals[c] = total;
  }
  finish(args, totals);
}

}  // namespace namp
#endif
