// Attention block by block (Dao et al., "FlashAttention", 2022; the softmax's running maximum and
// sum after Milakov and Gimelshein, 2018): only the scores of one block of queries and one block of
// keys are in memory.
#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/attention_few-inl.h"
#include "cpu/attention_rows-inl.h"
#include "cpu/loop-inl.h"
#include "formulas/math.h"

#include "cpu/attention.h"
#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

constexpr int64_t kBlock = kAttentionBlock;

// Scores of keys that a query may not see. scores[key, query], counted from the start of their
// blocks; the block's first query sees seen_by_first keys, each later one a key more.
HWY_INLINE void mask_future(const Rows& scores, int64_t first_key, int64_t seen_by_first,
                            int64_t keys) {
  for (int64_t j = 0; j < keys; ++j) {
    const int64_t hidden = std::clamp<int64_t>(first_key + j + 1 - seen_by_first, 0, kBlock);
    std::fill_n(scores.row(j), hidden, -std::numeric_limits<float>::infinity());
  }
}

// The running softmax of each query of a block.
struct Running {
  float* largest;
  float* sum;
  float* rescale;  // factor of earlier sums and outputs
};

// scores[key, query] become exp(score - largest); NaN stays NaN.
HWY_INLINE void soften(const Rows& scores, int64_t keys, const Running& running, bool first) {
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    const Lane before =
        first ? Lane(-std::numeric_limits<float>::infinity()) : load(running.largest + i);
    Lane largest = before;
    // A NaN may get lost here: its exponential below is still NaN.
    for (int64_t j = 0; j < keys; ++j)
      largest = Lane(hn::Max(load(scores.row(j) + i).raw, largest.raw));
    Lane sum(0.0f);
    for (int64_t j = 0; j < keys; ++j) {
      const Lane p = exp_of_score(load(scores.row(j) + i) - largest);
      sum = sum + p;
      store(p, scores.row(j) + i);
    }
    store(largest, running.largest + i);
    if (first) {
      store(sum, running.sum + i);
      continue;
    }
    const Lane rescale = exp_of_score(before - largest);
    store(rescale, running.rescale + i);
    store(load(running.sum + i) * rescale + sum, running.sum + i);
  }
}

// The rows of a block of one head; none behind its last block.
template <class T>
HWY_INLINE void prefetch_block(const void* tensor, int64_t offset, int64_t stride, int64_t block,
                               int64_t time, int64_t head_dim) {
  prefetch_rows(static_cast<const T*>(tensor) + offset + block * kBlock * stride, stride,
                std::min(kBlock, time - block * kBlock), head_dim);
}

// Keys and values of one head, widened.
struct WideHead {
  Rows keys;
  Rows values;
};

// The queries of one block of one head against all keys that they may see.
template <class T>
void attend_block(const namp_attention_args& args, const AttentionShape& shape, int64_t head_index,
                  int64_t block, const WideHead& wide, float* scratch) {
  const HeadOffsets at = offsets_of(args, head_index);
  const T* query = static_cast<const T*>(args.query) + at.query;
  const Rows queries{scratch, kBlock};  // transposed: [head_dim, kBlock]
  const Rows output{queries.data + kBlock * shape.width, shape.width};
  const Rows scores{output.data + kBlock * shape.width, kBlock};
  float* const numbers = scores.data + kBlock * kBlock;
  const Running running{numbers, numbers + kBlock, numbers + 2 * kBlock};
  float* const buffer = numbers + 4 * kBlock;

  const int64_t head_dim = shape.head_dim;
  const int64_t first_query = block * kBlock;
  const int64_t count = shape.queries_of(block);
  transpose_rows(queries, query + first_query * args.query_time_stride, args.query_time_stride,
                 count, head_dim, args.scale, buffer);
  const int64_t seen_by_first = shape.seen_by(first_query);
  const int64_t seen = shape.seen_by(first_query + count - 1);
  const int64_t key_blocks = AttentionShape::blocks_of(seen);
  for (int64_t key_block = 0; key_block < key_blocks; ++key_block) {
    const int64_t first_key = key_block * kBlock;
    // Rows that no query of the block sees may not be there: a weight of 0 does not undo a NaN.
    const int64_t key_count = std::min(kBlock, seen - first_key);
    const bool first = key_block == 0;
    const Rows keys{wide.keys.row(first_key), shape.width};
    const Rows values{wide.values.row(first_key), shape.width};
    product(scores, as_is(keys), queries, key_count, kBlock, head_dim, false);
    if (first_key + key_count > seen_by_first) {
      mask_future(scores, first_key, seen_by_first, key_count);
    }
    soften(scores, key_count, running, first);
    if (!first) {
      for (int64_t i = 0; i < count; ++i) {
        const Lane rescale(running.rescale[i]);
        map(
            output.row(i), shape.width, [=](Lane x) NAMP_LANES { return x * rescale; },
            output.row(i));
      }
    }
    product(output, transposed(scores), values, count, head_dim, key_count, !first);
  }

  T* const out = static_cast<T*>(args.output) + at.output;
  for (int64_t i = 0; i < count; ++i) {
    const Lane share(1.0f / running.sum[i]);
    map(
        out + (first_query + i) * args.output_time_stride, head_dim,
        [=](Lane x) NAMP_LANES { return x * share; }, output.row(i));
  }
  float* const log_sum_exp = args.log_sum_exp + at.log_sum_exp + first_query;
  for_lanes(count, [=](int64_t i, auto part) NAMP_LANES {
    store(load(running.largest + i, part) + log(load(running.sum + i, part)), log_sum_exp + i,
          part);
  });
}

// scores[query, key] become the probabilities, and gradients[query, key], of the probabilities,
// those of the scores: p (g - delta) scale, delta being the sum of output times output gradient.
HWY_INLINE void scores_backward(const Rows& scores, const Rows& gradients, const float* log_sum_exp,
                                const float* delta, float scale, int64_t queries) {
  for (int64_t i = 0; i < queries; ++i) {
    const Lane shift(log_sum_exp[i]);
    const Lane less(delta[i]);
    const Lane times(scale);
    float* const p = scores.row(i);
    float* const g = gradients.row(i);
    for (int64_t j = 0; j < kBlock; j += kLanes) {
      const Lane probability = exp_of_score(load(p + j) - shift);
      store(probability, p + j);
      store(probability * (load(g + j) - less) * times, g + j);
    }
  }
}

// Zeros where a query may not see a key (or there is none). scores[query, key]; the block's first query
// sees seen_by_first keys, each later one a key more.
HWY_INLINE void zero_future(const Rows& scores, int64_t first_key, int64_t seen_by_first,
                            int64_t queries) {
  for (int64_t i = 0; i < queries; ++i) {
    const int64_t seen = std::clamp<int64_t>(seen_by_first + i - first_key, 0, kBlock);
    std::fill(scores.row(i) + seen, scores.row(i) + kBlock, 0.0f);
  }
}

// The gradients of one head of keys and of the query heads that share it: those of a block of keys and
// values are summed over the queries, head after head, those of the queries over the blocks of keys.
template <class T>
void attend_head_backward(const namp_attention_args& args, const AttentionShape& shape,
                          int64_t key_head_index, float* scratch) {
  const int64_t time = shape.query_time;
  const int64_t all = shape.query_blocks * kBlock;
  const int64_t width = shape.width;
  const int64_t head_dim = shape.head_dim;
  float* next = scratch;
  const auto take = [&](int64_t rows, int64_t columns) {
    const Rows taken{next, columns};
    next += rows * columns;
    return taken;
  };
  const Rows queries = take(all, width);
  const Rows output_gradients = take(all, width);
  const Rows query_gradients = take(all, width);
  const Rows keys = take(kBlock, width);
  const Rows keys_transposed = take(width, kBlock);
  const Rows values_transposed = take(width, kBlock);
  const Rows all_key_gradients = take(shape.gradient_blocks() * kBlock, width);
  const Rows all_value_gradients = take(shape.gradient_blocks() * kBlock, width);
  const Rows scores = take(kBlock, kBlock);
  const Rows score_gradients = take(kBlock, kBlock);
  float* const delta = take(all, 1).data;
  float* const buffer = take(kAttentionBufferRows, width).data;

  const int64_t stride = args.key_time_stride;
  const auto write = [&](T* out, int64_t out_stride, const Rows& rows, int64_t count) {
    for (int64_t r = 0; r < count; ++r) {
      map(
          out + r * out_stride, head_dim, [](Lane x) NAMP_LANES { return x; }, rows.row(r));
    }
  };

  for (int64_t member = 0; member < shape.group; ++member) {
    const HeadOffsets at = offsets_of(args, key_head_index * shape.group + member);
    const bool last_member = member == shape.group - 1;
    const T* query = static_cast<const T*>(args.query) + at.query;
    const T* key = static_cast<const T*>(args.key) + at.key;
    const T* value = static_cast<const T*>(args.value) + at.key;
    const T* output = static_cast<const T*>(args.output) + at.output;
    const T* output_gradient = static_cast<const T*>(args.output_gradient) + at.output;
    const float* log_sum_exp = args.log_sum_exp + at.log_sum_exp;

    widen_rows(queries, query, args.query_time_stride, time, head_dim);
    widen_rows(output_gradients, output_gradient, args.output_time_stride, time, head_dim);
    for (int64_t i = 0; i < time; ++i) {
      const float* gradient = output_gradients.row(i);
      Lane sum(0.0f);
      for_lanes(head_dim, [&](int64_t d, auto part) NAMP_LANES {
        sum = sum + load(output + i * args.output_time_stride + d, part) * load(gradient + d, part);
      });
      delta[i] = hn::GetLane(hn::SumOfLanes(LaneTag(), sum.raw));
    }

    for (int64_t key_block = 0; key_block < shape.key_blocks; ++key_block) {
      const int64_t first_key = key_block * kBlock;
      const int64_t key_count = shape.keys_of(key_block);
      const int64_t gradient_row = shape.gradient_blocks() == 1 ? 0 : first_key;
      const Rows key_gradients{all_key_gradients.row(gradient_row), width};
      const Rows value_gradients{all_value_gradients.row(gradient_row), width};
      const T* key_rows = key + first_key * stride;
      widen_rows(keys, key_rows, stride, key_count, head_dim);
      transpose_rows(keys_transposed, key_rows, stride, key_count, head_dim, args.scale, buffer);
      transpose_rows(values_transposed, value + first_key * stride, stride, key_count, head_dim,
                     1.0f, buffer);
      if (shape.query_blocks == 0) {
        std::fill_n(key_gradients.data, kBlock * width, 0.0f);
        std::fill_n(value_gradients.data, kBlock * width, 0.0f);
      }
      const int64_t first_block = shape.block_seeing(first_key);
      for (int64_t block = first_block; block < shape.query_blocks; ++block) {
        const int64_t first_query = block * kBlock;
        const int64_t count = shape.queries_of(block);
        const Rows block_queries{queries.row(first_query), width};
        const Rows block_output_gradients{output_gradients.row(first_query), width};
        product(scores, as_is(block_queries), keys_transposed, count, kBlock, head_dim, false);
        product(score_gradients, as_is(block_output_gradients), values_transposed, count, kBlock,
                head_dim, false);
        scores_backward(scores, score_gradients, log_sum_exp + first_query, delta + first_query,
                        args.scale, count);
        const int64_t seen_by_first = shape.seen_by(first_query);
        if (seen_by_first < first_key + key_count) {
          zero_future(scores, first_key, seen_by_first, count);
          zero_future(score_gradients, first_key, seen_by_first, count);
        }
        const bool more = member > 0 || block > first_block;
        product(value_gradients, transposed(scores), block_output_gradients, key_count, head_dim,
                count, more);
        product(key_gradients, transposed(score_gradients), block_queries, key_count, head_dim,
                count, more);
        product({query_gradients.row(first_query), width}, as_is(score_gradients), keys, count,
                head_dim, key_count, key_block > 0);
      }
      if (!last_member) continue;
      const int64_t at_key = at.key + first_key * stride;
      write(static_cast<T*>(args.key_gradient) + at_key, stride, key_gradients, key_count);
      write(static_cast<T*>(args.value_gradient) + at_key, stride, value_gradients, key_count);
    }
    write(static_cast<T*>(args.query_gradient) + at.query, args.query_time_stride, query_gradients,
          time);
  }
}

// Blocks of queries first to last, counted over all heads, on one thread.
template <class T>
void attend_blocks(const namp_attention_args& args, const AttentionShape& shape, int64_t first,
                   int64_t last, float* scratch) {
  const int64_t stride = args.key_time_stride;
  const WideHead wide{{scratch, shape.width}, {scratch + shape.key_floats(), shape.width}};
  const int64_t blocks = shape.query_blocks;
  for (int64_t item = first; item < last; ++item) {
    const int64_t head = item / blocks;
    const int64_t block = item % blocks;
    const HeadOffsets at = offsets_of(args, head);
    if (item == first || block == 0) {
      const int64_t last_block = std::min(last, (head + 1) * blocks) - head * blocks;
      const int64_t seen = shape.seen_by(std::min(shape.query_time, last_block * kBlock) - 1);
      widen_rows(wide.keys, static_cast<const T*>(args.key) + at.key, stride, seen, args.head_dim);
      widen_rows(wide.values, static_cast<const T*>(args.value) + at.key, stride, seen,
                 args.head_dim);
    }
    prefetch_block<T>(args.output, at.output, args.output_time_stride, block, shape.query_time,
                      args.head_dim);
    if ((head + 1) * blocks < last) {
      const HeadOffsets next = offsets_of(args, head + 1);
      prefetch_block<T>(args.query, next.query, args.query_time_stride, block, shape.query_time,
                        args.head_dim);
      for (const void* tensor : {args.key, args.value}) {
        prefetch_block<T>(tensor, next.key, stride, block, shape.key_time, args.head_dim);
      }
    }
    attend_block<T>(args, shape, head, block, wide, scratch + 2 * shape.key_floats());
  }
}

void attend(const namp_attention_args& args, int64_t first, int64_t last, float* scratch) {
  const AttentionShape shape(args);
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) HWY_ATTR {
    attend_blocks<typename decltype(element)::Type>(args, shape, first, last, scratch);
  });
}

// Heads of keys first to last, on one thread.
void attend_few(const namp_attention_args& args, int64_t first, int64_t last, float* scratch) {
  const AttentionShape shape(args);
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) HWY_ATTR {
    for (int64_t head = first; head < last; ++head)
      attend_few_queries<typename decltype(element)::Type>(args, shape, head, scratch);
  });
}

// Heads of keys first to last, on one thread.
void attend_backward(const namp_attention_args& args, int64_t first, int64_t last, float* scratch) {
  const AttentionShape shape(args);
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    for (int64_t head = first; head < last; ++head) {
      attend_head_backward<T>(args, shape, head, scratch);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(attend);
NAMP_SIMD_TABLE(attend_few);
NAMP_SIMD_TABLE(attend_backward);

void CpuBackend::attention_forward(const namp_attention_args& args, namp_stream stream) {
  const AttentionShape shape(args);
  const bool few = shape.has_few_queries();
  const int64_t each = few ? shape.few_floats() : shape.forward_floats();
  const int64_t items = args.batch * (few ? args.key_heads : args.heads * shape.query_blocks);
  const auto attend = few ? attend_few_by_simd(simd_) : attend_by_simd(simd_);
  auto* scratch = reinterpret_cast<float*>(worker_scratch(threads_.count(), each * 4, stream));
  threads_.split(items, [&](int64_t worker, int64_t begin, int64_t end) {
    attend(args, begin, end, scratch + worker * each);
  });
}

void CpuBackend::attention_backward(const namp_attention_args& args, namp_stream stream) {
  const AttentionShape shape(args);
  const int64_t each = shape.backward_floats();
  auto* scratch = reinterpret_cast<float*>(worker_scratch(threads_.count(), each * 4, stream));
  threads_.split(args.batch * args.key_heads, [&](int64_t worker, int64_t begin, int64_t end) {
    attend_backward_by_simd(simd_)(args, begin, end, scratch + worker * each);
  });
}

}  // namespace namp
#endif
