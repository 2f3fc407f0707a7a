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

// Calls use(pack) for the thread's packs of a row in their order. The one before the first aligned
// element is the last thread's.
template <class T, class Use>
NAMP_DEVICE void for_packs_of_row(const T* row, int64_t count, int peel, const RowGroup& group,
                                  Use&& use) {
  const int64_t step = group.lanes();
  int64_t begin = peel + int64_t{group.thread} * kPack;
  if (group.thread == group.threads - 1 && peel > 0) begin -= step;
  for (; begin < count; begin += step)
    use(load_of_row(row, begin, count));
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
  for_packs_of_row(logits, classes, peel, group, [&](const Pack<kPack>& x) {
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
  for_packs_of_row(logits, beginning, peel, group, [&](const Pack<kPack>& x) {
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

// Computes a row. All threads of the block take part, and their rows have the same number of classes.
// row_sums: of this row, or null; read: whether they are there already, which is so for all rows of a
// launch or for none.
template <class In, class Out>
NAMP_DEVICE void cross_entropy_row(const In* logits, Out* gradient, int64_t classes, int64_t label,
                                   const RowGroup& group, float weight, float* loss,
                                   float* row_sums, bool read) {
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
  const float distance = label < 0 ? 0.0f : load(logits + label) - row.maximum;
  if (label >= 0 && group.thread == 0) *loss = log(row.sum) - distance;
  if (gradient == nullptr) return;
  barrier();  // the gradient may be the logits
  const float share = weight / row.sum;
  const float of_label = (exp_of_distance(distance) / row.sum - 1.0f) * weight;
  const int peel = choose_peel(access(logits), access(gradient));
  for_packs(label < 0 ? 0 : classes, peel, group.thread, group.threads, [&](int64_t i, auto part) {
    auto x = map([&](float y) { return exp_of_distance(y - row.maximum) * share; },
                 load(logits + i, part));
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

template <class In, class Out>
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
    cross_entropy_row(logits, gradient, valid ? call.classes : 0, valid ? label : -1, group, weight,
                      loss, valid && call.row_sums != nullptr ? call.row_sums + 2 * row : nullptr,
                      call.row_sums != nullptr && call.gradient != nullptr);
    if (there && !valid) {
      if (group.thread == 0) *loss = invalid;
      fill(gradient, 0, call.classes, group, invalid);
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
