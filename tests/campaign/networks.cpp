// Calls of the operators of networks.
#include <algorithm>
#include <cmath>
#include <utility>

#include "call.h"
#include "windows.h"

namespace namp_campaign {
namespace {

void gemm(Call& c) {
  auto& a = c.args<namp_gemm_args>();
  c.choice(a.transpose_a, {0, 1});
  c.choice(a.transpose_b, {0, 1});
  const int32_t dtype = c.random.of<int32_t>({NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16});
  a.a_dtype = a.b_dtype = dtype;
  a.c_dtype = c.random.of<int32_t>({dtype, NAMP_FLOAT32});
  for (int32_t* field : {&a.a_dtype, &a.b_dtype, &a.c_dtype})
    c.spoil_choice(*field);
  c.size(a.m, c.small(20));
  c.size(a.n, c.small(20));
  c.size(a.k, c.small(20));
  c.size(a.batch, c.random.between(0, 3));
  const int64_t batch = std::max<int64_t>(1, a.batch);
  const auto matrix = [&](auto*& field, int32_t of, int64_t rows, int64_t columns, int64_t& leading,
                          int64_t& stride, bool shared) {
    c.size(leading, columns + c.random.below(3));
    // Number of elements from the first to the last.
    const int64_t extent = rows == 0 || columns == 0 ? 0 : (rows - 1) * leading + columns;
    c.size(stride, shared && c.random.one_in(3) ? 0 : extent + c.random.below(3) + 1);
    c.tensor(field, of, extent == 0 ? 0 : (batch - 1) * stride + extent);
  };
  matrix(a.a, dtype, a.transpose_a ? a.k : a.m, a.transpose_a ? a.m : a.k, a.lda, a.stride_a, true);
  matrix(a.b, dtype, a.transpose_b ? a.n : a.k, a.transpose_b ? a.k : a.n, a.ldb, a.stride_b, true);
  matrix(a.c, a.c_dtype, a.m, a.n, a.ldc, a.stride_c, false);
  c.float_dtype(a.bias_dtype, false);
  c.tensor(a.bias, a.bias_dtype, a.n, false);
  a.alpha = c.random.of({0.0f, 1.0f, -2.5f, NAN});
  a.beta = c.random.of({0.0f, 1.0f, INFINITY});
  c.choice(a.activation, {NAMP_ACTIVATION_NONE, NAMP_ACTIVATION_RELU, NAMP_ACTIVATION_GELU,
                          NAMP_ACTIVATION_GELU_TANH});
  if (a.m > 0 && a.n > 0 && c.random.one_in(3)) {
    const int64_t elements = (batch - 1) * a.stride_c + (a.m - 1) * a.ldc + a.n;
    a.pre_activation = c.elements(a.c_dtype, elements);
    c.wrong([&a] {
      a.pre_activation = a.c;
      return a.c != nullptr;
    });
  }
  c.make("namp_gemm", [&c, &a] { return namp_gemm(c.device, &a, nullptr); });
}

void convolution(Call& c, int pass) {
  auto& a = c.args<namp_conv2d_args>();
  const int32_t dtype = c.float_dtype(a.dtype);
  const Convolution sizes = draw_convolution(c, a);
  a.weight_gradient_dtype = c.random.of<int32_t>({dtype, NAMP_FLOAT32});
  a.bias_gradient_dtype = c.random.of<int32_t>({dtype, NAMP_FLOAT32});
  // Used only in one pass; the second if there is such a gradient.
  if (pass != 2) c.spoil_choice(a.weight_gradient_dtype, false);
  c.spoil_choice(a.bias_gradient_dtype, false);
  if (pass != 1) c.tensor(a.input, dtype, sizes.inputs);
  if (pass != 2) c.tensor(a.weight, dtype, sizes.weights);
  if (pass == 0) {
    c.tensor(a.bias, dtype, a.out_channels, false);
    c.tensor(a.output, dtype, sizes.outputs);
    c.make("namp_conv2d_forward", [&] { return namp_conv2d_forward(c.device, &a, nullptr); });
    return;
  }
  c.tensor(a.output_gradient, dtype, sizes.outputs);
  if (pass == 1) {
    c.tensor(a.input_gradient, dtype, sizes.inputs);
    c.make("namp_conv2d_backward_data",
           [&] { return namp_conv2d_backward_data(c.device, &a, nullptr); });
    return;
  }
  c.spoil_choice(a.weight_gradient_dtype);
  c.tensor(a.weight_gradient, a.weight_gradient_dtype, sizes.weights);
  c.tensor(a.bias_gradient, a.bias_gradient_dtype, a.out_channels, false);
  c.make("namp_conv2d_backward_weights",
         [&] { return namp_conv2d_backward_weights(c.device, &a, nullptr); });
}

void pool(Call& c, bool backward) {
  auto& a = c.args<namp_pool2d_args>();
  const int32_t dtype = c.float_dtype(a.dtype);
  c.choice(a.pooling, {NAMP_POOL_MAX, NAMP_POOL_AVERAGE});
  const Window h = draw_window(c, false, 5), w = draw_window(c, false, 5);
  c.size(a.planes, c.small(12));
  take_windows(c, a, h, w);
  const int64_t inputs = a.planes * h.in * w.in;
  const int64_t outputs = a.planes * h.out * w.out;
  const bool max = a.pooling == NAMP_POOL_MAX;
  if (!backward) {
    c.tensor(a.input, dtype, inputs);
    c.tensor(a.output, dtype, outputs);
    if (max) c.tensor(a.indices, NAMP_UINT8, outputs, false);
    c.make("namp_pool2d_forward", [&] { return namp_pool2d_forward(c.device, &a, nullptr); });
    return;
  }
  c.tensor(a.output_gradient, dtype, outputs);
  c.tensor(a.input_gradient, dtype, inputs);
  if (max) c.tensor(a.indices, NAMP_UINT8, outputs);
  // Positions in the window of existing elements.
  for (int64_t i = 0; a.indices != nullptr && i < outputs; ++i) {
    const int64_t y = i / w.out % h.out, x = i % w.out;
    const int64_t dy = std::max<int64_t>(0, h.pad - y * h.stride);
    const int64_t dx = std::max<int64_t>(0, w.pad - x * w.stride);
    a.indices[i] = static_cast<uint8_t>(dy * w.kernel + dx);
  }
  c.make("namp_pool2d_backward", [&] { return namp_pool2d_backward(c.device, &a, nullptr); });
}

void activation(Call& c, bool backward) {
  auto& a = c.args<namp_activation_args>();
  c.choice(a.activation, {NAMP_ACTIVATION_NONE, NAMP_ACTIVATION_RELU, NAMP_ACTIVATION_GELU,
                          NAMP_ACTIVATION_GELU_TANH, NAMP_ACTIVATION_SILU, NAMP_ACTIVATION_SIGMOID,
                          NAMP_ACTIVATION_TANH});
  const int32_t dtype = c.float_dtype(a.dtype);
  c.size(a.count, c.small(300));
  if (!backward) {
    c.tensor(a.input, dtype, a.count);
    c.tensor(a.output, dtype, a.count);
    c.make("namp_activation_forward",
           [&] { return namp_activation_forward(c.device, &a, nullptr); });
    return;
  }
  const bool by_output = a.activation == NAMP_ACTIVATION_RELU ||
                         a.activation == NAMP_ACTIVATION_SIGMOID ||
                         a.activation == NAMP_ACTIVATION_TANH;
  // An invalid activation is refused with either of the two.
  if (by_output) c.tensor(a.output, dtype, a.count);
  if (!by_output && a.activation != NAMP_ACTIVATION_NONE) c.tensor(a.input, dtype, a.count);
  c.tensor(a.output_gradient, dtype, a.count);
  c.tensor(a.input_gradient, dtype, a.count);
  c.make("namp_activation_backward",
         [&] { return namp_activation_backward(c.device, &a, nullptr); });
}

void spoil_epsilon(Call& c, float& epsilon) {
  epsilon = c.random.of({0.0f, 1e-5f, 1.0f});
  c.wrong([&c, &epsilon] {
    epsilon = c.random.of({-1.0f, NAN, INFINITY});
    return true;
  });
}

void layer_norm(Call& c, bool backward) {
  auto& a = c.args<namp_layer_norm_args>();
  const int32_t in = c.float_dtype(a.input_dtype), out = c.float_dtype(a.output_dtype);
  spoil_epsilon(c, a.epsilon);
  c.size(a.rows, c.small(12));
  c.size(a.width, c.random.between(1, 70));
  const int64_t count = a.rows * a.width;
  c.tensor(a.gamma, NAMP_FLOAT32, a.width, false);
  c.tensor(a.inverse_deviation, NAMP_FLOAT32, a.rows);
  const bool kept = c.random.one_in(3) && count > 0;
  if (kept) {
    a.normalized = c.elements(out, count);
  } else {
    c.tensor(a.mean, NAMP_FLOAT32, a.rows);
  }
  if (!backward) {
    c.tensor(a.input, in, count);
    c.tensor(a.beta, NAMP_FLOAT32, a.width, false);
    c.tensor(a.output, out, count);
    c.make("namp_layer_norm_forward",
           [&] { return namp_layer_norm_forward(c.device, &a, nullptr); });
    return;
  }
  if (!kept) c.tensor(a.input, in, count);
  c.tensor(a.output_gradient, out, count);
  c.tensor(a.input_gradient, in, count);
  c.tensor(a.gamma_gradient, NAMP_FLOAT32, a.width, false);
  c.tensor(a.beta_gradient, NAMP_FLOAT32, a.width, false);
  c.make("namp_layer_norm_backward",
         [&] { return namp_layer_norm_backward(c.device, &a, nullptr); });
}

void rms_norm(Call& c, bool backward) {
  auto& a = c.args<namp_rms_norm_args>();
  const int32_t in = c.float_dtype(a.input_dtype), out = c.float_dtype(a.output_dtype);
  spoil_epsilon(c, a.epsilon);
  c.size(a.rows, c.small(12));
  c.size(a.width, c.random.between(1, 70));
  const int64_t count = a.rows * a.width;
  c.tensor(a.input, in, count);
  c.tensor(a.gamma, NAMP_FLOAT32, a.width, false);
  c.tensor(a.inverse_rms, NAMP_FLOAT32, a.rows);
  if (!backward) {
    c.tensor(a.output, out, count);
    c.make("namp_rms_norm_forward", [&] { return namp_rms_norm_forward(c.device, &a, nullptr); });
    return;
  }
  c.tensor(a.output_gradient, out, count);
  c.tensor(a.input_gradient, in, count);
  c.tensor(a.gamma_gradient, NAMP_FLOAT32, a.width, false);
  c.make("namp_rms_norm_backward", [&] { return namp_rms_norm_backward(c.device, &a, nullptr); });
}

void batch_norm(Call& c, bool backward) {
  auto& a = c.args<namp_batch_norm_args>();
  const int32_t dtype = c.float_dtype(a.dtype);
  a.training = static_cast<int32_t>(c.random.below(2));
  const bool training = a.training != 0;
  c.wrong([&c, &a] {
    a.training = c.random.of<int32_t>({2, -1});
    return true;
  });
  spoil_epsilon(c, a.epsilon);
  a.momentum = c.random.of({0.0f, 0.1f, 1.0f});
  c.size(a.batch, training ? c.random.between(2, 5) : c.small(5));
  c.size(a.channels, c.small(6));
  c.size(a.inner, training ? c.random.between(1, 30) : c.small(30));
  const int64_t count = a.batch * a.channels * a.inner;
  c.tensor(a.input, dtype, count);
  c.tensor(a.gamma, NAMP_FLOAT32, a.channels, false);
  c.tensor(a.beta, NAMP_FLOAT32, a.channels, false);
  c.tensor(a.running_mean, NAMP_FLOAT32, a.channels, !training);
  c.tensor(a.running_variance, NAMP_FLOAT32, a.channels, !training);
  if (training) {
    c.tensor(a.mean, NAMP_FLOAT32, a.channels);
    c.tensor(a.inverse_deviation, NAMP_FLOAT32, a.channels);
  }
  if (!backward) {
    c.wrong([&c, &a] {
      a.momentum = c.random.of({-0.1f, 1.5f, NAN});
      return true;
    });
    c.tensor(a.output, dtype, count);
    c.make("namp_batch_norm_forward",
           [&] { return namp_batch_norm_forward(c.device, &a, nullptr); });
    return;
  }
  c.tensor(a.output_gradient, dtype, count);
  c.tensor(a.input_gradient, dtype, count);
  c.tensor(a.gamma_gradient, NAMP_FLOAT32, a.channels, false);
  c.tensor(a.beta_gradient, NAMP_FLOAT32, a.channels, false);
  c.make("namp_batch_norm_backward",
         [&] { return namp_batch_norm_backward(c.device, &a, nullptr); });
}

void softmax(Call& c, bool backward) {
  auto& a = c.args<namp_softmax_args>();
  const int32_t in = c.float_dtype(a.input_dtype), out = c.float_dtype(a.output_dtype);
  c.size(a.rows, c.small(12));
  c.size(a.width, c.random.between(1, 70));
  const int64_t count = a.rows * a.width;
  c.tensor(a.output, out, count);
  if (!backward) {
    c.tensor(a.input, in, count);
    c.make("namp_softmax_forward", [&] { return namp_softmax_forward(c.device, &a, nullptr); });
    return;
  }
  c.tensor(a.output_gradient, out, count);
  c.tensor(a.input_gradient, in, count);
  c.make("namp_softmax_backward", [&] { return namp_softmax_backward(c.device, &a, nullptr); });
}

void attention(Call& c, bool backward) {
  auto& a = c.args<namp_attention_args>();
  const int32_t dtype = c.float_dtype(a.dtype);
  c.choice(a.causal, {0, 1}, true);
  a.scale = c.random.of({0.25f, 0.0f, -1.0f});
  c.wrong([&c, &a] {
    a.scale = c.random.of({NAN, INFINITY});
    return true;
  });
  c.size(a.batch, c.small(3));
  // Grouped queries, and more keys than queries, are of the forward pass.
  const int64_t group = backward ? 1 : 1 + c.random.below(3);
  c.size(a.key_heads, c.small(3));
  c.size(a.heads, group * a.key_heads);
  c.size(a.query_time, c.small(12));
  c.size(a.key_time, a.query_time + (backward || a.query_time == 0 ? 0 : c.random.below(40)));
  c.size(a.head_dim, c.small(20));
  const auto strides = [&](int64_t heads, int64_t times, int64_t& batch, int64_t& head,
                           int64_t& time) {
    c.size(time, a.head_dim + c.random.below(3));
    c.size(head, times * time);
    c.size(batch, heads * head);
  };
  strides(a.heads, a.query_time, a.query_batch_stride, a.query_head_stride, a.query_time_stride);
  strides(a.key_heads, a.key_time, a.key_batch_stride, a.key_head_stride, a.key_time_stride);
  strides(a.heads, a.query_time, a.output_batch_stride, a.output_head_stride, a.output_time_stride);
  const int64_t count = a.batch * a.heads * a.query_time * a.head_dim;
  const int64_t queries = count == 0 ? 0 : a.batch * a.query_batch_stride;
  const int64_t keys = count == 0 ? 0 : a.batch * a.key_batch_stride;
  const int64_t outputs = count == 0 ? 0 : a.batch * a.output_batch_stride;
  c.tensor(a.query, dtype, queries);
  c.tensor(a.key, dtype, keys);
  c.tensor(a.value, dtype, keys);
  c.tensor(a.output, dtype, outputs);
  c.tensor(a.log_sum_exp, NAMP_FLOAT32, count == 0 ? 0 : a.batch * a.heads * a.query_time);
  // Sizes as they are before they are wrong themselves.
  c.wrong([&a, count, time = a.query_time] {
    a.key_time = time - 1;
    a.causal = 1;
    return count != 0;
  });
  c.wrong([&a, count, heads = a.heads] {
    a.key_heads = heads + 1;
    return count != 0;
  });
  if (!backward) {
    c.make("namp_attention_forward", [&] { return namp_attention_forward(c.device, &a, nullptr); });
    return;
  }
  c.tensor(a.output_gradient, dtype, outputs);
  c.tensor(a.query_gradient, dtype, queries);
  c.tensor(a.key_gradient, dtype, keys);
  c.tensor(a.value_gradient, dtype, keys);
  c.make("namp_attention_backward", [&] { return namp_attention_backward(c.device, &a, nullptr); });
}

void embedding(Call& c, bool backward) {
  auto& a = c.args<namp_embedding_args>();
  c.float_dtype(a.output_dtype);
  c.size(a.count, c.small(20));
  c.size(a.vocabulary, c.small(12));
  c.size(a.width, c.small(30));
  c.tensor(a.indices, NAMP_INT32, a.count);
  if (!backward) {
    c.float_dtype(a.weight_dtype);
    c.tensor(a.weight, a.weight_dtype, a.vocabulary * a.width);
    c.tensor(a.output, a.output_dtype, a.count * a.width);
    if (c.random.one_in(2)) {
      a.bad_index = static_cast<namp_index_fact*>(c.block(sizeof(namp_index_fact)));
      c.wrong([&c, &a] { return c.misalign(a.bad_index); });
    }
    c.make("namp_embedding_forward", [&] { return namp_embedding_forward(c.device, &a, nullptr); });
    return;
  }
  a.accumulate = c.random.below(2);
  c.wrong([&a] {
    a.accumulate = -1;
    return true;
  });
  c.tensor(a.output_gradient, a.output_dtype, a.count * a.width);
  c.tensor(a.weight_gradient, NAMP_FLOAT32, a.vocabulary * a.width);
  c.make("namp_embedding_backward", [&] { return namp_embedding_backward(c.device, &a, nullptr); });
}

void add(Call& c) {
  auto& a = c.args<namp_add_args>();
  c.float_dtype(a.out_dtype);
  c.float_dtype(a.a_dtype);
  c.float_dtype(a.b_dtype, false);
  a.alpha = c.random.of({1.0f, 0.0f, NAN});
  a.beta = c.random.of({1.0f, -2.0f});
  const int64_t period = c.random.between(1, 30);
  c.size(a.count, c.small(10) * period);
  c.tensor(a.out, a.out_dtype, a.count);
  c.tensor(a.a, a.a_dtype, a.count);
  c.tensor(a.b, a.b_dtype, period, false);
  c.size(a.b_period, period, a.b != nullptr);
  c.make("namp_add", [&] { return namp_add(c.device, &a, nullptr); });
}

void multiply(Call& c) {
  auto& a = c.args<namp_multiply_args>();
  c.float_dtype(a.dtype);
  const int64_t period = c.random.between(1, 30);
  c.size(a.count, c.small(10) * period);
  c.tensor(a.out, a.dtype, a.count);
  c.tensor(a.a, a.dtype, a.count);
  c.tensor(a.b, a.dtype, period);
  c.size(a.b_period, period);
  c.make("namp_multiply", [&] { return namp_multiply(c.device, &a, nullptr); });
}

void map(Call& c) {
  auto& a = c.args<namp_map_args>();
  a.function = static_cast<int32_t>(c.random.between(1, 15));
  c.spoil_choice(a.function);
  c.float_dtype(a.out_dtype);
  c.float_dtype(a.a_dtype);
  // Functions of a alone read no b.
  const bool two = (a.function >= NAMP_FUNCTION_ADD && a.function <= NAMP_FUNCTION_EQUAL) ||
                   a.function >= NAMP_FUNCTION_SQRT_GRADIENT;
  if (two) c.float_dtype(a.b_dtype);
  a.p = c.random.of({1.0f, -0.5f, 2.0f});
  a.q = 3.0f;
  a.rank = static_cast<int32_t>(c.random.between(0, 3));
  c.wrong([&a] {
    a.rank = 7;
    return true;
  });
  int64_t counts[3] = {1, 1, 1};
  for (int32_t d = a.rank; d-- > 0;) {
    a.shape[d] = c.random.between(1, 20);
    int64_t* strides[3] = {a.out_strides, a.a_strides, a.b_strides};
    for (int i = 0; i < 3; ++i) {
      if (i > 0 && c.random.one_in(3)) continue;  // repeats
      strides[i][d] = counts[i];
      counts[i] *= a.shape[d];
    }
  }
  if (a.rank > 0) {
    c.wrong([&a] {
      a.shape[0] = -1;
      return true;
    });
    c.wrong([&a] {
      a.a_strides[0] = -1;
      return true;
    });
  }
  c.tensor(a.out, a.out_dtype, counts[0]);
  c.tensor(a.a, a.a_dtype, counts[1]);
  if (two) c.tensor(a.b, a.b_dtype, counts[2]);
  c.make("namp_map", [&] { return namp_map(c.device, &a, nullptr); });
}

void reduce(Call& c) {
  auto& a = c.args<namp_reduce_args>();
  c.choice(a.reduction, {NAMP_REDUCTION_SUM, NAMP_REDUCTION_MAX});
  c.float_dtype(a.out_dtype);
  c.float_dtype(a.in_dtype);
  a.alpha = c.random.of({1.0f, 0.5f});
  c.size(a.outer, c.small(9));
  c.size(a.count, c.random.between(1, 40));
  c.size(a.inner, c.small(60));
  c.tensor(a.out, a.out_dtype, a.outer * a.inner);
  c.tensor(a.in, a.in_dtype, a.outer * a.count * a.inner);
  c.make("namp_reduce", [&] { return namp_reduce(c.device, &a, nullptr); });
}

void sum(Call& c) {
  auto& a = c.args<namp_sum_args>();
  c.float_dtype(a.out_dtype);
  c.float_dtype(a.in_dtype);
  a.alpha = c.random.of({1.0f, 0.5f});
  c.size(a.outer, c.small(9));
  c.size(a.channels, c.small(9));
  c.size(a.inner, c.small(60));
  a.accumulate = c.random.below(2);
  c.wrong([&a] {
    a.accumulate = 2;
    return true;
  });
  c.tensor(a.out, a.out_dtype, a.channels);
  c.tensor(a.in, a.in_dtype, a.outer * a.channels * a.inner);
  c.make("namp_sum", [&] { return namp_sum(c.device, &a, nullptr); });
}

struct Plain {
  void* out;
  const void* in;
  int64_t sizes[6];
  int32_t perm[6];
  int32_t dtype, rank;
  float probability;
};

void dropout(Call& c) {
  auto& p = *static_cast<Plain*>(c.block(sizeof(Plain)));
  c.float_dtype(p.dtype);
  c.size(p.sizes[0], c.small(300));
  c.tensor(p.out, p.dtype, p.sizes[0]);
  c.tensor(p.in, p.dtype, p.sizes[0]);
  p.probability = c.random.of({0.0f, 0.5f, 0.999f});
  c.wrong([&c, &p] {
    p.probability = c.random.of({1.0f, -0.1f, NAN, INFINITY});
    return true;
  });
  const uint64_t seed = c.random.next();
  c.make("namp_dropout", [&c, &p, seed] {
    return namp_dropout(c.device, p.out, p.in, p.dtype, p.sizes[0], p.probability, seed,
                        UINT64_MAX - 5, nullptr, nullptr);
  });
}

void permute(Call& c) {
  auto& p = *static_cast<Plain*>(c.block(sizeof(Plain)));
  p.dtype =
      c.random.of<int32_t>({NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16, NAMP_INT32, NAMP_UINT8});
  c.spoil_choice(p.dtype);
  p.rank = static_cast<int32_t>(c.random.between(1, 6));
  c.wrong([&c, &p] {
    p.rank = c.random.of<int32_t>({0, -1, 7, INT32_MAX});
    return true;
  });
  int64_t count = 1;
  for (int32_t d = 0; d < p.rank; ++d) {
    c.size(p.sizes[d], c.small(6));
    count *= p.sizes[d];
    p.perm[d] = d;
  }
  for (int32_t d = p.rank - 1; d > 0; --d)
    std::swap(p.perm[d], p.perm[c.random.below(d + 1)]);
  c.wrong([&c, &p] {
    p.perm[0] = c.random.of<int32_t>({-1, 6, INT32_MAX});
    return true;
  });
  c.tensor(p.out, p.dtype, count);
  c.tensor(p.in, p.dtype, count);
  c.make("namp_permute", [&c, &p] {
    return namp_permute(c.device, p.out, p.in, p.dtype, p.rank, p.sizes, p.perm, nullptr);
  });
}

void argmax(Call& c) {
  auto& p = *static_cast<Plain*>(c.block(sizeof(Plain)));
  c.float_dtype(p.dtype);
  c.size(p.sizes[0], c.small(12));
  c.size(p.sizes[1], c.random.between(1, 60));
  c.tensor(p.out, NAMP_INT32, p.sizes[0]);
  c.tensor(p.in, p.dtype, p.sizes[0] * p.sizes[1]);
  c.make("namp_argmax", [&c, &p] {
    return namp_argmax(c.device, static_cast<int32_t*>(p.out), p.in, p.dtype, p.sizes[0],
                       p.sizes[1], nullptr);
  });
}

}  // namespace

const std::vector<Function> kNetworks = {
    {"namp_gemm", gemm},
    {"namp_conv2d_forward", [](Call& c) { convolution(c, 0); }},
    {"namp_conv2d_backward_data", [](Call& c) { convolution(c, 1); }},
    {"namp_conv2d_backward_weights", [](Call& c) { convolution(c, 2); }},
    {"namp_pool2d_forward", [](Call& c) { pool(c, false); }},
    {"namp_pool2d_backward", [](Call& c) { pool(c, true); }},
    {"namp_activation_forward", [](Call& c) { activation(c, false); }},
    {"namp_activation_backward", [](Call& c) { activation(c, true); }},
    {"namp_layer_norm_forward", [](Call& c) { layer_norm(c, false); }},
    {"namp_layer_norm_backward", [](Call& c) { layer_norm(c, true); }},
    {"namp_rms_norm_forward", [](Call& c) { rms_norm(c, false); }},
    {"namp_rms_norm_backward", [](Call& c) { rms_norm(c, true); }},
    {"namp_batch_norm_forward", [](Call& c) { batch_norm(c, false); }},
    {"namp_batch_norm_backward", [](Call& c) { batch_norm(c, true); }},
    {"namp_softmax_forward", [](Call& c) { softmax(c, false); }},
    {"namp_softmax_backward", [](Call& c) { softmax(c, true); }},
    {"namp_attention_forward", [](Call& c) { attention(c, false); }},
    {"namp_attention_backward", [](Call& c) { attention(c, true); }},
    {"namp_embedding_forward", [](Call& c) { embedding(c, false); }},
    {"namp_embedding_backward", [](Call& c) { embedding(c, true); }},
    {"namp_dropout", dropout},
    {"namp_add", add},
    {"namp_multiply", multiply},
    {"namp_map", map},
    {"namp_reduce", reduce},
    {"namp_sum", sum},
    {"namp_permute", permute},
    {"namp_argmax", argmax},
};

}  // namespace namp_campaign
