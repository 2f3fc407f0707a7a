// Family 2: cross-entropy with scaled gradients, in one pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/loss.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "formulas/loss.h"
#include "formulas/math.h"

#include <algorithm>
#include <limits>

#include "cpu/cpu_backend.h"
#include "cpu/index_search.h"
#include "cpu/loss.h"
#include "cpu/part_sum.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Maxima of the elements of every width of lane.
struct RowLanes {
  static constexpr int64_t kCount = 16;
  HWY_INLINE explicit RowLanes(float start) { std::fill_n(values, kCount, start); }
  HWY_INLINE float* at(int64_t i) { return values + i % kCount; }
  HWY_INLINE float largest() const { return *std::max_element(values, values + kCount); }

  alignas(64) float values[kCount];
};

HWY_INLINE float widen_one(const float* p) { return *p; }
HWY_INLINE float widen_one(const Float16* p) { return decode<Float16, float>(uint32_t{p->bits}); }
HWY_INLINE float widen_one(const BFloat16* p) { return decode<BFloat16, float>(uint32_t{p->bits}); }

HWY_INLINE void narrow_one(float x, float* p) { *p = x; }
HWY_INLINE void narrow_one(float x, Float16* p) {
  p->bits = static_cast<uint16_t>(encode<Float16>(x));
}
HWY_INLINE void narrow_one(float x, BFloat16* p) {
  p->bits = static_cast<uint16_t>(encode<BFloat16>(x));
}

// The largest logit, and the sum of the exponentials of all less it.
struct RowSums {
  float maximum;
  float sum;
};

// Ignores a NaN.
template <class In>
float largest_of(const In* logits, int64_t classes) {
  RowLanes maxima(-std::numeric_limits<float>::infinity());
  for_lanes(classes, [&](int64_t i, auto part) NAMP_LANES {
    const Lane maximum = load(maxima.at(i));
    const Lane x = keep(load(logits + i, part), maximum, part);
    store(select(x > maximum, x, maximum), maxima.at(i));
  });
  return maxima.largest();
}

// A row's sums in lanes, to be added in halves.
struct RowLaneSums {
  HWY_INLINE explicit RowLaneSums(int lane_count) : lanes(lane_count) {
    std::fill_n(values, std::max<int64_t>(lanes, kLanes), 0.0f);
  }
  HWY_INLINE void add(int64_t i, Lane x) {
    float* sum = values + i % lanes;
    store(load(sum) + x, sum);
  }
  HWY_INLINE float total() {
    for (int width = lanes / 2; width > 0; width /= 2) {
      for (int j = 0; j < width; ++j)
        values[j] += values[j + width];
    }
    return values[0];
  }

  int lanes;
  alignas(64) float values[kLossLanes];
};

// In one pass over the row where the maximum of its beginning, an element a sum, is close to that of all.
// The maximum ignores a NaN, but it makes the sum NaN.
template <class In>
RowSums sum_row(const In* logits, int64_t classes) {
  const int lanes = loss_lanes(classes);
  float base = largest_of(logits, std::min<int64_t>(classes, lanes));
  for (;;) {
    RowLaneSums sums(lanes);
    RowLanes maxima(-std::numeric_limits<float>::infinity());
    for_lanes(classes, [&](int64_t i, auto part) NAMP_LANES {
      const Lane x = load(logits + i, part);
      const Lane maximum = load(maxima.at(i));
      store(select(keep(x, maximum, part) > maximum, x, maximum), maxima.at(i));
      sums.add(i, keep(exp_of_distance(x - base), Lane(0.0f), part));
    });
    const float maximum = maxima.largest();
    if (is_far(maximum, base)) {
      base = maximum;
      continue;
    }
    return {maximum, sums.total() / exp_of_distance(maximum - base)};
  }
}

// The sum of the logits less the maximum, each times its class's weight.
template <class In>
float sum_below(const In* logits, int64_t classes, float maximum, const float* weights) {
  RowLaneSums sums(loss_lanes(classes));
  for_lanes(classes, [&](int64_t i, auto part) NAMP_LANES {
    Lane x = load(logits + i, part) - maximum;
    if (weights != nullptr) x = x * load(weights + i, part);
    sums.add(i, keep(x, Lane(0.0f), part));
  });
  return sums.total();
}

// The loss of a row, and its gradient unless that is null (it may be the logits). row_sums: written
// without a gradient, read with one; or null.
template <class In, class Out>
float cross_entropy_run(const namp_cross_entropy_args& args, const In* logits, int64_t label,
                        Out* gradient, const CrossEntropyWeights& weights, float* row_sums) {
  const int64_t classes = args.classes;
  const auto [maximum, sum] = row_sums != nullptr && gradient != nullptr
                                  ? RowSums{row_sums[0], row_sums[1]}
                                  : sum_row(logits, classes);
  if (row_sums != nullptr && gradient == nullptr) {
    row_sums[0] = maximum;
    row_sums[1] = sum;
  }
  const float* of_class = args.class_weights;
  const float label_weight = of_class == nullptr ? 1.0f : of_class[label];
  const RowShares shares = row_shares(args.label_smoothing, classes, label_weight, weights.sum);
  const float distance = widen_one(logits + label) - maximum;
  const bool smooths = shares.each != 0.0f;
  const float below =
      smooths && args.loss != nullptr ? sum_below(logits, classes, maximum, of_class) : 0.0f;
  const float loss = row_loss(shares, log(sum), distance, below);
  if (gradient == nullptr) return loss;
  const float weight = weights.gradient;
  const float share = weight * shares.all / sum;
  const float each = weight * shares.each;
  const float largest = maximum;
  if (smooths && of_class != nullptr) {
    map(
        gradient, classes,
        [=](Lane x, Lane w) NAMP_LANES { return exp_of_distance(x - largest) * share - w * each; },
        logits, of_class);
  } else if (smooths) {
    map(
        gradient, classes,
        [=](Lane x) NAMP_LANES { return exp_of_distance(x - largest) * share - each; }, logits);
  } else {
    map(
        gradient, classes, [=](Lane x) NAMP_LANES { return exp_of_distance(x - largest) * share; },
        logits);
  }
  narrow_one(label_gradient(shares, exp_of_distance(distance) / sum, label_weight, weight),
             gradient + label);
  return loss;
}

template <class Out>
void fill_run(Out* out, int64_t count, float value) {
  for (int64_t i = 0; i < count; ++i)
    narrow_one(value, out + i);
}

// label is in [0, classes), or kIgnoredLabel, or kInvalidLabel. Behind the classes the gradient's row
// becomes 0.
float cross_entropy_row(const namp_cross_entropy_args& args, int64_t row, int64_t label,
                        const CrossEntropyWeights& weights) {
  const float constant = label == kIgnoredLabel ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  float* row_sums = args.row_sums == nullptr ? nullptr : args.row_sums + 2 * row;
  float loss = constant;
  with_element(args.gradient_dtype, [&](auto out_type) HWY_ATTR {
    using Out = typename decltype(out_type)::Type;
    Out* out = nullptr;
    if (args.gradient != nullptr) {
      out = static_cast<Out*>(args.gradient) + row * args.row_stride;
      fill_run(out + args.classes, args.row_stride - args.classes, 0.0f);
      if (label < 0) fill_run(out, args.classes, constant);
    }
    if (label < 0) return;
    with_element(args.logits_dtype, [&](auto in_type) HWY_ATTR {
      using In = typename decltype(in_type)::Type;
      loss = cross_entropy_run(args, static_cast<const In*>(args.logits) + row * args.row_stride,
                               label, out, weights, row_sums);
    });
  });
  return loss;
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(cross_entropy_row);

// The divisor of a mean: the number of counted rows, or the sum of their weights.
double divisor_of(const namp_cross_entropy_args& args) {
  PartSum sum;
  for (int64_t row = 0; row < args.rows; ++row) {
    const int32_t label = args.labels[row];
    const bool counts = label != args.ignore_index;
    const bool is_class = label >= 0 && label < args.classes;
    if (args.class_weights == nullptr) {
      sum.add(counts ? 1.0 : 0.0);
    } else {
      sum.add(counts && is_class ? static_cast<double>(args.class_weights[label]) : 0.0);
    }
  }
  return sum.total();
}

float sum_of_weights(const namp_cross_entropy_args& args) {
  if (args.class_weights == nullptr) return static_cast<float>(args.classes);
  PartSum sum;
  for (int64_t c = 0; c < args.classes; ++c)
    sum.add(static_cast<double>(args.class_weights[c]));
  return static_cast<float>(sum.total());
}

}  // namespace

void CpuBackend::cross_entropy(const namp_cross_entropy_args& args, namp_stream stream) {
  const int64_t bad_row = first_outside(args.labels, args.rows, args.classes, args.ignore_index);
  const bool mean = args.mean != 0;
  const double divisor = divisor_of(args);
  const CrossEntropyWeights weights{loss_weight(args.upstream, args.scale, mean, divisor),
                                    sum_of_weights(args)};
  auto* losses =
      static_cast<float*>(workspace(args.rows * static_cast<int64_t>(sizeof(float)), stream));
  const auto kernel = cross_entropy_row_by_simd(simd_);
  const int64_t grain = std::max<int64_t>(1, kChunkElements / args.classes);
  threads_.parallel_for(args.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t label = args.labels[row];
      if (label == args.ignore_index) {
        label = kIgnoredLabel;
      } else if (label < 0 || label >= args.classes) {
        label = kInvalidLabel;
      }
      losses[row] = kernel(args, row, label, weights);
    }
  });
  if (bad_row < args.rows)
    tell(args.bad_label, NAMP_INDEX_LABEL, bad_row, args.labels[bad_row], args.classes);
  if (args.loss == nullptr) return;
  *args.loss = bad_row < args.rows ? from_bits(uint32_t{NAMP_BAD_LABEL_LOSS})
                                   : combine_loss(losses, args.rows, mean, divisor);
}

}  // namespace namp
#endif
