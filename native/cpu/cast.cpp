// Family 1: fused cast; and the plain scale of family 2, which is a cast with a factor.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/cast.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"

#include <cstring>

#include "cpu/cast.h"
#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "cpu/streaming.h"
#include "formulas/philox.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The largest finite value of a destination.
HWY_INLINE float limit(ElementType<float>) { return 0x1.fffffep127f; }
HWY_INLINE float limit(ElementType<Float16>) { return 65504.0f; }
HWY_INLINE float limit(ElementType<BFloat16>) { return 0x1.fep127f; }

template <class Out, class In>
void cast_run(Out* out, const In* in, int64_t count, const CastSettings& settings, uint64_t index) {
  const float bound = settings.saturate ? limit(ElementType<Out>()) : from_bits(0x7f800000u);
  const float factor = settings.factor;
  if (settings.stochastic) {
    constexpr int64_t kBlock = 256;
    uint32_t words[kBlock + 8];
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      const int64_t length = std::min(kBlock, count - begin);
      fill_philox(words, index + static_cast<uint64_t>(begin), length, 0, settings.seed);
      for_lanes(length, [&](int64_t i, auto part) NAMP_LANES {
        const Lane x = saturate(load(in + begin + i, part) * factor, Lane(bound));
        store_stochastic(x, load_bits(words + i), out + begin + i, part);
      });
    }
  } else if (settings.saturate || settings.scaled) {
    map_streaming(
        settings.streams, out, count,
        [=](Lane x) NAMP_LANES { return saturate(x * factor, Lane(bound)); }, in);
  } else if constexpr (std::is_same_v<Out, In>) {
    std::memmove(out, in, static_cast<size_t>(count) * sizeof(Out));
  } else {
    map_streaming(
        settings.streams, out, count, [](Lane x) NAMP_LANES { return x; }, in);
  }
}

void cast_any(void* out, namp_dtype out_dtype, const void* in, namp_dtype in_dtype, int64_t count,
              const CastSettings& settings, uint64_t index) {
  with_element(out_dtype, [&](auto out_type) HWY_ATTR {
    with_element(in_dtype, [&](auto in_type) HWY_ATTR {
      using Out = typename decltype(out_type)::Type;
      using In = typename decltype(in_type)::Type;
      cast_run(static_cast<Out*>(out), static_cast<const In*>(in), count, settings, index);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(cast_any);

CastSettings settings_of(const namp_cast_options& options, bool streams) {
  CastSettings settings;
  settings.streams = streams;
  settings.scaled = options.scale != nullptr;
  settings.factor = settings.scaled ? *options.scale : 1.0f;
  settings.saturate = (options.flags & NAMP_CAST_SATURATE) != 0;
  settings.stochastic = options.rounding == NAMP_ROUND_STOCHASTIC;
  settings.seed = options.seed;
  return settings;
}

}  // namespace

void CpuBackend::cast(void* destination, namp_dtype destination_dtype, const void* source,
                      namp_dtype source_dtype, int64_t count, const namp_cast_options& options,
                      namp_stream) {
  const CastSettings settings = settings_of(options, streams(count));
  const auto kernel = cast_any_by_simd(simd_);
  threads_.parallel_for(count, kChunkElements, [&](int64_t begin, int64_t end) {
    kernel(element(destination, destination_dtype, begin), destination_dtype,
           element(source, source_dtype, begin), source_dtype, end - begin, settings,
           options.offset + static_cast<uint64_t>(begin));
  });
}

void CpuBackend::cast_table(const TableView& table, int32_t destination_column,
                            int32_t source_column, const namp_cast_options& options, namp_stream) {
  const CastSettings settings = settings_of(options, streams(table));
  const auto kernel = cast_any_by_simd(simd_);
  threads_.parallel_for(table.chunk_count, 1, [&](int64_t index, int64_t) {
    const Chunk& chunk = table.chunks[index];
    const namp_cell& destination = table.cell(chunk.tensor, destination_column);
    const namp_cell& source = table.cell(chunk.tensor, source_column);
    if (destination.data == nullptr) return;
    const auto to = static_cast<namp_dtype>(destination.dtype);
    const auto from = static_cast<namp_dtype>(source.dtype);
    kernel(
        element(destination.data, to, chunk.begin), to,
        element(static_cast<const void*>(source.data), from, chunk.begin), from, chunk.count,
        settings,
        options.offset + static_cast<uint64_t>(table.first_elements[chunk.tensor] + chunk.begin));
  });
}

void CpuBackend::scale(void* destination, namp_dtype destination_dtype, const void* source,
                       namp_dtype source_dtype, int64_t count, const float* factor,
                       namp_stream stream) {
  namp_cast_options options{};
  options.scale = factor;
  cast(destination, destination_dtype, source, source_dtype, count, options, stream);
}

}  // namespace namp
#endif
