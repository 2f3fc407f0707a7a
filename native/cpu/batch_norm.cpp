// Batch norm. Results depend neither on the SIMD target nor on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/batch_norm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/reduce-inl.h"
#include "cpu/channels-inl.h"
#include "formulas/norm.h"

#include <cmath>

#include "cpu/cpu_backend.h"
#include "formulas/running_statistic.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// A unit's sums of (x - center) and of its square.
void batch_norm_moments(const namp_batch_norm_args& args, const Channels& shape, int64_t unit,
                        const float* centers, double* sums) {
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) NAMP_LANES {
    const auto* x = static_cast<const typename decltype(element)::Type*>(args.input);
    const Lane center = centers[shape.unit(unit).channel];
    sum_unit<2>(shape, unit, sums, [=](int64_t i, auto part) NAMP_LANES {
      const Lane deviation = load(x + i, part) - center;
      return Several<2>{{deviation, deviation * deviation}};
    });
  });
}

// A unit's sums of the gradient of the output, and of it times the normalized input.
void batch_norm_gradient_sums(const namp_batch_norm_args& args, const Channels& shape, int64_t unit,
                              const float* means, const float* inverses, double* sums) {
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const auto* x = static_cast<const T*>(args.input);
    const auto* gy = static_cast<const T*>(args.output_gradient);
    const int64_t channel = shape.unit(unit).channel;
    const Lane mean = means[channel];
    const Lane inverse = inverses[channel];
    sum_unit<2>(shape, unit, sums, [=](int64_t i, auto part) NAMP_LANES {
      const Lane g = load(gy + i, part);
      return Several<2>{{g, g * normalize(load(x + i, part), mean, inverse)}};
    });
  });
}

void batch_norm_apply(const namp_batch_norm_args& args, const Channels& shape, int64_t unit,
                      const float* means, const float* inverses) {
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const ChannelUnit u = shape.unit(unit);
    const Lane mean = means[u.channel];
    const Lane inverse = inverses[u.channel];
    const Lane gamma = args.gamma == nullptr ? 1.0f : args.gamma[u.channel];
    const Lane beta = args.beta == nullptr ? 0.0f : args.beta[u.channel];
    for (int64_t o = u.outer_begin; o < u.outer_end; ++o) {
      const int64_t first = (o * shape.channels + u.channel) * shape.inner + u.inner_begin;
      map(
          static_cast<T*>(args.output) + first, u.inner_end - u.inner_begin,
          [=](Lane x) NAMP_LANES { return normalize(x, mean, inverse) * gamma + beta; },
          static_cast<const T*>(args.input) + first);
    }
  });
}

// sums: of the gradient, and of it times the normalized input, over the channel; per element.
void batch_norm_input_gradient(const namp_batch_norm_args& args, const Channels& shape,
                               int64_t unit, const float* means, const float* inverses,
                               const float* mean_gradients) {
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const ChannelUnit u = shape.unit(unit);
    const Lane mean = means[u.channel];
    const Lane inverse = inverses[u.channel];
    const Lane gamma = args.gamma == nullptr ? 1.0f : args.gamma[u.channel];
    const Lane mean_g = mean_gradients[2 * u.channel];
    const Lane mean_g_normal = mean_gradients[2 * u.channel + 1];
    for (int64_t o = u.outer_begin; o < u.outer_end; ++o) {
      const int64_t first = (o * shape.channels + u.channel) * shape.inner + u.inner_begin;
      map(
          static_cast<T*>(args.input_gradient) + first, u.inner_end - u.inner_begin,
          [=](Lane g, Lane x) NAMP_LANES {
            const Lane normal = normalize(x, mean, inverse);
            return normalize_gradient(g, normal, inverse, mean_g, mean_g_normal) * gamma;
          },
          static_cast<const T*>(args.output_gradient) + first,
          static_cast<const T*>(args.input) + first);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(batch_norm_moments);
NAMP_SIMD_TABLE(batch_norm_gradient_sums);
NAMP_SIMD_TABLE(batch_norm_apply);
NAMP_SIMD_TABLE(batch_norm_input_gradient);

// Scratch memory of a call.
struct Scratch {
  double* unit_sums;  // [units, 2]
  float* means;       // [channels]
  float* inverses;    // [channels]
  float* gradients;   // [channels, 2]

  static int64_t bytes(const Channels& shape) {
    return shape.units() * 2 * static_cast<int64_t>(sizeof(double)) +
           shape.channels * 4 * static_cast<int64_t>(sizeof(float));
  }
  Scratch(void* memory, const Channels& shape)
      : unit_sums(static_cast<double*>(memory)),
        means(reinterpret_cast<float*>(unit_sums + shape.units() * 2)),
        inverses(means + shape.channels),
        gradients(inverses + shape.channels) {}
};

float inverse_of(double variance, float epsilon) {
  return static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(epsilon)));
}

// Moves a running value towards a new one, if there is a running value.
void move(float* running, int64_t channel, double value, float momentum) {
  if (running == nullptr) return;
  running[channel] = move_statistic(running[channel], value, momentum);
}

// Inference: the running statistics.
void take_running_statistics(const namp_batch_norm_args& args, const Scratch& scratch) {
  for (int64_t c = 0; c < args.channels; ++c) {
    scratch.means[c] = args.running_mean[c];
    scratch.inverses[c] = inverse_of(static_cast<double>(args.running_variance[c]), args.epsilon);
  }
}

}  // namespace

void CpuBackend::batch_norm_forward(const namp_batch_norm_args& args, namp_stream stream) {
  const Channels shape(args.batch, args.channels, args.inner);
  const Scratch scratch(workspace(Scratch::bytes(shape), stream), shape);
  const float* means = scratch.means;
  const float* inverses = scratch.inverses;
  if (args.training != 0) {
    // Two passes: around 0 for the mean, then around the mean for its rounding error and the
    // variance, which keeps its digits for a large mean.
    const auto moments = batch_norm_moments_by_simd(simd_);
    const auto count = static_cast<double>(args.batch) * static_cast<double>(args.inner);
    std::fill(scratch.means, scratch.means + args.channels, 0.0f);
    for (int pass = 0; pass < 2; ++pass) {
      for_units(threads_, shape, [&](int64_t unit) {
        moments(args, shape, unit, scratch.means, scratch.unit_sums + 2 * unit);
      });
      for (int64_t c = 0; c < args.channels; ++c) {
        double sums[2];
        shape.collect(scratch.unit_sums, c, 2, sums);
        const double rest = sums[0] / count;
        const double mean = static_cast<double>(scratch.means[c]) + rest;
        if (pass == 1) {
          const double raw = sums[1] / count - rest * rest;
          const double variance = raw < 0 ? 0 : raw;
          args.inverse_deviation[c] = inverse_of(variance, args.epsilon);
          args.mean[c] = static_cast<float>(mean);
          const double unbiased = variance * (count / (count - 1));
          if (has_statistics(mean, unbiased)) {
            move(args.running_mean, c, mean, args.momentum);
            move(args.running_variance, c, unbiased, args.momentum);
          }
        }
        scratch.means[c] = static_cast<float>(mean);
      }
    }
    means = args.mean;
    inverses = args.inverse_deviation;
  } else {
    take_running_statistics(args, scratch);
  }
  const auto apply = batch_norm_apply_by_simd(simd_);
  for_units(threads_, shape, [&](int64_t unit) { apply(args, shape, unit, means, inverses); });
}

void CpuBackend::batch_norm_backward(const namp_batch_norm_args& args, namp_stream stream) {
  if (args.batch == 0 || args.inner == 0) {
    for (float* gradient : {args.gamma_gradient, args.beta_gradient}) {
      if (gradient != nullptr) std::fill(gradient, gradient + args.channels, 0.0f);
    }
    return;
  }
  const Channels shape(args.batch, args.channels, args.inner);
  const Scratch scratch(workspace(Scratch::bytes(shape), stream), shape);
  const bool training = args.training != 0;
  if (!training) take_running_statistics(args, scratch);
  const float* means = training ? args.mean : scratch.means;
  const float* inverses = training ? args.inverse_deviation : scratch.inverses;
  const auto sum = batch_norm_gradient_sums_by_simd(simd_);
  for_units(threads_, shape, [&](int64_t unit) {
    sum(args, shape, unit, means, inverses, scratch.unit_sums + 2 * unit);
  });
  const auto count = static_cast<double>(args.batch) * static_cast<double>(args.inner);
  for (int64_t c = 0; c < args.channels; ++c) {
    double sums[2];
    shape.collect(scratch.unit_sums, c, 2, sums);
    if (args.beta_gradient != nullptr) args.beta_gradient[c] = static_cast<float>(sums[0]);
    if (args.gamma_gradient != nullptr) args.gamma_gradient[c] = static_cast<float>(sums[1]);
    // Running statistics do not depend on the input: no gradient flows through them.
    for (int k = 0; k < 2; ++k) {
      scratch.gradients[2 * c + k] = training ? static_cast<float>(sums[k] / count) : 0.0f;
    }
  }
  const auto gradient = batch_norm_input_gradient_by_simd(simd_);
  for_units(threads_, shape,
            [&](int64_t unit) { gradient(args, shape, unit, means, inverses, scratch.gradients); });
}

}  // namespace namp
#endif
