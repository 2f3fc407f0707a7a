// Family 1: fused cast; and the plain scale of family 2, which is a cast with a factor.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/cast.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/block_code-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/random_words-inl.h"

#include <cstring>

#include "cpu/cast.h"
#include "cpu/cpu_backend.h"
#include "cpu/streaming.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The element as a float32, times its scale and the cast's factor.
template <class In>
NAMP_FORMULA Lane scaled_in(Lane x, float source_scale, float factor) {
  return scaled_value<In>(x, Lane(source_scale)) * factor;
}

// Over the destination's scale, within its bound.
template <class Out>
NAMP_FORMULA Lane scaled_out(Lane x, float destination_scale, float bound) {
  if constexpr (Format<Out>::kMayHaveScale) x = over_scale(x, Lane(destination_scale));
  return saturate<Out>(x, Lane(bound));
}

template <class Out>
float bound_of(const CastSettings& settings) {
  return settings.saturate ? Format<Out>::kLargest : from_bits(0x7f800000u);
}

template <class Out, class In>
void cast_run(Out* out, const In* in, int64_t count, const CastSettings& settings) {
  if (settings.saturate || settings.scaled) {
    const float factor = settings.factor;
    const float source_scale = settings.source_scale;
    const float destination_scale = settings.destination_scale;
    const float bound = bound_of<Out>(settings);
    map_streaming(
        settings.streams, out, count,
        [=](Lane x) NAMP_LANES {
          return scaled_out<Out>(scaled_in<In>(x, source_scale, factor), destination_scale, bound);
        },
        in);
  } else if constexpr (std::is_same_v<Out, In>) {
    std::memmove(out, in, static_cast<size_t>(count) * sizeof(Out));
  } else {
    map_streaming(
        settings.streams, out, count, [](Lane x) NAMP_LANES { return x; }, in);
  }
}

// By way of float32 in the cache: the random words take most of the time, and a loop for each pair
// of dtypes would be as much code again as the other casts.
void cast_stochastic(const namp_cell& out, const namp_cell& in, int64_t begin, int64_t count,
                     const CastSettings& settings, uint64_t index) {
  RandomWords words;
  RandomHalves halves;
  float values[RandomWords::kMost];
  for (int64_t done = 0; done < count; done += words.kMost) {
    const int64_t length = std::min(words.kMost, count - done);
    const uint64_t first = index + static_cast<uint64_t>(done);
    with_stored_element(in.dtype, [&](auto in_type) HWY_ATTR {
      using In = typename decltype(in_type)::Type;
      map(
          values, length,
          [&](Lane x)
              NAMP_LANES { return scaled_in<In>(x, settings.source_scale, settings.factor); },
          static_cast<const In*>(in.data) + begin + done);
    });
    with_stored_element(out.dtype, [&](auto out_type) HWY_ATTR {
      using Out = typename decltype(out_type)::Type;
      constexpr bool kHalves = sizeof(Out) == sizeof(uint16_t);
      if constexpr (kHalves) {
        halves.draw(first, 0, length, 0, settings.seed);
      } else {
        words.draw(first, length, 0, settings.seed);
      }
      Out* to = static_cast<Out*>(out.data) + begin + done;
      const float bound = bound_of<Out>(settings);
      for_lanes(length, [&](int64_t i, auto part) NAMP_LANES {
        const Lane x = scaled_out<Out>(load(values + i, part), settings.destination_scale, bound);
        store_stochastic(x, kHalves ? halves.at(i) : words.at(i), to + i, part);
      });
    });
  }
}

// Casts count elements from begin on. index is that of the first one among all elements of the
// call.
void cast_any(const namp_cell& out, const namp_cell& in, int64_t begin, int64_t count,
              const CastSettings& settings, uint64_t index) {
  if (is_block_code(out.dtype)) {
    // The wall's rule: where a tensor's codes are written its scales are.
    return encode_blocks(out.dtype, static_cast<const float*>(in.data) + begin, begin, count,
                         out.data, const_cast<float*>(out.scale));
  }
  if (is_block_code(in.dtype)) {
    return decode_blocks(in.dtype, in.data, in.scale, begin, count,
                         static_cast<float*>(out.data) + begin);
  }
  if (settings.stochastic) return cast_stochastic(out, in, begin, count, settings, index);
  with_stored_element(out.dtype, [&](auto out_type) HWY_ATTR {
    with_stored_element(in.dtype, [&](auto in_type) HWY_ATTR {
      using Out = typename decltype(out_type)::Type;
      using In = typename decltype(in_type)::Type;
      cast_run(static_cast<Out*>(out.data) + begin, static_cast<const In*>(in.data) + begin, count,
               settings);
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

CastSettings settings_of(const namp_cast_options& options, const namp_cell& destination,
                         const namp_cell& source, bool streams) {
  CastSettings settings;
  settings.streams = streams;
  settings.scaled =
      options.scale != nullptr || destination.scale != nullptr || source.scale != nullptr;
  settings.factor = options.scale == nullptr ? 1.0f : *options.scale;
  settings.source_scale = scale_or_one(source);
  settings.destination_scale = scale_or_one(destination);
  settings.saturate = (options.flags & NAMP_CAST_SATURATE) != 0;
  settings.stochastic = options.rounding == NAMP_ROUND_STOCHASTIC;
  settings.seed = options.seed;
  return settings;
}

}  // namespace

void CpuBackend::cast(const namp_cell& destination, const namp_cell& source, int64_t count,
                      const namp_cast_options& options, namp_stream) {
  const CastSettings settings = settings_of(options, destination, source, streams(count));
  const auto kernel = cast_any_by_simd(simd_);
  threads_.parallel_for(count, kChunkElements, [&](int64_t begin, int64_t end) {
    kernel(destination, source, begin, end - begin, settings,
           options.offset + static_cast<uint64_t>(begin));
  });
}

void CpuBackend::cast_table(const TableView& table, int32_t destination_column,
                            int32_t source_column, const namp_cast_options& options, namp_stream) {
  const bool streaming = streams(table);
  const auto kernel = cast_any_by_simd(simd_);
  threads_.parallel_for(table.chunk_count, 1, [&](int64_t index, int64_t) {
    const Chunk& chunk = table.chunks[index];
    const namp_cell& destination = table.cell(chunk.tensor, destination_column);
    const namp_cell& source = table.cell(chunk.tensor, source_column);
    if (destination.data == nullptr || source.data == nullptr) return;
    kernel(
        destination, source, chunk.begin, chunk.count,
        settings_of(options, destination, source, streaming),
        options.offset + static_cast<uint64_t>(table.first_elements[chunk.tensor] + chunk.begin));
  });
}

}  // namespace namp
#endif
