// Sums over everything but the channels, and batch norm, which is made of them: a block a channel.
#include "cuda/platform.cuh"

#include "cuda/column_sums.cuh"
#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "formulas/norm.h"
#include "formulas/running_statistic.h"

namespace namp::cuda {
namespace {

// Calls body(i) for this thread's elements of a channel of [outer, channels, inner].
template <class Body>
NAMP_DEVICE void for_channel(int64_t outer, int64_t channels, int64_t inner, int64_t channel,
                             Body&& body) {
  const int64_t count = outer * inner;
  for (int64_t e = thread_index(); e < count; e += block_threads())
    body((e / inner * channels + channel) * inner + e % inner);
}

// The sum of body(i) over a channel, in every thread.
template <class Body>
NAMP_DEVICE double channel_sum(int64_t outer, int64_t channels, int64_t inner, int64_t channel,
                               Body&& body) {
  LongSum sum;
  for_channel(outer, channels, inner, channel, [&](int64_t i) { sum.add(body(i)); });
  return block_reduce(sum.get(), Plus());
}

NAMP_DEVICE void store_sum(const namp_sum_args& args, int64_t channel, double sum) {
  float x = args.alpha * static_cast<float>(sum);
  if (args.accumulate != 0) x = x + load_as(args.out, args.out_dtype, channel);
  store_as(x, args.out, args.out_dtype, channel);
}

NAMP_DEVICE float inverse_of(double variance, float epsilon) {
  return static_cast<float>(1.0 / ::sqrt(variance + static_cast<double>(epsilon)));
}

// Moves a running value towards a new one, if there is one to move.
NAMP_DEVICE void move(float* running, int64_t channel, double value, float momentum) {
  if (running == nullptr) return;
  running[channel] = move_statistic(running[channel], value, momentum);
}

struct Statistics {
  float mean;
  float inverse;
};

// What inference and its backward pass use.
NAMP_DEVICE Statistics running_statistics(const namp_batch_norm_args& args, int64_t channel) {
  return {load(args.running_mean + channel),
          inverse_of(static_cast<double>(load(args.running_variance + channel)), args.epsilon)};
}

}  // namespace

// inner is 1: channels are columns.
NAMP_KERNEL(kColumnThreads) sum_columns_kernel(const namp_sum_args args) {
  sum_columns<1>(
      args.outer, args.channels,
      [&](int64_t row, int64_t column, LongSum* sums) {
        sums[0].add(load_as(args.in, args.in_dtype, row * args.channels + column));
      },
      [&](int64_t column, const double* sums) { store_sum(args, column, sums[0]); });
}

NAMP_KERNEL(kChannelThreads) sum_channels_kernel(const namp_sum_args args) {
  for (int64_t channel = block_index(); channel < args.channels; channel += block_count()) {
    const double sum = channel_sum(args.outer, args.channels, args.inner, channel,
                                   [&](int64_t i) { return load_as(args.in, args.in_dtype, i); });
    if (thread_index() == 0) store_sum(args, channel, sum);
  }
}

NAMP_KERNEL(kChannelThreads) batch_norm_forward_kernel(const namp_batch_norm_args args) {
  const double count = static_cast<double>(args.batch) * static_cast<double>(args.inner);
  for (int64_t channel = block_index(); channel < args.channels; channel += block_count()) {
    const auto x = [&](int64_t i) { return load_as(args.input, args.dtype, i); };
    const auto sum = [&](auto&& body) {
      return channel_sum(args.batch, args.channels, args.inner, channel, body);
    };
    Statistics s{};
    if (args.training != 0) {
      // Around 0 for the mean, then around that for what rounding left of it and for the variance,
      // which keeps its digits however large the mean is.
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
    // Running statistics do not depend on the input: nothing flows through them.
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
