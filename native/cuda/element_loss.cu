// Family 2: element-wise losses with scaled gradients, in one pass.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/sum_lanes.cuh"
#include "cuda/view.cuh"
#include "formulas/element_loss.h"
#include "formulas/loss.h"
#include "lists/losses.h"

namespace namp::cuda {
namespace {

static_assert(kLossThreads == kSumThreads);

// Elements of the prediction and of the target.
template <int kCount>
struct Elements {
  Pack<kCount> x;
  Pack<kCount> t;
};

// The weights of elements i on; ones without weights.
template <bool kWeighted, class Part>
NAMP_DEVICE Pack<Part::count> weights_at(const namp_element_loss_args& call, int64_t i, Part part) {
  Pack<Part::count> w;
#pragma unroll
  for (float& x : w.at)
    x = 1.0f;
  if constexpr (kWeighted) {
    if (call.positive_weight != nullptr) {
      int64_t at = i % call.weight_period;
#pragma unroll
      for (int j = 0; j < part.count; ++j) {
        w.at[j] = load(call.positive_weight + at);
        at = at + 1 == call.weight_period ? 0 : at + 1;
      }
    }
  }
  return w;
}

template <class Formula>
NAMP_DEVICE void element_loss(const ElementLossArgs& args) {
  const namp_element_loss_args& call = args.call;
  const Formula formula(call);
  const bool mean = call.mean != 0;
  const auto divisor = static_cast<double>(call.count);
  const float weight = loss_weight(call.upstream, call.scale, mean, divisor);
  const int64_t chunks = (call.count + kChunkElements - 1) / kChunkElements;
  for (int64_t chunk = block_index(); chunk < chunks; chunk += block_count()) {
    const int64_t begin = chunk * kChunkElements;
    const int64_t rest = call.count - begin;
    const int peel = choose_peel(access(call.prediction, call.prediction_dtype, begin),
                                 access(call.target, call.target_dtype, begin),
                                 access(call.gradient, call.gradient_dtype, begin));
    const double sum = sum_in_lanes<1>(
        static_cast<int>(rest < kChunkElements ? rest : kChunkElements), peel,
        [&](float before, float x, float t, float w) { return formula.add(before, x, t, w); },
        [&](int i, auto part) {
          return Elements<part.count>{
              load_as(call.prediction, call.prediction_dtype, begin + i, part),
              load_as(call.target, call.target_dtype, begin + i, part)};
        },
        [&](const auto& e, int i, auto part, auto&& add) {
          const auto w = weights_at<Formula::kWeighted>(call, begin + i, part);
#pragma unroll
          for (int j = 0; j < part.count; ++j)
            add(j, e.x.at[j], e.t.at[j], w.at[j]);
          if (call.gradient == nullptr) return;
          const auto slope = [&](float x, float t, float u) {
            return call.for_target != 0 ? formula.target_slope(x, t, u) : formula.slope(x, t, u);
          };
          store_as(
              map([&](float x, float t, float u) { return slope(x, t, u) * weight; }, e.x, e.t, w),
              call.gradient, call.gradient_dtype, begin + i, part);
        });
    if (thread_index() == 0) args.sums[chunk] = sum;
  }
  if (!is_last_block(args.ticket) || call.loss == nullptr) return;
  const double sum = sum_parts(
      0.0, chunks, [&](int64_t chunk) { return load_global(args.sums + chunk); },
      [](double part, int64_t) { return part; });
  if (thread_index() == 0) *call.loss = finish_loss(sum, mean, divisor);
}

}  // namespace

#define NAMP_LOSS_KERNEL(name, VALUE, Formula)                          \
  NAMP_KERNEL(kLossThreads) name##_kernel(const ElementLossArgs args) { \
    element_loss<Formula>(args);                                        \
  }
NAMP_FOR_EACH_ELEMENT_LOSS(NAMP_LOSS_KERNEL)

}  // namespace namp::cuda
