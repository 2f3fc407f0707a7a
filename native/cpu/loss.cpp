// Family 2: losses with scaled gradients, in one pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/loss.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/sum_lanes-inl.h"
#include "formulas/loss.h"
#include "formulas/math.h"

#include <algorithm>
#include <limits>

#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "cpu/index_search.h"
#include "cpu/loss.h"
#include "cpu/part_sum.h"
#include "cpu/streaming.h"

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

// In one pass over the row where the maximum of its beginning, an element a sum, is close to that of all.
// The maximum ignores a NaN, but it makes the sum NaN.
template <class In>
RowSums sum_row(const In* logits, int64_t classes) {
  const int lanes = loss_lanes(classes);
  float base = largest_of(logits, std::min<int64_t>(classes, lanes));
  for (;;) {
    alignas(64) float sums[kLossLanes];
    std::fill_n(sums, std::max<int64_t>(lanes, kLanes), 0.0f);
    RowLanes maxima(-std::numeric_limits<float>::infinity());
    for_lanes(classes, [&](int64_t i, auto part) NAMP_LANES {
      const Lane x = load(logits + i, part);
      const Lane maximum = load(maxima.at(i));
      store(select(keep(x, maximum, part) > maximum, x, maximum), maxima.at(i));
      const Lane e = keep(exp_of_distance(x - base), Lane(0.0f), part);
      float* sum = sums + i % lanes;
      store(load(sum) + e, sum);
    });
    const float maximum = maxima.largest();
    if (is_far(maximum, base)) {
      base = maximum;
      continue;
    }
    for (int width = lanes / 2; width > 0; width /= 2) {
      for (int j = 0; j < width; ++j)
        sums[j] += sums[j + width];
    }
    return {maximum, sums[0] / exp_of_distance(maximum - base)};
  }
}

// The loss of a row, and its gradient unless that is null (it may be the logits). row_sums: written
// without a gradient, read with one; or null.
template <class In, class Out>
float cross_entropy_run(const In* logits, int64_t classes, int64_t label, Out* gradient,
                        float weight, float* row_sums) {
  const auto [maximum, sum] = row_sums != nullptr && gradient != nullptr
                                  ? RowSums{row_sums[0], row_sums[1]}
                                  : sum_row(logits, classes);
  if (row_sums != nullptr && gradient == nullptr) {
    row_sums[0] = maximum;
    row_sums[1] = sum;
  }
  const float distance = widen_one(logits + label) - maximum;
  if (gradient != nullptr) {
    map(
        gradient, classes,
        [largest = maximum, share = weight / sum](Lane x)
            NAMP_LANES { return exp_of_distance(x - largest) * share; },
        logits);
    narrow_one((exp_of_distance(distance) / sum - 1.0f) * weight, gradient + label);
  }
  return log(sum) - distance;
}

template <class Out>
void fill_run(Out* out, int64_t count, float value) {
  for (int64_t i = 0; i < count; ++i)
    narrow_one(value, out + i);
}

// label is in [0, classes), or kIgnoredLabel, or kInvalidLabel. stride: elements of the gradient's row, of
// which those behind the classes become 0.
float cross_entropy_row(const void* logits, namp_dtype dtype, int64_t classes, int64_t stride,
                        int64_t label, void* gradient, namp_dtype gradient_dtype, float weight,
                        float* row_sums) {
  const float constant = label == kIgnoredLabel ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  float loss = constant;
  with_element(gradient_dtype, [&](auto out_type) HWY_ATTR {
    using Out = typename decltype(out_type)::Type;
    Out* out = static_cast<Out*>(gradient);
    if (out != nullptr) {
      fill_run(out + classes, stride - classes, 0.0f);
      if (label < 0) fill_run(out, classes, constant);
    }
    if (label < 0) return;
    with_element(dtype, [&](auto in_type) HWY_ATTR {
      using In = typename decltype(in_type)::Type;
      loss =
          cross_entropy_run(static_cast<const In*>(logits), classes, label, out, weight, row_sums);
    });
  });
  return loss;
}

// The sum of squared differences of a chunk, and its gradient unless that is null.
double mse_chunk(const void* prediction, namp_dtype prediction_dtype, const void* target,
                 namp_dtype target_dtype, int64_t count, void* gradient, namp_dtype gradient_dtype,
                 float weight, bool streams) {
  SumLanes squares;
  with_element(prediction_dtype, [&](auto prediction_type) HWY_ATTR {
    with_element(target_dtype, [&](auto target_type) HWY_ATTR {
      const auto* p = static_cast<const typename decltype(prediction_type)::Type*>(prediction);
      const auto* t = static_cast<const typename decltype(target_type)::Type*>(target);
      squares.add_squares(0, count, [&](int64_t i, auto part) NAMP_LANES {
        return load(p + i, part) - load(t + i, part);
      });
      if (gradient == nullptr) return;
      with_element(gradient_dtype, [&](auto gradient_type) HWY_ATTR {
        auto* g = static_cast<typename decltype(gradient_type)::Type*>(gradient);
        map_streaming(
            streams, g, count, [=](Lane a, Lane b) NAMP_LANES { return (a - b) * 2.0f * weight; },
            p, t);
      });
    });
  });
  return squares.total();
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(cross_entropy_row);
NAMP_SIMD_TABLE(mse_chunk);

template <class T>
float combine_loss(const T* parts, int64_t count, bool mean, int64_t divisor) {
  PartSum sum;
  for (int64_t i = 0; i < count; ++i)
    sum.add(static_cast<double>(parts[i]));
  return finish_loss(sum.total(), mean, divisor);
}

}  // namespace

void CpuBackend::cross_entropy(const namp_cross_entropy_args& args, namp_stream stream) {
  int64_t counted = 0;
  for (int64_t row = 0; row < args.rows; ++row)
    counted += args.labels[row] != args.ignore_index;
  const int64_t bad_row = first_outside(args.labels, args.rows, args.classes, args.ignore_index);
  const bool mean = args.mean != 0;
  const float weight = loss_weight(args.upstream, args.scale, mean && counted > 0 ? counted : 1);
  auto* losses =
      static_cast<float*>(workspace(args.rows * static_cast<int64_t>(sizeof(float)), stream));
  const auto dtype = static_cast<namp_dtype>(args.logits_dtype);
  const auto gradient_dtype = static_cast<namp_dtype>(args.gradient_dtype);
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
      void* gradient = args.gradient == nullptr
                           ? nullptr
                           : element(args.gradient, gradient_dtype, row * args.row_stride);
      losses[row] = kernel(element(args.logits, dtype, row * args.row_stride), dtype, args.classes,
                           args.row_stride, label, gradient, gradient_dtype, weight,
                           args.row_sums == nullptr ? nullptr : args.row_sums + 2 * row);
    }
  });
  if (bad_row < args.rows)
    tell(args.bad_label, NAMP_INDEX_LABEL, bad_row, args.labels[bad_row], args.classes);
  if (args.loss == nullptr) return;
  *args.loss = bad_row < args.rows ? from_bits(uint32_t{NAMP_BAD_LABEL_LOSS})
                                   : combine_loss(losses, args.rows, mean, counted);
}

void CpuBackend::mse(const namp_mse_args& args, namp_stream stream) {
  const bool mean = args.mean != 0;
  const float weight =
      loss_weight(args.upstream, args.scale, mean && args.count > 0 ? args.count : 1);
  const int64_t chunks = (args.count + kChunkElements - 1) / kChunkElements;
  auto* sums =
      static_cast<double*>(workspace(chunks * static_cast<int64_t>(sizeof(double)), stream));
  const auto prediction_dtype = static_cast<namp_dtype>(args.prediction_dtype);
  const auto target_dtype = static_cast<namp_dtype>(args.target_dtype);
  const auto gradient_dtype = static_cast<namp_dtype>(args.gradient_dtype);
  const auto kernel = mse_chunk_by_simd(simd_);
  threads_.parallel_for(args.count, kChunkElements, [&](int64_t begin, int64_t end) {
    void* gradient =
        args.gradient == nullptr ? nullptr : element(args.gradient, gradient_dtype, begin);
    sums[begin / kChunkElements] =
        kernel(element(args.prediction, prediction_dtype, begin), prediction_dtype,
               element(args.target, target_dtype, begin), target_dtype, end - begin, gradient,
               gradient_dtype, weight, streams(args.count));
  });
  if (args.loss != nullptr) *args.loss = combine_loss(sums, chunks, mean, args.count);
}

}  // namespace namp
#endif
