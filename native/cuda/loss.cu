// Family 2: cross-entropy with scaled gradients, in one pass over the logits.
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

// A row is computed by a group of threads, a power of two of them, and has kPack lanes a thread: the sum
// of element i is lane i modulo their number, for any alignment of the row, and as on the CPU. A thread
// loads whole packs; the lanes of its elements are those of its packs.
struct RowGroup {
  int threads;
  int thread;
  NAMP_DEVICE int lanes() const { return threads * kPack; }
};

NAMP_DEVICE RowGroup group_of(int64_t classes) {
  const int threads = loss_lanes(classes) / kPack;
  return {threads, thread_index() % threads};
}

// A pack of a row of count elements; those that are not there are -infinity.
template <class T>
NAMP_DEVICE Pack<kPack> load_of_row(const T* row, int64_t begin, int64_t count) {
  if (begin >= 0 && begin + kPack <= count && is_aligned(row + begin))
    return widen_numbers(load_aligned(row + begin));
  Pack<kPack> x;
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    x.at[j] = begin + j >= 0 && begin + j < count ? load(row + begin + j) : from_bits(0xff800000u);
  return x;
}

// Calls use(begin, pack) for the thread's packs of a row in their order. The one before the first aligned
// element is the last thread's.
template <class T, class Use>
NAMP_DEVICE void for_packs_of_row(const T* row, int64_t count, int peel, const RowGroup& group,
                                  Use&& use) {
  const int64_t step = group.lanes();
  int64_t begin = peel + int64_t{group.thread} * kPack;
  if (group.thread == group.threads - 1 && peel > 0) begin -= step;
  for (; begin < count; begin += step)
    use(begin, load_of_row(row, begin, count));
}

// Reduces over a group, whose threads are neighbours: the upper half to the lower one until one is left.
// All threads of the block take part, and get their group's result.
template <class Op>
NAMP_DEVICE float group_reduce(float x, const RowGroup& group, Op op) {
  __shared__ float shared[kLossThreads];
  const int thread = thread_index();
  int width = group.threads / 2;
  for (; width >= kWarp; width /= 2) {
    barrier();  // what was there has been read
    shared[thread] = x;
    barrier();
    x = op(x, shared[thread ^ width]);
  }
  for (; width > 0; width /= 2)
    x = op(x, exchange(x, width));
  return x;
}

// The sum of a group's lanes, in halves; lane j of the thread's is its first lane + j.
NAMP_DEVICE float sum_of_lanes(const Pack<kPack>& sums, int peel, const RowGroup& group) {
  __shared__ float shared[kLossThreads * kPack];
  float* lanes = shared + (thread_index() - group.thread) * kPack;
  barrier();
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    lanes[(peel + group.thread * kPack + j) % group.lanes()] = sums.at[j];
  barrier();
  Pack<kPack> x;
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    x.at[j] = lanes[j * group.threads + group.thread];
#pragma unroll
  for (int width = kPack / 2; width > 0; width /= 2) {
#pragma unroll
    for (int j = 0; j < width; ++j)
      x.at[j] += x.at[j + width];
  }
  return group_reduce(x.at[0], group, Plus());
}

// Adds e^(x - base) of a row's elements, and finds its maximum. All threads of the block take part.
template <class In>
NAMP_DEVICE float sum_row(const In* logits, int64_t classes, int peel, const RowGroup& group,
                          float base, float& maximum) {
  Pack<kPack> sums{};
  float largest = from_bits(0xff800000u);
  for_packs_of_row(logits, classes, peel, group, [&](int64_t, const Pack<kPack>& x) {
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      largest = fmaxf(largest, x.at[j]);
      sums.at[j] += exp_of_distance(x.at[j] - base);
    }
  });
  maximum = group_reduce(largest, group, Maximum());
  return sum_of_lanes(sums, peel, group);
}

// The largest logit, and the sum of the exponentials of all less it.
struct RowSums {
  float maximum;
  float sum;
};

// In one pass over the row where the maximum of its beginning, an element a lane, is close to that of
// all. The maximum ignores a NaN, but it makes the sum NaN.
template <class In>
NAMP_DEVICE RowSums sums_of_row(const In* logits, int64_t classes, const RowGroup& group) {
  const int peel = choose_peel(access(logits));
  float base = from_bits(0xff800000u);
  const int64_t beginning = classes < group.lanes() ? classes : group.lanes();
  for_packs_of_row(logits, beginning, peel, group, [&](int64_t, const Pack<kPack>& x) {
#pragma unroll
    for (const float y : x.at)
      base = fmaxf(base, y);
  });
  base = group_reduce(base, group, Maximum());
  for (;;) {
    RowSums row;
    row.sum = sum_row(logits, classes, peel, group, base, row.maximum);
    // Only so where the block has one row: a smaller group has a lane for each class.
    if (is_far(row.maximum, base)) {
      base = row.maximum;
      continue;
    }
    row.sum = row.sum / exp_of_distance(row.maximum - base);
    return row;
  }
}

// The sum of a row's logits less the maximum, each times its class's weight. All threads of the block take
// part.
template <class In>
NAMP_DEVICE float sum_below(const In* logits, int64_t classes, const RowGroup& group, float maximum,
                            const float* weights) {
  const int peel = choose_peel(access(logits));
  Pack<kPack> sums{};
  for_packs_of_row(logits, classes, peel, group, [&](int64_t begin, const Pack<kPack>& x) {
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      const int64_t i = begin + j;
      if (i < 0 || i >= classes) continue;
      const float below = x.at[j] - maximum;
      sums.at[j] += weights == nullptr ? below : below * load(weights + i);
    }
  });
  return sum_of_lanes(sums, peel, group);
}

// Computes a row. All threads of the block take part, and their rows have the same number of classes.
// row_sums: of this row, or null; read: whether they are there already, which is so for all rows of a
// launch or for none. kWeighted: with class weights or label smoothing.
template <bool kWeighted, class In, class Out>
NAMP_DEVICE void cross_entropy_row(const CrossEntropyArgs& args, const In* logits, Out* gradient,
                                   int64_t classes, int64_t label, const RowGroup& group,
                                   float weight, float* loss, float* row_sums, bool read) {
  const namp_cross_entropy_args& call = args.call;
  RowSums row{};
  if (!read) {
    row = sums_of_row(logits, classes, group);
    if (row_sums != nullptr && group.thread == 0) {
      store(row.maximum, row_sums);
      store(row.sum, row_sums + 1);
    }
  } else if (row_sums != nullptr) {
    row = {load(row_sums), load(row_sums + 1)};
  }
  float label_weight = 1.0f;
  RowShares shares{1.0f, 0.0f, 1.0f};
  float below = 0.0f;
  if constexpr (kWeighted) {
    if (label >= 0 && call.class_weights != nullptr)
      label_weight = load(call.class_weights + label);
    shares = row_shares(call.label_smoothing, call.classes, label_weight, args.weight->weight_sum);
    if (call.label_smoothing > 0.0f && call.loss != nullptr)
      below = sum_below(logits, classes, group, row.maximum, call.class_weights);
  }
  const float distance = label < 0 ? 0.0f : load(logits + label) - row.maximum;
  if (label >= 0 && group.thread == 0) *loss = row_loss(shares, log(row.sum), distance, below);
  if (gradient == nullptr) return;
  barrier();  // the gradient may be the logits
  const float share = weight * shares.all / row.sum;
  const float each = weight * shares.each;
  const float of_label =
      label_gradient(shares, exp_of_distance(distance) / row.sum, label_weight, weight);
  const int peel = choose_peel(access(logits), access(gradient));
  for_packs(label < 0 ? 0 : classes, peel, group.thread, group.threads, [&](int64_t i, auto part) {
    auto x = map([&](float y) { return exp_of_distance(y - row.maximum) * share; },
                 load(logits + i, part));
    if constexpr (kWeighted) {
      if (call.label_smoothing > 0.0f) {
#pragma unroll
        for (int j = 0; j < part.count; ++j)
          x.at[j] -= load_or(call.class_weights, i + j, 1.0f) * each;
      }
    }
    if (label >= i && label < i + part.count) {
#pragma unroll
      for (int j = 0; j < part.count; ++j)
        x.at[j] = i + j == label ? of_label : x.at[j];
    }
    store(x, gradient + i, part);
  });
}

// Writes a value to elements of a row, or nothing to null.
template <class Out>
NAMP_DEVICE void fill(Out* row, int64_t begin, int64_t end, const RowGroup& group, float value) {
  if (row == nullptr) return;
  for (int64_t i = begin + group.thread; i < end; i += group.threads)
    store(value, row + i);
}

// Zeros behind the classes of the block's rows. In a loop of its own, whose registers nobody waits for.
template <class Out>
NAMP_DEVICE void fill_row_ends(const namp_cross_entropy_args& call, const RowGroup& group) {
  if (call.gradient == nullptr || call.row_stride == call.classes) return;
  const int rows = kLossThreads / group.threads;
  for (int64_t first = block_index() * rows; first < call.rows; first += block_count() * rows) {
    const int64_t row = first + thread_index() / group.threads;
    if (row < call.rows)
      fill(static_cast<Out*>(call.gradient) + row * call.row_stride, call.classes, call.row_stride,
           group, 0.0f);
  }
}

template <bool kWeighted, class In, class Out>
NAMP_DEVICE void cross_entropy_rows(const CrossEntropyArgs& args) {
  const namp_cross_entropy_args& call = args.call;
  const RowGroup group = group_of(call.classes);
  const int rows = kLossThreads / group.threads;
  const float weight = args.weight->weight;
  fill_row_ends<Out>(call, group);
  // All groups of a block stay together, for the barriers.
  for (int64_t first = block_index() * rows; first < call.rows; first += block_count() * rows) {
    const int64_t row = first + thread_index() / group.threads;
    const bool there = row < call.rows;
    // As a load of global memory. Otherwise the compiler would select between addresses, and keep
    // the other label in local memory for that.
    const int64_t label = there ? int64_t{load_global(call.labels + row)} : call.ignore_index;
    const bool ignored = label == call.ignore_index;
    const bool valid = !ignored && label >= 0 && label < call.classes;
    // A row whose label is not a class: zeros if it is ignored, NaN if it is out of range.
    const float invalid = ignored ? 0.0f : from_bits(0x7fc00000u);
    const In* logits = static_cast<const In*>(call.logits) + row * call.row_stride;
    Out* gradient = call.gradient == nullptr
                        ? nullptr
                        : static_cast<Out*>(call.gradient) + row * call.row_stride;
    float* loss = args.losses + row;
    // A row without a valid label waits with the others and writes nothing.
    cross_entropy_row<kWeighted>(
        args, logits, gradient, valid ? call.classes : 0, valid ? label : -1, group, weight, loss,
        valid && call.row_sums != nullptr ? call.row_sums + 2 * row : nullptr,
        call.row_sums != nullptr && call.gradient != nullptr);
    if (there && !valid) {
      if (group.thread == 0) *loss = invalid;
      fill(gradient, 0, call.classes, group, invalid);
    }
  }
}

template <bool kWeighted>
NAMP_DEVICE void cross_entropy(const CrossEntropyArgs& args) {
  const namp_cross_entropy_args& call = args.call;
  with_element(call.logits_dtype, [&](auto in_type) {
    with_element(call.gradient_dtype, [&](auto out_type) {
      cross_entropy_rows<kWeighted, typename decltype(in_type)::Type,
                         typename decltype(out_type)::Type>(args);
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

}  // namespace

// Adds up the weights of the rows that are not ignored, 1 each without class weights, and finds the first
// whose label is not a class. Runs as one block.
NAMP_KERNEL(kLossThreads, 1) cross_entropy_weight_kernel(const CrossEntropyArgs args) {
  const namp_cross_entropy_args& call = args.call;
  int64_t bad_row = call.rows;
  const double divisor = sum_parts(
      0.0, call.rows, [&](int64_t row) { return load_global(call.labels + row); },
      [&](int32_t label, int64_t row) {
        if (label == call.ignore_index) return 0.0;
        const bool bad = is_outside(label, call.classes);
        if (bad && row < bad_row) bad_row = row;
        if (call.class_weights == nullptr) return 1.0;
        return bad ? 0.0 : static_cast<double>(load(call.class_weights + label));
      });
  bad_row = block_reduce(bad_row, Minimum());
  auto weight_sum = static_cast<float>(call.classes);
  if (call.class_weights != nullptr) {
    weight_sum = static_cast<float>(sum_parts(
        0.0, call.classes, [&](int64_t i) { return load(call.class_weights + i); },
        [](float weight, int64_t) { return static_cast<double>(weight); }));
  }
  if (thread_index() != 0) return;
  const bool has_bad_label = bad_row < call.rows;
  if (has_bad_label)
    tell(call.bad_label, NAMP_INDEX_LABEL, bad_row, call.labels[bad_row], call.classes);
  args.weight->has_bad_label = has_bad_label ? 1 : 0;
  args.weight->divisor = divisor;
  args.weight->weight_sum = weight_sum;
  args.weight->weight = loss_weight(call.upstream, call.scale, call.mean != 0, divisor);
}

NAMP_KERNEL(kLossThreads) cross_entropy_kernel(const CrossEntropyArgs args) {
  cross_entropy<false>(args);
}

NAMP_KERNEL(kLossThreads, 4) cross_entropy_weighted_kernel(const CrossEntropyArgs args) {
  cross_entropy<true>(args);
}

}  // namespace namp::cuda
