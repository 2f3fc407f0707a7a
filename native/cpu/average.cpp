// Moving averages of a table's tensors.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/average.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "formulas/average.h"

#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

void average_run(float* average, const namp_cell& value, int64_t begin, int64_t count,
                 float weight) {
  with_element(value.dtype, [&](auto element) NAMP_LANES {
    map(
        average + begin, count,
        [=](Lane old, Lane x) NAMP_LANES { return moved_average(old, x, weight); }, average + begin,
        static_cast<const typename decltype(element)::Type*>(value.data) + begin);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(average_run);

void CpuBackend::average_table(const TableView& table, int32_t average_column, int32_t value_column,
                               float weight, namp_stream) {
  const auto run = average_run_by_simd(simd_);
  threads_.parallel_for(table.chunk_count, 1, [&](int64_t index, int64_t) {
    const Chunk& chunk = table.chunks[index];
    auto* average = static_cast<float*>(table.cell(chunk.tensor, average_column).data);
    if (average == nullptr) return;
    run(average, table.cell(chunk.tensor, value_column), chunk.begin, chunk.count, weight);
  });
}

}  // namespace namp
#endif
