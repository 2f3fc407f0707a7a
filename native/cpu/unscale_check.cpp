// Family 3: unscale and check in one read of all gradients; and the scale's update from the
// findings.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/unscale_check.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/sum_lanes-inl.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "cpu/part_sum.h"
#include "formulas/check.h"
#include "formulas/loss_scale.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Counts elements that are not finite, if there are any.
template <class T>
void find_non_finite(const T* gradient, float scale, int64_t count, int64_t first_index,
                     ChunkFacts& facts) {
  uint32_t largest = 0;
  for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
    float values[kLanes];
    store(scaled_value<T>(load(gradient + i, part), Lane(scale)), values);
    for (int64_t j = 0; j < part.count; ++j) {
      const uint32_t magnitude = bits(values[j]) & 0x7fffffffu;
      if (magnitude < 0x7f800000u) {
        largest = std::max(largest, magnitude);
      } else if (facts.non_finite_count++ == 0) {
        facts.first_non_finite_index = first_index + i + j;
      }
    }
  });
  facts.largest_magnitude = from_bits(largest);
}

// Magnitudes of floats order as their bits do, infinity and NaN last: one integer maximum tells
// whether all are finite. Unless kScales, factor is 1. scale is that of FP8's cell.
template <bool kScales, class T>
ChunkFacts check_chunk(const T* gradient, float scale, int64_t count, int64_t first_index,
                       float factor) {
  SumLanes squares;
  LaneBits largest(0u);
  int64_t done = 0;
  if constexpr (sizeof(T) == 2 && kHasHalves) {
    LargestHalf<T> largest_half;
    done = squares.add_squares_of_halves(gradient, count, [&](Halves<T> halves) NAMP_LANES {
      largest_half.see(halves);
      return kScales ? halves.widen() * factor : halves.widen();
    });
    largest = largest_half.widen();
  }
  squares.add_squares(done, count, [&](int64_t i, auto part) NAMP_LANES {
    const Lane scaled = scaled_value<T>(load(gradient + i, part), Lane(scale));
    largest = larger(largest, bits(scaled) & 0x7fffffffu);
    // 0 times an infinite factor is NaN, also outside of the part.
    return keep(scaled * factor, Lane(0.0f), part);
  });
  ChunkFacts facts{squares.total(), -1, 0, 0.0f};
  const uint32_t all = largest_of(largest);
  if (all < 0x7f800000u) {
    facts.largest_magnitude = from_bits(all);
  } else {
    find_non_finite(gradient, scale, count, first_index, facts);
  }
  return facts;
}

// Whether the sum of squares of halves times factor is, bit for bit, factor squared times that of
// the halves: a power of two, with which no value underflows or overflows. Squares are multiples of
// 2^-48 below 2^32, 16 of them in an accumulator, which keeps 24 bits; float32 has 2^-149 and less
// than 2^128.
inline bool scales_exactly(float factor) {
  return (bits(factor) & 0x007fffffu) == 0 && factor >= 0x1p-50f && factor <= 0x1p45f;
}

template <class T>
ChunkFacts check_chunk(const T* gradient, int64_t count, int64_t first_index, float inverse_scale) {
  const bool later = std::is_same_v<T, Float16> && scales_exactly(inverse_scale);
  if (!later && inverse_scale != 1.0f)
    return check_chunk<true>(gradient, 1.0f, count, first_index, inverse_scale);
  ChunkFacts facts = check_chunk<false>(gradient, 1.0f, count, first_index, 1.0f);
  facts.sum_of_squares *= static_cast<double>(inverse_scale) * static_cast<double>(inverse_scale);
  return facts;
}

// scale is that of FP8's cell. out is null to only check; of FP8 it is.
ChunkFacts unscale_check_chunk(const void* gradient, namp_dtype dtype, float scale, void* out,
                               namp_dtype out_dtype, int64_t count, int64_t first_index,
                               float inverse_scale) {
  if (is_float8(dtype)) {
    return with_float8_element(dtype, [&](auto type) HWY_ATTR {
      const auto* codes = static_cast<const typename decltype(type)::Type*>(gradient);
      return check_chunk<true>(codes, scale, count, first_index, inverse_scale);
    });
  }
  ChunkFacts facts{};
  with_element(dtype, [&](auto in_type) HWY_ATTR {
    using In = typename decltype(in_type)::Type;
    const In* in = static_cast<const In*>(gradient);
    facts = check_chunk(in, count, first_index, inverse_scale);
    if (out == nullptr) return;
    with_element(out_dtype, [&](auto out_type) HWY_ATTR {
      using Out = typename decltype(out_type)::Type;
      if (std::is_same_v<In, Out> && inverse_scale == 1.0f) {
        if (out != gradient) std::memcpy(out, in, static_cast<size_t>(count) * sizeof(In));
      } else {
        map(
            static_cast<Out*>(out), count, [=](Lane x) NAMP_LANES { return x * inverse_scale; },
            in);
      }
    });
  });
  return facts;
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(unscale_check_chunk);

// Computes the facts of the tensors and the state from those of the chunks, in order.
void combine(const TableView& table, float inverse_scale, bool reset, bool unscales,
             namp_optimizer_state& state) {
  for (int64_t tensor = 0; tensor < table.tensor_count; ++tensor) {
    table.facts[tensor] = {0, -1, 0.0f, 0};
  }
  PartSum squares;
  NonFinite found{0, -1};
  for (int64_t index = 0; index < table.chunk_count; ++index) {
    const int64_t tensor = table.chunks[index].tensor;
    const ChunkFacts& chunk = table.chunk_facts[index];
    namp_overflow_facts& facts = table.facts[tensor];
    squares.add(chunk.sum_of_squares);
    facts.largest_magnitude = std::max(facts.largest_magnitude, chunk.largest_magnitude);
    if (chunk.non_finite_count == 0) continue;
    if (facts.non_finite_count == 0) facts.first_non_finite_index = chunk.first_non_finite_index;
    if (found.first_tensor < 0) found.first_tensor = tensor;
    facts.non_finite_count += chunk.non_finite_count;
    found.count += chunk.non_finite_count;
  }
  const double sum_of_squares = squares_before(state, reset) + squares.total();
  finish_check(state, reset, unscales, sum_of_squares, found, inverse_scale);
}

}  // namespace

void CpuBackend::unscale_check(const TableView& table, int32_t gradient_column,
                               int32_t write_column, bool unscales, const namp_scaler_state* scaler,
                               namp_optimizer_state* state, bool reset, namp_stream) {
  const float inverse_scale = scaler == nullptr ? 1.0f : scaler->inverse_scale;
  const auto kernel = unscale_check_chunk_by_simd(simd_);
  threads_.parallel_for(table.chunk_count, 1, [&](int64_t index, int64_t) {
    const Chunk& chunk = table.chunks[index];
    const namp_cell& gradient = table.cell(chunk.tensor, gradient_column);
    table.chunk_facts[index] = {};
    if (gradient.data == nullptr) return;
    const namp_cell out = write_column < 0 ? namp_cell{} : table.cell(chunk.tensor, write_column);
    const auto from = static_cast<namp_dtype>(gradient.dtype);
    const auto to = static_cast<namp_dtype>(out.dtype);
    table.chunk_facts[index] =
        kernel(element(gradient.data, from, chunk.begin), from, scale_or_one(gradient),
               out.data == nullptr ? nullptr : element(out.data, to, chunk.begin), to, chunk.count,
               chunk.begin, inverse_scale);
  });
  combine(table, inverse_scale, reset, unscales, *state);
}

void CpuBackend::scaler_update(namp_scaler_state* scaler, namp_optimizer_state* const* states,
                               int32_t count, const namp_scaler_options& options, namp_stream) {
  bool overflow = false;
  for (int32_t i = 0; i < count; ++i)
    overflow = overflow || states[i]->found_inf != 0;
  update_scaler(*scaler, options, overflow);
}

}  // namespace namp
#endif
