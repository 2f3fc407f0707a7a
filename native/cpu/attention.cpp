// Attention block by block (Dao et al., "FlashAttention", 2022; the softmax's running maximum and
// sum after Milakov and Gimelshein, 2018): only the scores of one block of queries and one block of
// keys are in memory.
#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
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
// blocks.
HWY_INLINE void mask_future(const Rows& scores, int64_t first_key, int64_t first_query,
                            int64_t keys) {
  for (int64_t j = 0; j < keys; ++j) {
    const int64_t hidden = std::clamp<int64_t>(first_key + j - first_query, 0, kBlock);
    std::fill_n(scores.row(j), hidden, -std::numeric_limits<float>::infinity());
  }
}

// e^x for an x that is positive only by rounding: exp (formulas/math.h) with fused multiply-adds as
// in the products around it, no subnormal results, and half the instructions. NaN gives NaN.
HWY_INLINE Lane exp_of_score(Lane x) {
  const LaneTag tag;
  const auto constant = [=](float value) NAMP_LANES { return hn::Set(tag, value); };
  const auto bounded = hn::Min(constant(88.0f), x.raw);  // a NaN passes as the second operand
  // Adding 1.5 * 2^23 rounds to an integer; with 127 more its low bits are the exponent of 2^n.
  const auto magic = constant(12582912.0f + 127.0f);
  const auto shifted = hn::MulAdd(bounded, constant(kLog2E), magic);
  const auto n = hn::Sub(shifted, magic);
  const auto r =
      hn::NegMulAdd(n, constant(kLn2Lower), hn::NegMulAdd(n, constant(kLn2Upper), bounded));
  auto p = hn::MulAdd(r, constant(kExp4), constant(kExp3));
  p = hn::MulAdd(r, p, constant(kExp2));
  p = hn::MulAdd(r, p, constant(kExp1));
  p = hn::MulAdd(r, p, constant(kExp0));
  const auto e = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), constant(1.0f));
  const auto power = hn::BitCast(tag, hn::ShiftLeft<23>(hn::BitCast(BitsTag(), shifted)));
  return Lane(hn::IfThenZeroElse(hn::Lt(x.raw, constant(-87.0f)), hn::Mul(e, power)));
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

// The offsets of a head's rows.
struct HeadOffsets {
  int64_t input;
  int64_t output;
  int64_t log_sum_exp;
};

HWY_INLINE HeadOffsets offsets_of(const namp_attention_args& args, int64_t head_index) {
  const int64_t batch = head_index / args.heads;
  const int64_t head = head_index % args.heads;
  return {batch * args.batch_stride + head * args.head_stride,
          batch * args.output_batch_stride + head * args.output_head_stride,
          head_index * args.time};
}

// The rows of a block of one head.
template <class T>
HWY_INLINE void prefetch_block(const namp_attention_args& args, const AttentionShape& shape,
                               const void* tensor, int64_t offset, int64_t stride, int64_t block) {
  prefetch_rows(static_cast<const T*>(tensor) + offset + block * kBlock * stride, stride,
                shape.block_count(block), args.head_dim);
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
  const T* query = static_cast<const T*>(args.query) + at.input;
  const Rows queries{scratch, kBlock};  // transposed: [head_dim, kBlock]
  const Rows output{queries.data + kBlock * shape.width, shape.width};
  const Rows scores{output.data + kBlock * shape.width, kBlock};
  float* const numbers = scores.data + kBlock * kBlock;
  const Running running{numbers, numbers + kBlock, numbers + 2 * kBlock};
  float* const buffer = numbers + 4 * kBlock;

  const int64_t head_dim = shape.head_dim;
  const int64_t first_query = block * kBlock;
  const int64_t count = shape.block_count(block);
  transpose_rows(queries, query + first_query * args.time_stride, args.time_stride, count, head_dim,
                 args.scale, buffer);
  const int64_t key_blocks = args.causal != 0 ? block + 1 : shape.blocks;
  for (int64_t key_block = 0; key_block < key_blocks; ++key_block) {
    const int64_t first_key = key_block * kBlock;
    const int64_t key_count = shape.block_count(key_block);
    const bool first = key_block == 0;
    const Rows keys{wide.keys.row(first_key), shape.width};
    const Rows values{wide.values.row(first_key), shape.width};
    product(scores, as_is(keys), queries, key_count, kBlock, head_dim, false);
    if (args.causal != 0 && key_block == block) {
      mask_future(scores, first_key, first_query, key_count);
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

// Zeros where a query may not see a key (or there is none). scores[query, key].
HWY_INLINE void zero_future(const Rows& scores, int64_t first_query, int64_t first_key,
                            int64_t queries) {
  for (int64_t i = 0; i < queries; ++i) {
    const int64_t seen = std::clamp<int64_t>(first_query + i + 1 - first_key, 0, kBlock);
    std::fill(scores.row(i) + seen, scores.row(i) + kBlock, 0.0f);
  }
}

// The gradients of one head: those of a block of keys and values are summed over the queries, those
// of the queries over the blocks of keys.
template <class T>
void attend_head_backward(const namp_attention_args& args, const AttentionShape& shape,
                          int64_t head_index, float* scratch) {
  const HeadOffsets at = offsets_of(args, head_index);
  const int64_t all = shape.blocks * kBlock;
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
  const Rows key_gradients = take(kBlock, width);
  const Rows value_gradients = take(kBlock, width);
  const Rows scores = take(kBlock, kBlock);
  const Rows score_gradients = take(kBlock, kBlock);
  float* const delta = take(all, 1).data;
  float* const buffer = take(kAttentionBufferRows, width).data;

  const int64_t stride = args.time_stride;
  const T* query = static_cast<const T*>(args.query) + at.input;
  const T* key = static_cast<const T*>(args.key) + at.input;
  const T* value = static_cast<const T*>(args.value) + at.input;
  const T* output = static_cast<const T*>(args.output) + at.output;
  const T* output_gradient = static_cast<const T*>(args.output_gradient) + at.output;
  const float* log_sum_exp = args.log_sum_exp + at.log_sum_exp;

  widen_rows(queries, query, stride, shape.time, head_dim);
  widen_rows(output_gradients, output_gradient, args.output_time_stride, shape.time, head_dim);
  for (int64_t i = 0; i < shape.time; ++i) {
    const float* gradient = output_gradients.row(i);
    Lane sum(0.0f);
    for_lanes(head_dim, [&](int64_t d, auto part) NAMP_LANES {
      sum = sum + load(output + i * args.output_time_stride + d, part) * load(gradient + d, part);
    });
    delta[i] = hn::GetLane(hn::SumOfLanes(LaneTag(), sum.raw));
  }

  const auto write = [&](void* gradient, const Rows& rows, int64_t first, int64_t count) {
    T* out = static_cast<T*>(gradient) + at.input + first * stride;
    for (int64_t r = 0; r < count; ++r) {
      map(
          out + r * stride, head_dim, [](Lane x) NAMP_LANES { return x; }, rows.row(r));
    }
  };

  for (int64_t key_block = 0; key_block < shape.blocks; ++key_block) {
    const int64_t first_key = key_block * kBlock;
    const int64_t key_count = shape.block_count(key_block);
    const T* key_rows = key + first_key * stride;
    widen_rows(keys, key_rows, stride, key_count, head_dim);
    transpose_rows(keys_transposed, key_rows, stride, key_count, head_dim, args.scale, buffer);
    transpose_rows(values_transposed, value + first_key * stride, stride, key_count, head_dim, 1.0f,
                   buffer);
    const int64_t first_block = args.causal != 0 ? key_block : 0;
    for (int64_t block = first_block; block < shape.blocks; ++block) {
      const int64_t first_query = block * kBlock;
      const int64_t count = shape.block_count(block);
      const Rows block_queries{queries.row(first_query), width};
      const Rows block_output_gradients{output_gradients.row(first_query), width};
      product(scores, as_is(block_queries), keys_transposed, count, kBlock, head_dim, false);
      product(score_gradients, as_is(block_output_gradients), values_transposed, count, kBlock,
              head_dim, false);
      scores_backward(scores, score_gradients, log_sum_exp + first_query, delta + first_query,
                      args.scale, count);
      if (args.causal != 0 && block == key_block) {
        zero_future(scores, first_query, first_key, count);
        zero_future(score_gradients, first_query, first_key, count);
      }
      const bool more = block > first_block;
      product(value_gradients, transposed(scores), block_output_gradients, key_count, head_dim,
              count, more);
      product(key_gradients, transposed(score_gradients), block_queries, key_count, head_dim, count,
              more);
      product({query_gradients.row(first_query), width}, as_is(score_gradients), keys, count,
              head_dim, key_count, key_block > 0);
    }
    write(args.key_gradient, key_gradients, first_key, key_count);
    write(args.value_gradient, value_gradients, first_key, key_count);
  }
  write(args.query_gradient, query_gradients, 0, shape.time);
}

// Blocks of queries first to last, counted over all heads, on one thread.
template <class T>
void attend_blocks(const namp_attention_args& args, const AttentionShape& shape, int64_t first,
                   int64_t last, float* scratch) {
  const int64_t stride = args.time_stride;
  const WideHead wide{{scratch, shape.width}, {scratch + shape.head_floats(), shape.width}};
  for (int64_t item = first; item < last; ++item) {
    const int64_t head = item / shape.blocks;
    const int64_t block = item % shape.blocks;
    const HeadOffsets at = offsets_of(args, head);
    if (item == first || block == 0) {
      const int64_t last_block = std::min(last, (head + 1) * shape.blocks) - head * shape.blocks;
      const int64_t seen =
          args.causal != 0 ? std::min(shape.time, last_block * kBlock) : shape.time;
      widen_rows(wide.keys, static_cast<const T*>(args.key) + at.input, stride, seen,
                 args.head_dim);
      widen_rows(wide.values, static_cast<const T*>(args.value) + at.input, stride, seen,
                 args.head_dim);
    }
    prefetch_block<T>(args, shape, args.output, at.output, args.output_time_stride, block);
    if ((head + 1) * shape.blocks < last) {
      const int64_t next = offsets_of(args, head + 1).input;
      for (const void* tensor : {args.query, args.key, args.value})
        prefetch_block<T>(args, shape, tensor, next, stride, block);
    }
    attend_block<T>(args, shape, head, block, wide, scratch + 2 * shape.head_floats());
  }
}

void attend(const namp_attention_args& args, int64_t first, int64_t last, float* scratch) {
  const AttentionShape shape(args);
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) HWY_ATTR {
    attend_blocks<typename decltype(element)::Type>(args, shape, first, last, scratch);
  });
}

// Heads first to last, on one thread.
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
NAMP_SIMD_TABLE(attend_backward);

void CpuBackend::attention_forward(const namp_attention_args& args, namp_stream stream) {
  const AttentionShape shape(args);
  const int64_t each = shape.forward_floats();
  auto* scratch = reinterpret_cast<float*>(worker_scratch(threads_.count(), each * 4, stream));
  threads_.split(args.batch * args.heads * shape.blocks,
                 [&](int64_t worker, int64_t begin, int64_t end) {
                   attend_by_simd(simd_)(args, begin, end, scratch + worker * each);
                 });
}

void CpuBackend::attention_backward(const namp_attention_args& args, namp_stream stream) {
  const AttentionShape shape(args);
  const int64_t each = shape.backward_floats();
  auto* scratch = reinterpret_cast<float*>(worker_scratch(threads_.count(), each * 4, stream));
  threads_.split(args.batch * args.heads, [&](int64_t worker, int64_t begin, int64_t end) {
    attend_backward_by_simd(simd_)(args, begin, end, scratch + worker * each);
  });
}

}  // namespace namp
#endif
