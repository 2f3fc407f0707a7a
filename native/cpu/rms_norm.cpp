// RMS norm. A row is read twice in each direction, but only the first time from memory. Results
// depend neither on the SIMD target nor on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/rms_norm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/norm_gradient-inl.h"
#include "cpu/reduce-inl.h"
#include "formulas/norm.h"

#include "cpu/column_sums.h"
#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Each pair of dtypes has its own functions (HWY_NOINLINE), as in layer_norm.cpp.
template <class In, class Out>
HWY_NOINLINE void rms_forward(const namp_rms_norm_args& args, const float* gamma, int64_t begin,
                              int64_t end) {
  const int64_t width = args.width;
  for (int64_t r = begin; r < end; ++r) {
    const In* x = static_cast<const In*>(args.input) + r * width;
    Out* y = static_cast<Out*>(args.output) + r * width;
    const float squares = reduce_one(width, Plus(), [=](int64_t i, auto part) NAMP_LANES {
      const Lane value = load(x + i, part);
      return value * value;
    });
    const float inverse = 1.0f / sqrt(squares / static_cast<float>(width) + args.epsilon);
    for_lanes(width, [=](int64_t i, auto part) NAMP_LANES {
      store(load(x + i, part) * inverse * load(gamma + i, part), y + i, part);
    });
    args.inverse_rms[r] = inverse;
  }
}

template <class In, class Out>
HWY_NOINLINE void rms_backward(const namp_rms_norm_args& args, const float* gamma, float* sums,
                               int64_t begin, int64_t end) {
  const int64_t width = args.width;
  for (int64_t r = begin; r < end; ++r) {
    const In* x = static_cast<const In*>(args.input) + r * width;
    const Out* gy = static_cast<const Out*>(args.output_gradient) + r * width;
    const GradientRow<In, Out> gradient(args, r);
    const Lane inverse = args.inverse_rms[r];
    const float sum = reduce_one(width, Plus(), [=](int64_t i, auto part) NAMP_LANES {
      return load(gy + i, part) * load(gamma + i, part) * (load(x + i, part) * inverse);
    });
    const Lane mean_g_normal = sum / static_cast<float>(width);
    for_lanes(width, [=](int64_t i, auto part) NAMP_LANES {
      const Lane normal = load(x + i, part) * inverse;
      const Lane upstream = load(gy + i, part);
      const Lane g = upstream * load(gamma + i, part);
      gradient.write(normalize_gradient(g, normal, inverse, Lane(0.0f), mean_g_normal), i, part);
      store(load(sums + i, part) + upstream * normal, sums + i, part);
    });
  }
}

// gamma is not null, also if that of args is.
void rms_norm_forward_rows(const namp_rms_norm_args& args, const float* gamma, int64_t begin,
                           int64_t end) {
  with_element(static_cast<namp_dtype>(args.input_dtype), [&](auto in) {
    with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto out) {
      rms_forward<typename decltype(in)::Type, typename decltype(out)::Type>(args, gamma, begin,
                                                                             end);
    });
  });
}

// sums [width] receives the contribution of these rows to the gradient of gamma.
void rms_norm_backward_rows(const namp_rms_norm_args& args, const float* gamma, float* sums,
                            int64_t begin, int64_t end) {
  std::fill(sums, sums + args.width, 0.0f);
  with_element(static_cast<namp_dtype>(args.input_dtype), [&](auto in) {
    with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto out) {
      rms_backward<typename decltype(in)::Type, typename decltype(out)::Type>(args, gamma, sums,
                                                                              begin, end);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(rms_norm_forward_rows);
NAMP_SIMD_TABLE(rms_norm_backward_rows);

void CpuBackend::rms_norm_forward(const namp_rms_norm_args& args, namp_stream stream) {
  const float* gamma = args.gamma;
  if (gamma == nullptr) {
    auto* ones =
        static_cast<float*>(workspace(args.width * static_cast<int64_t>(sizeof(float)), stream));
    std::fill(ones, ones + args.width, 1.0f);
    gamma = ones;
  }
  const auto rows = rms_norm_forward_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, block_rows(args.width),
                        [&](int64_t begin, int64_t end) { rows(args, gamma, begin, end); });
}

void CpuBackend::rms_norm_backward(const namp_rms_norm_args& args, namp_stream stream) {
  const int64_t grain = block_rows(args.width);
  const int64_t blocks = (args.rows + grain - 1) / grain;
  auto* sums = static_cast<float*>(
      workspace((blocks + 1) * args.width * static_cast<int64_t>(sizeof(float)), stream));
  const float* gamma = args.gamma;
  if (gamma == nullptr) {
    float* ones = sums + blocks * args.width;
    std::fill(ones, ones + args.width, 1.0f);
    gamma = ones;
  }
  const auto rows = rms_norm_backward_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, grain, [&](int64_t begin, int64_t end) {
    rows(args, gamma, sums + begin / grain * args.width, begin, end);
  });
  if (args.gamma_gradient == nullptr) return;
  add_blocks(threads_, simd_, sums, blocks, args.width);
  std::copy(sums, sums + args.width, args.gamma_gradient);
}

}  // namespace namp
#endif
