// Batch norm, one block for each channel.
#include "cuda/platform.cuh"

#include "cuda/channels.cuh"
#include "cuda/kernels.h"
#include "cuda/view.cuh"
#include "formulas/norm.h"
#include "formulas/running_statistic.h"

namespace namp::cuda {
namespace {

NAMP_DEVICE float inverse_of(double variance, float epsilon) {
  return static_cast<float>(1.0 / ::sqrt(variance + static_cast<double>(epsilon)));
}

// Moves a running value towards a new one, if there is a running value.
NAMP_DEVICE void move(float* running, int64_t channel, double value, float momentum) {
  if (running == nullptr) return;
  running[channel] = move_statistic(running[channel], value, momentum);
}

struct Statistics {
  float mean;
  float inverse;
};

// The statistics for inference and its backward pass.
NAMP_DEVICE Statistics running_statistics(const namp_batch_norm_args& args, int64_t channel) {
  return {load(args.running_mean + channel),
          inverse_of(static_cast<double>(load(args.running_variance + channel)), args.epsilon)};
}

}  // namespace

NAMP_KERNEL(kChannelThreads) batch_norm_forward_kernel(const namp_batch_norm_args args) {
  const double count = static_cast<double>(args.batch) * static_cast<double>(args.inner);
  for (int64_t channel = block_index(); channel < args.channels; channel += block_count()) {
    const auto x = [&](int64_t i) { return load_as(args.input, args.dtype, i); };
    const auto sum = [&](auto&& body) {
      return channel_sum(args.batch, args.channels, args.inner, channel, body);
    };
    Statistics s{};
    if (args.training != 0) {
      // First around 0 for the mean, then around the mean for its rounding error and the variance,
      // which keeps its digits for a large mean.
      const double center = static_cast<double>(static_cast<float>(sum(x) / count));
      const auto deviation = [&](int64_t i) { return x(i) - static_cast<float>(center); };
      const double rest = sum(deviation) / count;
      const double squares = sum([&](int64_t i) {
                               const float d = deviation(i);
                               return d * d;
                             }) /
                             count;
      const double raw = squares - rest * rest;
      const double variance = raw < 0.0 ? 0.0 : raw;
      s = {static_cast<float>(center + rest), inverse_of(variance, args.epsilon)};
      if (thread_index() == 0) {
        store(s.mean, args.mean + channel);
        store(s.inverse, args.inverse_deviation + channel);
        const double unbiased = variance * (count / (count - 1.0));
        if (has_statistics(center + rest, unbiased)) {
          move(args.running_mean, channel, center + rest, args.momentum);
          move(args.running_variance, channel, unbiased, args.momentum);
        }
      }
    } else {
      s = running_statistics(args, channel);
    }
    const float gamma = load_or(args.gamma, channel, 1.0f);
    const float beta = load_or(args.beta, channel, 0.0f);
    for_channel(args.batch, args.channels, args.inner, channel, [&](int64_t i) {
      store_as(normalize(x(i), s.mean, s.inverse) * gamma + beta, args.output, args.dtype, i);
    });
  }
}

NAMP_KERNEL(kChannelThreads) batch_norm_backward_kernel(const namp_batch_norm_args args) {
  const double count = static_cast<double>(args.batch) * static_cast<double>(args.inner);
  const bool training = args.training != 0;
  for (int64_t channel = block_index(); channel < args.channels; channel += block_count()) {
    const Statistics s =
        training ? Statistics{load(args.mean + channel), load(args.inverse_deviation + channel)}
                 : running_statistics(args, channel);
    const auto g = [&](int64_t i) { return load_as(args.output_gradient, args.dtype, i); };
    const auto normal = [&](int64_t i) {
      return normalize(load_as(args.input, args.dtype, i), s.mean, s.inverse);
    };
    const double sum_g = channel_sum(args.batch, args.channels, args.inner, channel, g);
    const double sum_g_normal = channel_sum(args.batch, args.channels, args.inner, channel,
                                            [&](int64_t i) { return g(i) * normal(i); });
    if (thread_index() == 0) {
      if (args.beta_gradient != nullptr) {
        store(static_cast<float>(sum_g), args.beta_gradient + channel);
      }
      if (args.gamma_gradient != nullptr) {
        store(static_cast<float>(sum_g_normal), args.gamma_gradient + channel);
      }
    }
    // Running statistics do not depend on the input: no gradient flows through them.
    const float mean_g = training ? static_cast<float>(sum_g / count) : 0.0f;
    const float mean_g_normal = training ? static_cast<float>(sum_g_normal / count) : 0.0f;
    const float gamma = load_or(args.gamma, channel, 1.0f);
    for_channel(args.batch, args.channels, args.inner, channel, [&](int64_t i) {
      const float x = normalize_gradient(g(i), normal(i), s.inverse, mean_g, mean_g_normal) * gamma;
      store_as(x, args.input_gradient, args.dtype, i);
    });
  }
}

}  // namespace namp::cuda
