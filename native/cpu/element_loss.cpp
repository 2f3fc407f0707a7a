// Family 2: element-wise losses with scaled gradients, in one pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/element_loss.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/float_room-inl.h"
#include "cpu/sum_lanes-inl.h"
#include "formulas/element_loss.h"

#include <algorithm>

#include "cpu/cpu_backend.h"
#include "cpu/loss.h"
#include "cpu/streaming.h"
#include "lists/losses.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The weights of elements begin to begin + count.
void repeat_weights(const float* weights, int64_t period, int64_t begin, int64_t count,
                    float* room) {
  for (int64_t i = 0, at = begin % period; i < count; ++i) {
    room[i] = weights[at];
    at = at + 1 == period ? 0 : at + 1;
  }
}

// The sum of the losses of a chunk, and its gradient unless that is null.
template <class Formula>
double loss_chunk(const namp_element_loss_args& args, float weight, int64_t begin, int64_t count,
                  bool streaming) {
  const Formula formula(args);
  SumLanes sums;
  FloatRoom predictions, targets, weights;
  const bool weighs = Formula::kWeighted && args.positive_weight != nullptr;
  bool streamed = false;
  for (int64_t at = 0; at < count; at += kRoom) {
    const int64_t n = std::min(kRoom, count - at);
    const float* x = as_floats(args.prediction, args.prediction_dtype, begin + at, n, predictions);
    const float* t = as_floats(args.target, args.target_dtype, begin + at, n, targets);
    if (weighs)
      repeat_weights(args.positive_weight, args.weight_period, begin + at, n, weights.values);
    const auto weight_at = [&](int64_t i, auto part) NAMP_LANES {
      return weighs ? load(weights.values + i, part) : Lane(1.0f);
    };
    if constexpr (Formula::kSquares) {
      sums.add_squares(at, at + n, [&](int64_t i, auto part) NAMP_LANES {
        return load(x + i - at, part) - load(t + i - at, part);
      });
    } else if (args.loss != nullptr) {
      sums.add_terms(at, at + n, [&](Lane sum, int64_t i, auto part) NAMP_LANES {
        return formula.add(sum, load(x + i - at, part), load(t + i - at, part),
                           weight_at(i - at, part));
      });
    }
    if (args.gradient == nullptr) continue;
    with_element(args.gradient_dtype, [&](auto element) NAMP_LANES {
      auto* g = static_cast<typename decltype(element)::Type*>(args.gradient) + begin + at;
      const bool past_cache = streaming && is_aligned_to_lane(g);
      streamed = streamed || past_cache;
      for_lanes(n, [&](int64_t i, auto part) NAMP_LANES {
        const Lane p = load(x + i, part);
        const Lane q = load(t + i, part);
        const Lane w = weight_at(i, part);
        const Lane slope =
            args.for_target != 0 ? formula.target_slope(p, q, w) : formula.slope(p, q, w);
        if (past_cache) {
          stream(slope * weight, g + i, part);
        } else {
          store(slope * weight, g + i, part);
        }
      });
    });
  }
  if (streamed) hwy::FlushStream();
  return sums.total();
}

#define NAMP_LOSS_CHUNK(name, VALUE, Formula)                                          \
  double name##_chunk(const namp_element_loss_args& args, float weight, int64_t begin, \
                      int64_t count, bool streaming) {                                 \
    return loss_chunk<Formula>(args, weight, begin, count, streaming);                 \
  }
NAMP_FOR_EACH_ELEMENT_LOSS(NAMP_LOSS_CHUNK)
#undef NAMP_LOSS_CHUNK

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

#define NAMP_LOSS_TABLE(name, VALUE, Formula) NAMP_SIMD_TABLE(name##_chunk);
NAMP_FOR_EACH_ELEMENT_LOSS(NAMP_LOSS_TABLE)
#undef NAMP_LOSS_TABLE

auto chunk_of(int32_t kind, namp_simd simd) {
  switch (kind) {
#define NAMP_CASE(name, VALUE, Formula) \
  case VALUE:                           \
    return name##_chunk_by_simd(simd);
    NAMP_FOR_EACH_ELEMENT_LOSS(NAMP_CASE)
#undef NAMP_CASE
  }
  __builtin_trap();
}

}  // namespace

void CpuBackend::element_loss(const namp_element_loss_args& args, namp_stream stream) {
  const bool mean = args.mean != 0;
  const auto divisor = static_cast<double>(args.count);
  const float weight = loss_weight(args.upstream, args.scale, mean, divisor);
  const int64_t chunks = (args.count + kChunkElements - 1) / kChunkElements;
  auto* sums =
      static_cast<double*>(workspace(chunks * static_cast<int64_t>(sizeof(double)), stream));
  const auto kernel = chunk_of(args.kind, simd_);
  // Writing back a line that was read is cheaper than a write past the cache.
  const bool in_place = args.gradient == args.prediction || args.gradient == args.target;
  const bool streaming = streams(args.count) && !in_place;
  threads_.parallel_for(args.count, kChunkElements, [&](int64_t begin, int64_t end) {
    sums[begin / kChunkElements] = kernel(args, weight, begin, end - begin, streaming);
  });
  if (args.loss != nullptr) *args.loss = combine_loss(sums, chunks, mean, divisor);
}

}  // namespace namp
#endif
