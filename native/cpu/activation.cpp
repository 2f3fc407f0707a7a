// Element-wise activations.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/activation.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "formulas/activation.h"
#include "activation_facts.h"

#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

template <class Body>
HWY_INLINE void with_activation(int32_t activation, Body&& body) {
  switch (activation) {
#define NAMP_CASE(VALUE, Formula, ...) \
  case VALUE:                          \
    return body(Formula{});
    NAMP_FOR_EACH_ACTIVATION(NAMP_CASE)
#undef NAMP_CASE
    default:
      return body(Identity{});
  }
}

void activation_forward_range(const namp_activation_args& args, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    with_activation(args.activation, [&](auto activation) NAMP_LANES {
      using Activation = decltype(activation);
      map(
          static_cast<T*>(args.output) + begin, end - begin,
          [](Lane x) NAMP_LANES { return Activation::forward(x); },
          static_cast<const T*>(args.input) + begin);
    });
  });
}

void activation_backward_range(const namp_activation_args& args, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    with_activation(args.activation, [&](auto activation) NAMP_LANES {
      using Activation = decltype(activation);
      const auto* gradient = static_cast<const T*>(args.output_gradient) + begin;
      map(
          static_cast<T*>(args.input_gradient) + begin, end - begin,
          [](Lane g, Lane s) NAMP_LANES { return Activation::backward(g, s); }, gradient,
          static_cast<const T*>(saved_elements(args)) + begin);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(activation_forward_range);
NAMP_SIMD_TABLE(activation_backward_range);

void CpuBackend::activation_forward(const namp_activation_args& args, namp_stream) {
  const auto range = activation_forward_range_by_simd(simd_);
  threads_.parallel_for(args.count, kChunkElements,
                        [&](int64_t begin, int64_t end) { range(args, begin, end); });
}

void CpuBackend::activation_backward(const namp_activation_args& args, namp_stream) {
  const auto range = activation_backward_range_by_simd(simd_);
  threads_.parallel_for(args.count, kChunkElements,
                        [&](int64_t begin, int64_t end) { range(args, begin, end); });
}

}  // namespace namp
#endif
