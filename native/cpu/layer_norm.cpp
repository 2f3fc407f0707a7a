// Layer norm. A row is read three times forward and twice backward, but only the first time from
// memory. Results depend neither on the SIMD target nor on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/layer_norm.cpp"
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

// Two passes: the second corrects the rounding error of the mean, so that a row's variance keeps
// its digits for a large mean.
template <class T>
HWY_INLINE RowStatistics row_statistics(const T* x, int64_t width, float epsilon) {
  const auto size = static_cast<float>(width);
  const float first =
      reduce_one(width, Plus(),
                 [=](int64_t i, auto part) NAMP_LANES { return load(x + i, part); }) /
      size;
  float sums[2];
  reduce<2>(width, sums, Plus(), [=](int64_t i, auto part) NAMP_LANES {
    const Lane deviation = load(x + i, part) - first;
    return Several<2>{{deviation, deviation * deviation}};
  });
  return row_statistics(first, sums[0] / size, sums[1] / size, epsilon);
}

// Each pair of dtypes has its own functions (HWY_NOINLINE): nine of them in one function would take
// a compiler minutes.
template <class In, class Out>
HWY_NOINLINE void forward_rows(const namp_layer_norm_args& args, const float* gamma,
                               const float* beta, int64_t begin, int64_t end) {
  const int64_t width = args.width;
  for (int64_t r = begin; r < end; ++r) {
    const In* x = static_cast<const In*>(args.input) + r * width;
    Out* y = static_cast<Out*>(args.output) + r * width;
    const RowStatistics row = row_statistics(x, width, args.epsilon);
    const Lane mean = row.mean;
    const Lane inverse = row.inverse_deviation;
    const auto shifted = [=](Lane normal, int64_t i, auto part) NAMP_LANES {
      store(normal * load(gamma + i, part) + load(beta + i, part), y + i, part);
    };
    if (args.normalized == nullptr) {
      for_lanes(width, [=](int64_t i, auto part) NAMP_LANES {
        shifted(normalize(load(x + i, part), mean, inverse), i, part);
      });
    } else {
      Out* kept = static_cast<Out*>(args.normalized) + r * width;
      for_lanes(width, [=](int64_t i, auto part) NAMP_LANES {
        const Lane normal = normalize(load(x + i, part), mean, inverse);
        store(normal, kept + i, part);
        shifted(normal, i, part);
      });
    }
    if (args.mean != nullptr) args.mean[r] = row.mean;
    args.inverse_deviation[r] = row.inverse_deviation;
  }
}

// The normalized elements of a row for backward: computed from the input, or kept.
template <class In>
struct FromInput {
  FromInput(const namp_layer_norm_args& args, int64_t row)
      : x(static_cast<const In*>(args.input) + row * args.width),
        mean(args.mean[row]),
        inverse(args.inverse_deviation[row]) {}

  template <class Part>
  HWY_INLINE Lane at(int64_t i, Part part) const {
    return normalize(load(x + i, part), mean, inverse);
  }

  const In* x;
  Lane mean, inverse;
};
template <class Out>
struct Kept {
  Kept(const namp_layer_norm_args& args, int64_t row)
      : normal(static_cast<const Out*>(args.normalized) + row * args.width) {}

  template <class Part>
  HWY_INLINE Lane at(int64_t i, Part part) const {
    return load(normal + i, part);
  }

  const Out* normal;
};

template <class In, class Out, class Normalized>
HWY_NOINLINE void backward_rows(const namp_layer_norm_args& args, const float* gamma, float* sums,
                                int64_t begin, int64_t end) {
  const int64_t width = args.width;
  const auto size = static_cast<float>(width);
  float* gamma_sums = sums;
  float* beta_sums = sums + width;
  for (int64_t r = begin; r < end; ++r) {
    const Normalized normalized(args, r);
    const Out* gy = static_cast<const Out*>(args.output_gradient) + r * width;
    const GradientRow<In, Out> gradient(args, r);
    const Lane inverse = args.inverse_deviation[r];
    float row[2];
    reduce<2>(width, row, Plus(), [=](int64_t i, auto part) NAMP_LANES {
      const Lane g = load(gy + i, part) * load(gamma + i, part);
      return Several<2>{{g, g * normalized.at(i, part)}};
    });
    const Lane mean_g = row[0] / size;
    const Lane mean_g_normal = row[1] / size;
    for_lanes(width, [=](int64_t i, auto part) NAMP_LANES {
      const Lane normal = normalized.at(i, part);
      const Lane upstream = load(gy + i, part);
      const Lane g = upstream * load(gamma + i, part);
      gradient.write(normalize_gradient(g, normal, inverse, mean_g, mean_g_normal), i, part);
      store(load(gamma_sums + i, part) + upstream * normal, gamma_sums + i, part);
      store(load(beta_sums + i, part) + upstream, beta_sums + i, part);
    });
  }
}

// gamma and beta are not null, also if those of args are.
void layer_norm_forward_rows(const namp_layer_norm_args& args, const float* gamma,
                             const float* beta, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.input_dtype), [&](auto in) {
    with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto out) {
      forward_rows<typename decltype(in)::Type, typename decltype(out)::Type>(args, gamma, beta,
                                                                              begin, end);
    });
  });
}

// sums [2 * width] receives the contributions of these rows to the gradients of gamma and then of
// beta.
void layer_norm_backward_rows(const namp_layer_norm_args& args, const float* gamma, float* sums,
                              int64_t begin, int64_t end) {
  std::fill(sums, sums + 2 * args.width, 0.0f);
  with_element(static_cast<namp_dtype>(args.input_dtype), [&](auto in) {
    with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto out) {
      using In = typename decltype(in)::Type;
      using Out = typename decltype(out)::Type;
      if (args.normalized == nullptr) {
        backward_rows<In, Out, FromInput<In>>(args, gamma, sums, begin, end);
      } else {
        backward_rows<In, Out, Kept<Out>>(args, gamma, sums, begin, end);
      }
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
NAMP_SIMD_TABLE(layer_norm_forward_rows);
NAMP_SIMD_TABLE(layer_norm_backward_rows);

void CpuBackend::layer_norm_forward(const namp_layer_norm_args& args, namp_stream stream) {
  const float* gamma = args.gamma;
  const float* beta = args.beta;
  if (gamma == nullptr || beta == nullptr) {
    auto* constants = static_cast<float*>(
        workspace(2 * args.width * static_cast<int64_t>(sizeof(float)), stream));
    std::fill(constants, constants + args.width, 1.0f);
    std::fill(constants + args.width, constants + 2 * args.width, 0.0f);
    if (gamma == nullptr) gamma = constants;
    if (beta == nullptr) beta = constants + args.width;
  }
  const auto rows = layer_norm_forward_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, block_rows(args.width),
                        [&](int64_t begin, int64_t end) { rows(args, gamma, beta, begin, end); });
}

void CpuBackend::layer_norm_backward(const namp_layer_norm_args& args, namp_stream stream) {
  const int64_t grain = block_rows(args.width);
  const int64_t blocks = (args.rows + grain - 1) / grain;
  const int64_t columns = 2 * args.width;
  auto* sums = static_cast<float*>(
      workspace((blocks * columns + args.width) * static_cast<int64_t>(sizeof(float)), stream));
  const float* gamma = args.gamma;
  if (gamma == nullptr) {
    float* ones = sums + blocks * columns;
    std::fill(ones, ones + args.width, 1.0f);
    gamma = ones;
  }
  const auto rows = layer_norm_backward_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, grain, [&](int64_t begin, int64_t end) {
    rows(args, gamma, sums + begin / grain * columns, begin, end);
  });
  add_blocks(threads_, simd_, sums, blocks, columns);
  if (args.gamma_gradient != nullptr) std::copy(sums, sums + args.width, args.gamma_gradient);
  if (args.beta_gradient != nullptr) {
    std::copy(sums + args.width, sums + columns, args.beta_gradient);
  }
}

}  // namespace namp
#endif
