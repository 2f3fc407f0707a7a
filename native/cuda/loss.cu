// Family 2: losses with scaled gradients, in one pass over the logits.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/sum_lanes.cuh"
#include "cuda/view.cuh"
#include "formulas/loss.h"
#include "formulas/index_fact.h"
#include "formulas/math.h"

namespace namp::cuda {
namespace {

static_assert(kLossThreads == kSumThreads);

// Reduces over the threads of a row: the upper half to the lower one until one is left.
template <class Op>
NAMP_DEVICE float row_reduce(float x, Op op) {
#pragma unroll
  for (int mask = kRowLanes / 2; mask > 0; mask /= 2)
    x = op(x, exchange(x, mask));
  return x;
}

// Calls use(i, pack) for this thread's elements of a row in their order: those of a pack are
// i, i + kRowLanes, … Four loads are in flight at a time, and four half-precision elements share a
// test for NaN.
template <class T, class Use>
NAMP_DEVICE void for_lane_of_row(const T* row, int64_t count, Use&& use) {
  constexpr int kTogether = 4;
  int64_t i = thread_index() % kRowLanes;
  for (; i + (kTogether - 1) * kRowLanes < count; i += kTogether * kRowLanes) {
    RawPack<T, kTogether> raw;
#pragma unroll
    for (int j = 0; j < kTogether; ++j)
      raw.at[j] = load_global(row + i, j * kRowLanes);
    use(i, widen(raw));
  }
  for (; i < count; i += kRowLanes)
    use(i, widen(RawPack<T, 1>{{load_global(row + i)}}));
}

// Computes a row with kRowLanes threads. All threads of the warp take part; the two rows of a warp
// have the same number of classes. The thread with the label's class gets the row's loss. other is
// a logit that can be read for any row. row_sums: of this row, or null; read: whether they are there
// already, which is so for all rows of a launch or for none.
template <class In, class Out>
NAMP_DEVICE void cross_entropy_row(const In* logits, const In* other, Out* gradient,
                                   int64_t classes, int64_t label, float weight, float* loss,
                                   float* row_sums, bool read) {
  const int64_t summed = read ? 0 : classes;
  float maximum = from_bits(0xff800000u);
  for_lane_of_row(logits, summed, [&](int64_t, const auto& x) {
#pragma unroll
    for (const float y : x.at)
      maximum = y > maximum ? y : maximum;
  });
  // The maximum ignores a NaN, but it makes the sum NaN.
  maximum = row_reduce(maximum, Maximum());
  float sum = 0.0f;
  for_lane_of_row(logits, summed, [&](int64_t, const auto& x) {
#pragma unroll
    for (const float y : x.at)
      sum += exp(y - maximum);
  });
  sum = row_reduce(sum, Plus());
  if (row_sums != nullptr) {
    if (read) {
      maximum = load(row_sums);
      sum = load(row_sums + 1);
    } else if (thread_index() % kRowLanes == 0) {
      store(maximum, row_sums);
      store(sum, row_sums + 1);
    }
  }
  // The thread with the label's class writes that gradient again, after the others.
  const bool has_label = label >= 0 && label % kRowLanes == thread_index() % kRowLanes;
  // All threads read it, so that none falls behind in the following loop.
  const float distance = load(has_label ? logits + label : other) - maximum;
  for_lane_of_row(logits, gradient == nullptr ? 0 : classes, [&](int64_t i, const auto& x) {
    const auto share = map([&](float y) { return exp(y - maximum) / sum * weight; }, x);
    const auto raw = narrow(share, ElementType<Out>());
#pragma unroll
    for (int j = 0; j < static_cast<int>(sizeof(x.at) / sizeof(float)); ++j)
      store_global(gradient + i, raw.at[j], j * kRowLanes);
  });
  if (!has_label) return;
  *loss = log(sum) - distance;
  if (gradient != nullptr) store((exp(distance) / sum - 1.0f) * weight, gradient + label);
}

// A row whose label is not a class: zeros if it is ignored, NaN if it is out of range.
template <class Out>
NAMP_DEVICE void fill_row(Out* gradient, int64_t classes, float value, float* loss) {
  const int lane = thread_index() % kRowLanes;
  if (lane == 0) *loss = value;
  if (gradient == nullptr) return;
  for (int64_t i = lane; i < classes; i += kRowLanes)
    store(value, gradient + i);
}

template <class In, class Out>
NAMP_DEVICE void cross_entropy_rows(const CrossEntropyArgs& args) {
  const namp_cross_entropy_args& call = args.call;
  constexpr int kRows = kLossThreads / kRowLanes;
  const int64_t padded = (call.rows + 1) / 2 * 2;  // both rows of a warp, for the exchanges
  const float weight = args.weight->weight;
  for (int64_t row = block_index() * kRows + thread_index() / kRowLanes; row < padded;
       row += block_count() * kRows) {
    const bool there = row < call.rows;
    // As a load of global memory. Otherwise the compiler would select between addresses, and keep
    // the other label in local memory for that.
    const int64_t label = there ? int64_t{load_global(call.labels + row)} : call.ignore_index;
    const bool ignored = label == call.ignore_index;
    const bool valid = !ignored && label >= 0 && label < call.classes;
    const In* logits = static_cast<const In*>(call.logits) + row * call.classes;
    Out* gradient =
        call.gradient == nullptr ? nullptr : static_cast<Out*>(call.gradient) + row * call.classes;
    float* loss = args.losses + row;
    // A row without a valid label takes part in the exchanges and writes nothing.
    cross_entropy_row(logits, static_cast<const In*>(call.logits), valid ? gradient : nullptr,
                      valid ? call.classes : 0, valid ? label : -1, weight, loss,
                      valid && call.row_sums != nullptr ? call.row_sums + 2 * row : nullptr,
                      call.row_sums != nullptr && call.gradient != nullptr);
    if (there && !valid) {
      fill_row(gradient, call.classes, ignored ? 0.0f : from_bits(0x7fc00000u), loss);
    }
  }
}

}  // namespace

// Counts the rows that are not ignored, and finds the first whose label is not a class. Runs as one
// block.
NAMP_KERNEL(kLossThreads) cross_entropy_weight_kernel(const CrossEntropyArgs args) {
  const namp_cross_entropy_args& call = args.call;
  uint64_t counted = 0;
  int64_t bad_row = call.rows;
  for (int64_t row = thread_index(); row < call.rows; row += kLossThreads) {
    const int32_t label = load_global(call.labels + row);
    counted += label != call.ignore_index ? 1 : 0;
    const bool bad = label != call.ignore_index && is_outside(label, call.classes);
    if (bad && row < bad_row) bad_row = row;
  }
  counted = block_reduce(counted, Plus());
  bad_row = block_reduce(bad_row, Minimum());
  if (thread_index() != 0) return;
  const bool has_bad_label = bad_row < call.rows;
  if (has_bad_label)
    tell(call.bad_label, NAMP_INDEX_LABEL, bad_row, call.labels[bad_row], call.classes);
  args.weight->has_bad_label = has_bad_label ? 1 : 0;
  const auto divisor = static_cast<int64_t>(counted);
  args.weight->divisor = divisor;
  args.weight->weight =
      loss_weight(call.upstream, call.scale, call.mean != 0 && divisor > 0 ? divisor : 1);
}

NAMP_KERNEL(kLossThreads) cross_entropy_kernel(const CrossEntropyArgs args) {
  const namp_cross_entropy_args& call = args.call;
  with_element(call.logits_dtype, [&](auto in_type) {
    with_element(call.gradient_dtype, [&](auto out_type) {
      cross_entropy_rows<typename decltype(in_type)::Type, typename decltype(out_type)::Type>(args);
    });
  });
  if (!is_last_block(args.ticket) || call.loss == nullptr) return;
  const double sum = sum_parts(
      0.0, call.rows, [&](int64_t row) { return load(args.losses + row); },
      [](float loss, int64_t) { return static_cast<double>(loss); });
  if (thread_index() != 0) return;
  *call.loss = args.weight->has_bad_label != 0
                   ? from_bits(uint32_t{NAMP_BAD_LABEL_LOSS})
                   : finish_loss(sum, call.mean != 0, args.weight->divisor);
}

NAMP_KERNEL(kLossThreads) mse_kernel(const MseArgs args) {
  const namp_mse_args& call = args.call;
  const bool mean = call.mean != 0;
  const float weight =
      loss_weight(call.upstream, call.scale, mean && call.count > 0 ? call.count : 1);
  const int64_t chunks = (call.count + kChunkElements - 1) / kChunkElements;
  for (int64_t chunk = block_index(); chunk < chunks; chunk += block_count()) {
    const int64_t begin = chunk * kChunkElements;
    const int64_t rest = call.count - begin;
    const int peel = choose_peel(access(call.prediction, call.prediction_dtype, begin),
                                 access(call.target, call.target_dtype, begin),
                                 access(call.gradient, call.gradient_dtype, begin));
    const auto minus = [](float x, float y) { return x - y; };
    const double sum = sum_squares_in_lanes<1>(
        static_cast<int>(rest < kChunkElements ? rest : kChunkElements), peel,
        [&](int i, auto part) {
          const auto x = load_as(call.prediction, call.prediction_dtype, begin + i, part);
          const auto y = load_as(call.target, call.target_dtype, begin + i, part);
          return map(minus, x, y);
        },
        [&](const auto& difference, int i, auto part, auto&& add) {
#pragma unroll
          for (int j = 0; j < part.count; ++j)
            add(j, difference.at[j]);
          if (call.gradient == nullptr) return;
          store_as(map([&](float d) { return d * 2.0f * weight; }, difference), call.gradient,
                   call.gradient_dtype, begin + i, part);
        });
    if (thread_index() == 0) args.sums[chunk] = sum;
  }
  if (!is_last_block(args.ticket) || call.loss == nullptr) return;
  const double sum = sum_parts(
      0.0, chunks, [&](int64_t chunk) { return load_global(args.sums + chunk); },
      [](double part, int64_t) { return part; });
  if (thread_index() == 0) *call.loss = finish_loss(sum, mean, call.count);
}

}  // namespace namp::cuda
