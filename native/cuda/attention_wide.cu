// Attention of heads that are too wide for a tile of attention.cu: a query or a key a warp, in the
// same three passes, any number of dimensions.
//
// A lane has a key (or query) of a tile of 32 when scores are made, and dimensions d, d + 32, …
// when vectors are added up. Heads wider than kSpan are done a span of dimensions at a time.
#include "cuda/platform.cuh"

#include "cuda/attention_kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "formulas/math.h"

namespace namp::cuda {
namespace {

constexpr int kOwn = 4;              // dimensions of a lane at a time
constexpr int kSpan = kOwn * kWarp;  // dimensions of a warp at a time
constexpr int kBlocks = 4;           // of a multiprocessor: 128 registers a thread

// Where vectors of one batch and head lie.
struct Head {
  const namp_attention_args& call;
  int64_t first_query;
  int64_t first_key;
  int64_t first_out;

  NAMP_DEVICE Head(const namp_attention_args& c, int64_t index) : call(c) {
    const int64_t batch = index / c.heads;
    const int64_t head = index % c.heads;
    const int64_t key_head = head / (c.heads / c.key_heads);
    first_query = batch * c.query_batch_stride + head * c.query_head_stride;
    first_key = batch * c.key_batch_stride + key_head * c.key_head_stride;
    first_out = batch * c.output_batch_stride + head * c.output_head_stride;
  }

  // The first element of the vector at a time: of query and its gradient; of key, value and their
  // gradients; of the output and its gradient.
  NAMP_DEVICE int64_t query(int64_t time) const {
    return first_query + time * call.query_time_stride;
  }
  NAMP_DEVICE int64_t key(int64_t time) const { return first_key + time * call.key_time_stride; }
  NAMP_DEVICE int64_t out(int64_t time) const { return first_out + time * call.output_time_stride; }
};

NAMP_DEVICE float dot(const namp_attention_args& call, const void* a, int64_t a_at, const void* b,
                      int64_t b_at) {
  float sum = 0.0f;
  for (int64_t d = 0; d < call.head_dim; ++d) {
    sum = multiply_add(load_as(a, call.dtype, a_at + d), load_as(b, call.dtype, b_at + d), sum);
  }
  return sum;
}

NAMP_DEVICE float broadcast(float x, int lane) { return from_bits(shuffle_from(bits(x), lane)); }

// This lane's dimensions of a vector, from the span's first on.
struct Part {
  float at[kOwn] = {};

  NAMP_DEVICE void scale(float factor) {
#pragma unroll
    for (int j = 0; j < kOwn; ++j)
      at[j] *= factor;
  }
  // Adds weight times the vector that begins at this element.
  NAMP_DEVICE void add(float weight, const namp_attention_args& call, const void* vector,
                       int64_t first, int64_t span, int lane) {
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      const int64_t d = span + j * kWarp + lane;
      if (d < call.head_dim) {
        at[j] = multiply_add(weight, load_as(vector, call.dtype, first + d), at[j]);
      }
    }
  }
  NAMP_DEVICE void store_to(const namp_attention_args& call, void* vector, int64_t first,
                            int64_t span, int lane) const {
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      const int64_t d = span + j * kWarp + lane;
      if (d < call.head_dim) store_as(at[j], vector, call.dtype, first + d);
    }
  }
};

// The keys that a query sees: the first ones. The last query sees all.
NAMP_DEVICE int64_t keys_of(const namp_attention_args& call, int64_t query) {
  return call.causal != 0 ? query + 1 + call.key_time - call.query_time : call.key_time;
}

}  // namespace

NAMP_KERNEL(kAttentionThreads, kBlocks) attention_forward_wide_kernel(const AttentionArgs args) {
  const namp_attention_args& call = args.call;
  for_warp_rows(args.count, [&](int64_t i, int lane) {
    const int64_t row = args.first + i;
    const Head head(call, row / call.query_time);
    const int64_t query = row % call.query_time;
    const int64_t keys = keys_of(call, query);
    for (int64_t span = 0; span < call.head_dim; span += kSpan) {
      float maximum = from_bits(0xff800000u);
      float sum = 0.0f;
      Part output;
      for (int64_t first = 0; first < keys; first += kWarp) {
        const int64_t key = first + lane;
        float score = from_bits(0xff800000u);
        if (key < keys) {
          score = dot(call, call.query, head.query(query), call.key, head.key(key)) * call.scale;
        }
        const float tile_maximum = warp_reduce(score, Maximum());
        const float grown = tile_maximum > maximum ? tile_maximum : maximum;
        // Of nothing but -infinity there is no maximum to subtract.
        const float base = grown == from_bits(0xff800000u) ? 0.0f : grown;
        const float share = key < keys ? exp(score - base) : 0.0f;
        const float kept = exp(maximum - base);
        sum = sum * kept + warp_reduce(share, Plus());
        output.scale(kept);
        maximum = grown;
        for (int j = 0; j < kWarp && first + j < keys; ++j)
          output.add(broadcast(share, j), call, call.value, head.key(first + j), span, lane);
      }
      output.scale(1.0f / sum);
      output.store_to(call, call.output, head.out(query), span, lane);
      if (span == 0 && lane == 0 && call.log_sum_exp != nullptr) {
        store((maximum == from_bits(0xff800000u) ? 0.0f : maximum) + log(sum),
              call.log_sum_exp + row);
      }
    }
  });
}

// The gradients of queries, and what each query's row of scores has in common for the next pass.
NAMP_KERNEL(kAttentionThreads, kBlocks) attention_queries_wide_kernel(const AttentionArgs args) {
  const namp_attention_args& call = args.call;
  for_warp_rows(args.count, [&](int64_t i, int lane) {
    const int64_t row = args.first + i;
    const Head head(call, row / call.query_time);
    const int64_t query = row % call.query_time;
    const int64_t keys = keys_of(call, query);
    float delta = 0.0f;
    for (int64_t d = lane; d < call.head_dim; d += kWarp) {
      const int64_t at = head.out(query) + d;
      delta += load_as(call.output, call.dtype, at) * load_as(call.output_gradient, call.dtype, at);
    }
    delta = warp_reduce(delta, Plus());
    const float log_sum = load(call.log_sum_exp + row);
    if (lane == 0) store(delta, args.deltas + row);
    for (int64_t span = 0; span < call.head_dim; span += kSpan) {
      Part gradient;
      for (int64_t first = 0; first < keys; first += kWarp) {
        const int64_t key = first + lane;
        float slope = 0.0f;
        if (key < keys) {
          const float score =
              dot(call, call.query, head.query(query), call.key, head.key(key)) * call.scale;
          const float upstream =
              dot(call, call.output_gradient, head.out(query), call.value, head.key(key));
          slope = exp(score - log_sum) * (upstream - delta) * call.scale;
        }
        for (int j = 0; j < kWarp && first + j < keys; ++j)
          gradient.add(broadcast(slope, j), call, call.key, head.key(first + j), span, lane);
      }
      gradient.store_to(call, call.query_gradient, head.query(query), span, lane);
    }
  });
}

// The gradients of keys and values.
NAMP_KERNEL(kAttentionThreads, kBlocks) attention_keys_wide_kernel(const AttentionArgs args) {
  const namp_attention_args& call = args.call;
  for_warp_rows(args.count, [&](int64_t i, int lane) {
    const int64_t row = args.first + i;
    const int64_t index = row / call.key_time;  // batch * key_heads + key head
    const int64_t key = row % call.key_time;
    const int64_t sharing = call.heads / call.key_heads;
    // The first query that sees the key.
    const int64_t seeing = key - (call.key_time - call.query_time);
    const int64_t start = call.causal != 0 && seeing > 0 ? seeing / kWarp * kWarp : 0;
    const int64_t tiles = (call.query_time - start + kWarp - 1) / kWarp;  // of a head
    for (int64_t span = 0; span < call.head_dim; span += kSpan) {
      Part key_gradient;
      Part value_gradient;
      for (int64_t tile = 0; tile < sharing * tiles; ++tile) {
        const int64_t query_head = index * sharing + tile / tiles;
        const Head head(call, query_head);
        const int64_t rows = query_head * call.query_time;  // of the head's first query
        const int64_t first = start + tile % tiles * kWarp;
        const int64_t query = first + lane;
        float share = 0.0f;
        float slope = 0.0f;
        if (query < call.query_time && key < keys_of(call, query)) {
          const float score =
              dot(call, call.query, head.query(query), call.key, head.key(key)) * call.scale;
          const float upstream =
              dot(call, call.output_gradient, head.out(query), call.value, head.key(key));
          share = exp(score - load(call.log_sum_exp + rows + query));
          slope = share * (upstream - load(args.deltas + rows + query)) * call.scale;
        }
        for (int j = 0; j < kWarp && first + j < call.query_time; ++j) {
          value_gradient.add(broadcast(share, j), call, call.output_gradient, head.out(first + j),
                             span, lane);
          key_gradient.add(broadcast(slope, j), call, call.query, head.query(first + j), span,
                           lane);
        }
      }
      const int64_t at = Head(call, index * sharing).key(key);
      key_gradient.store_to(call, call.key_gradient, at, span, lane);
      value_gradient.store_to(call, call.value_gradient, at, span, lane);
    }
  });
}

}  // namespace namp::cuda
