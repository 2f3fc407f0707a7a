#include "every_operator.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "cells.h"
#include "numbers.h"

namespace namp_test {
namespace {

class Calls {
 public:
  Calls(namp_device* device, uint64_t seed, Extent extent, namp_stream stream)
      : device_(device), seed_(seed), many_(extent == Extent::kMany), stream_(stream) {}
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;
  ~Calls() {
    for (const Piece& piece : pieces_)
      namp_memory_free(device_, piece.data, stream_);
  }

  Results run() {
    element_wise();
    losses();
    optimizer();
    for (int32_t dtype : {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16}) {
      products(dtype);
      convolutions(dtype);
      pooling(dtype);
      norms(dtype);
      rows(dtype);
      integers(dtype);
    }
    return collect();
  }

 private:
  struct Piece {
    std::string name;
    void* data;
    int64_t bytes;
    bool output;
  };

  int64_t size(int64_t few, int64_t many) const { return many_ ? many : few; }

  void check(int32_t status, const char* what) const {
    if (status != NAMP_OK) {
      throw std::runtime_error(std::string(what) + ": " + namp_last_error_message());
    }
  }

  void* upload(const std::string& name, const std::vector<uint8_t>& bytes, bool output) {
    void* data = nullptr;
    const auto size = static_cast<int64_t>(bytes.size());
    check(namp_memory_allocate(&data, device_, size, NAMP_MEMORY_OTHER, stream_), "allocate");
    pieces_.push_back({name, data, size, output});
    check(namp_memory_copy(device_, data, bytes.data(), size, NAMP_COPY_HOST_TO_DEVICE, stream_),
          "upload");
    return data;
  }

  uint32_t next() {
    seed_ = seed_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(seed_ >> 32);
  }

  // Elements of one dtype: usual ones, and tiny ones whose squares are subnormal. They are made
  // from bits, because the test may change the floating-point mode of this thread.
  void* in(int32_t dtype, int64_t count) {
    const bool half = dtype == NAMP_FLOAT16;
    const auto size = static_cast<size_t>(element_size(dtype));
    const Format format = format_of(dtype);
    std::vector<uint8_t> bytes(static_cast<size_t>(count) * size);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const uint32_t drawn = next();
      const uint32_t usual = (half ? 10u : 122u) + drawn % 5;  // 1/32 to 1
      const uint32_t exponent = i % 3 != 0 ? usual : half ? 0u : 60u;
      const uint32_t fraction = (drawn >> 8) & ((1u << format.fraction) - 1u);
      const uint32_t sign = drawn >> 31 << (size * 8 - 1);
      const uint32_t bits = sign | exponent << format.fraction | fraction;
      std::memcpy(bytes.data() + i * size, &bits, size);
    }
    return upload("", bytes, false);
  }
  const float* floats(int64_t count) { return static_cast<float*>(in(NAMP_FLOAT32, count)); }

  const int32_t* indices(int64_t count, int32_t below) {
    std::vector<uint8_t> bytes(static_cast<size_t>(count * 4));
    for (int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<int32_t>((next() >> 8) % static_cast<uint32_t>(below));
      std::memcpy(bytes.data() + i * 4, &index, 4);
    }
    return static_cast<int32_t*>(upload("", bytes, false));
  }

  const uint8_t* codes(int64_t count) {
    std::vector<uint8_t> bytes(static_cast<size_t>(count));
    for (uint8_t& byte : bytes)
      byte = static_cast<uint8_t>(next() >> 8);
    return static_cast<uint8_t*>(upload("", bytes, false));
  }

  void* out(const std::string& name, int32_t dtype, int64_t count) {
    return upload(name, std::vector<uint8_t>(static_cast<size_t>(count * element_size(dtype))),
                  true);
  }
  float* float_out(const std::string& name, int64_t count) {
    return static_cast<float*>(out(name, NAMP_FLOAT32, count));
  }

  void element_wise() {
    const int64_t n = size(300, 70000);
    const void* x = in(NAMP_FLOAT32, n);
    const float* factor = floats(1);
    namp_cast_options options{};
    options.struct_size = sizeof(options);
    options.scale = factor;
    options.rounding = NAMP_ROUND_STOCHASTIC;
    options.seed = 7;
    check(cast(device_, cell(out("cast to bfloat16", NAMP_BFLOAT16, n), NAMP_BFLOAT16),
               cell(x, NAMP_FLOAT32), n, nullptr, stream_),
          "cast");
    check(cast(device_, cell(out("cast, scaled and stochastic", NAMP_FLOAT16, n), NAMP_FLOAT16),
               cell(x, NAMP_FLOAT32), n, &options, stream_),
          "cast");
    check(scale(device_, cell(out("scale", NAMP_FLOAT32, n), NAMP_FLOAT32), cell(x, NAMP_FLOAT32),
                n, factor, stream_),
          "scale");
    check(namp_dropout(device_, out("dropout", NAMP_FLOAT32, n), x, NAMP_FLOAT32, n, 0.3f, 5, 0,
                       nullptr, stream_),
          "dropout");
    auto add = args<namp_add_args>();
    add.out_dtype = add.a_dtype = add.b_dtype = NAMP_FLOAT32;
    add.alpha = 0.1f;
    add.beta = 1e-20f;
    add.count = add.b_period = n;
    add.a = x;
    add.b = in(NAMP_FLOAT32, n);
    add.out = out("add", NAMP_FLOAT32, n);
    check(namp_add(device_, &add, stream_), "add");
    auto multiply = args<namp_multiply_args>();
    multiply.dtype = NAMP_FLOAT32;
    multiply.count = n;
    multiply.b_period = 10;
    multiply.a = x;
    multiply.b = in(NAMP_FLOAT32, 10);
    multiply.out = out("multiply", NAMP_FLOAT32, n);
    check(namp_multiply(device_, &multiply, stream_), "multiply");
    for (int32_t function = NAMP_FUNCTION_SCALE; function <= NAMP_FUNCTION_POW_GRADIENT;
         ++function) {
      auto map = args<namp_map_args>();
      map.function = function;
      map.out_dtype = map.a_dtype = map.b_dtype = NAMP_FLOAT32;
      map.rank = 2;
      map.p = 0.1f;
      map.q = 1e-20f;
      map.shape[0] = n / 10;
      map.shape[1] = 10;
      map.out_strides[0] = map.a_strides[0] = 10;
      map.out_strides[1] = map.a_strides[1] = map.b_strides[1] = 1;
      map.a = x;
      map.b = in(NAMP_FLOAT32, 10);
      map.out = out("function " + std::to_string(function), NAMP_FLOAT32, n);
      check(namp_map(device_, &map, stream_), "function");
    }
    for (int32_t reduction : {NAMP_REDUCTION_SUM, NAMP_REDUCTION_MAX}) {
      auto reduce = args<namp_reduce_args>();
      reduce.reduction = reduction;
      reduce.out_dtype = reduce.in_dtype = NAMP_FLOAT32;
      reduce.alpha = 1e-20f;
      reduce.outer = n / 50;
      reduce.count = 10;
      reduce.inner = 5;
      reduce.in = x;
      reduce.out = out("reduction " + std::to_string(reduction), NAMP_FLOAT32, n / 10);
      check(namp_reduce(device_, &reduce, stream_), "reduction");
    }
    auto sum = args<namp_sum_args>();
    sum.out_dtype = sum.in_dtype = NAMP_FLOAT32;
    sum.alpha = 1e-20f;
    sum.outer = n / 10;
    sum.channels = 5;
    sum.inner = 2;
    sum.in = x;
    sum.out = out("sum", NAMP_FLOAT32, 5);
    check(namp_sum(device_, &sum, stream_), "sum");
    const int64_t shape[] = {n / 10, 5, 2};
    const int32_t perm[] = {2, 0, 1};
    check(namp_permute(device_, out("permute", NAMP_FLOAT32, n), x, NAMP_FLOAT32, 3, shape, perm,
                       stream_),
          "permute");
    auto embedding = args<namp_embedding_args>();
    embedding.weight_dtype = embedding.output_dtype = NAMP_FLOAT32;
    embedding.count = size(20, 3000);
    embedding.vocabulary = 11;
    embedding.width = 12;
    embedding.indices = indices(embedding.count, 11);
    embedding.weight = in(NAMP_FLOAT32, 11 * 12);
    embedding.output = out("embedding", NAMP_FLOAT32, embedding.count * 12);
    embedding.output_gradient = in(NAMP_FLOAT32, embedding.count * 12);
    embedding.weight_gradient = float_out("embedding's gradient", 11 * 12);
    check(namp_embedding_forward(device_, &embedding, stream_), "embedding");
    check(namp_embedding_backward(device_, &embedding, stream_), "embedding's gradient");
  }

  void losses() {
    auto entropy = args<namp_cross_entropy_args>();
    entropy.logits_dtype = entropy.gradient_dtype = NAMP_FLOAT32;
    entropy.rows = size(9, 3000);
    entropy.classes = 17;
    entropy.ignore_index = -100;
    entropy.mean = 1;
    entropy.logits = in(NAMP_FLOAT32, entropy.rows * 17);
    entropy.labels = indices(entropy.rows, 17);
    entropy.loss = float_out("cross-entropy", 1);
    entropy.gradient = out("cross-entropy's gradient", NAMP_FLOAT32, entropy.rows * 17);
    entropy.scale = floats(1);  // tiny
    check(namp_cross_entropy(device_, &entropy, stream_), "cross-entropy");
    entropy.class_weights = floats(17);
    entropy.label_smoothing = 0.25f;
    entropy.loss = float_out("smoothed cross-entropy", 1);
    entropy.gradient = out("smoothed cross-entropy's gradient", NAMP_FLOAT32, entropy.rows * 17);
    check(namp_cross_entropy(device_, &entropy, stream_), "smoothed cross-entropy");
    auto mse = args<namp_mse_args>();
    mse.prediction_dtype = mse.target_dtype = mse.gradient_dtype = NAMP_FLOAT32;
    mse.count = size(300, 70000);
    mse.mean = 1;
    mse.prediction = in(NAMP_FLOAT32, mse.count);
    mse.target = in(NAMP_FLOAT32, mse.count);
    mse.loss = float_out("squared error", 1);
    mse.gradient = out("squared error's gradient", NAMP_FLOAT32, mse.count);
    mse.scale = floats(1);
    check(namp_mse(device_, &mse, stream_), "squared error");
    for (int32_t kind : {NAMP_LOSS_SMOOTH_L1, NAMP_LOSS_BINARY_CROSS_ENTROPY}) {
      auto loss = args<namp_element_loss_args>();
      loss.kind = kind;
      loss.prediction_dtype = loss.target_dtype = loss.gradient_dtype = NAMP_FLOAT32;
      loss.count = mse.count;
      loss.mean = 1;
      loss.beta = 0.25f;
      loss.prediction = mse.prediction;
      loss.target = mse.target;
      loss.loss = float_out("loss " + std::to_string(kind), 1);
      loss.gradient = out("gradient of loss " + std::to_string(kind), NAMP_FLOAT32, mse.count);
      loss.scale = mse.scale;
      check(namp_element_loss(device_, &loss, stream_), "loss");
    }
  }

  void optimizer() {
    const int64_t n = size(500, 40000);
    const int64_t counts[] = {n, 33};
    constexpr int kColumns = 6;
    std::vector<namp_cell> cells;
    for (const int64_t count : counts) {
      cells.push_back(cell(out("parameter", NAMP_FLOAT32, count), NAMP_FLOAT32));
      cells.push_back(cell(in(NAMP_FLOAT32, count), NAMP_FLOAT32));
      cells.push_back(cell(out("first moment", NAMP_FLOAT32, count), NAMP_FLOAT32));
      cells.push_back(cell(out("second moment", NAMP_FLOAT32, count), NAMP_FLOAT32));
      cells.push_back(cell(out("compute copy", NAMP_BFLOAT16, count), NAMP_BFLOAT16));
      cells.push_back(cell(out("unscaled gradient", NAMP_FLOAT32, count), NAMP_FLOAT32));
    }
    auto description = args<namp_table_description>();
    description.column_count = kColumns;
    description.tensor_count = 2;
    description.counts = counts;
    description.cells = cells.data();
    namp_table* table = nullptr;
    check(namp_table_create(&table, device_, &description), "table");
    auto* state = static_cast<namp_optimizer_state*>(
        upload("optimizer", std::vector<uint8_t>(sizeof(namp_optimizer_state)), true));
    namp_scaler_state first{};
    first.scale = 8.0f;
    first.inverse_scale = 0.125f;
    const auto* bytes = reinterpret_cast<const uint8_t*>(&first);
    auto* scaler = static_cast<namp_scaler_state*>(
        upload("scaler", std::vector<uint8_t>(bytes, bytes + sizeof(first)), true));
    namp_optimizer_group group{};
    group.learning_rate = 1e-3;
    group.beta1 = 0.9;
    group.beta2 = 0.999;
    group.epsilon = 1e-8;
    auto adam = args<namp_optimizer_args>();
    adam.group_count = 1;
    adam.groups = &group;
    adam.rule = NAMP_RULE_ADAM;
    adam.columns = {0, 1, {2, 3, -1}, 4, -1};
    adam.max_norm = 1.0f;
    adam.advance_step = 1;
    auto options = args<namp_scaler_options>();
    options.growth_interval = 2000;
    options.growth_factor = 2;
    options.backoff_factor = 0.5;
    options.maximum_scale = 1e30f;
    options.hysteresis = 1;
    int32_t status = namp_unscale_check(table, 1, 5, scaler, state, 1, stream_);
    if (status == NAMP_OK) status = namp_cast_table(table, 4, 5, nullptr, stream_);
    adam.check_gradients = 1;
    adam.steps = static_cast<int64_t*>(upload("steps", std::vector<uint8_t>(2 * 8), true));
    for (int step = 0; step < 3 && status == NAMP_OK; ++step) {
      status = namp_optimizer_step(table, &adam, scaler, state, stream_);
      if (status == NAMP_OK) {
        status = namp_scaler_update(device_, scaler, &state, 1, &options, stream_);
      }
    }
    const int32_t accesses[] = {NAMP_ACCESS_READ, NAMP_ACCESS_READ, NAMP_ACCESS_NONE,
                                NAMP_ACCESS_NONE, NAMP_ACCESS_NONE, NAMP_ACCESS_READ_WRITE};
    auto* checksum = static_cast<uint32_t*>(out("touch", NAMP_INT32, 1));
    if (status == NAMP_OK) status = namp_table_touch(checksum, table, accesses, stream_);
    const std::string message = namp_last_error_message();
    if (namp_stream_synchronize(device_, stream_) == NAMP_OK) namp_table_destroy(table);
    if (status != NAMP_OK) throw std::runtime_error("optimizer: " + message);
  }

  void products(int32_t dtype) {
    const int64_t m = size(9, 70), n = size(7, 90), k = size(13, 50);
    auto gemm = args<namp_gemm_args>();
    gemm.a_dtype = gemm.b_dtype = gemm.c_dtype = gemm.bias_dtype = dtype;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.batch = 3;
    gemm.lda = k;
    gemm.ldb = gemm.ldc = n;
    gemm.stride_a = m * k;
    gemm.stride_b = k * n;
    gemm.stride_c = m * n;
    gemm.alpha = 1.0f;
    gemm.a = in(dtype, 3 * m * k);
    gemm.b = in(dtype, 3 * k * n);
    gemm.bias = in(dtype, n);
    gemm.c = out("product" + suffix(dtype), dtype, 3 * m * n);
    check(namp_gemm(device_, &gemm, stream_), "product");
    gemm.activation = NAMP_ACTIVATION_GELU;
    gemm.pre_activation = out("product before GELU" + suffix(dtype), dtype, 3 * m * n);
    gemm.c = out("product after GELU" + suffix(dtype), dtype, 3 * m * n);
    check(namp_gemm(device_, &gemm, stream_), "product and GELU");
    attention(dtype);
  }

  void attention(int32_t dtype) {
    auto attention = args<namp_attention_args>();
    attention.dtype = dtype;
    attention.causal = 1;
    attention.scale = 0.25f;
    attention.batch = 2;
    attention.heads = attention.key_heads = 3;
    attention.query_time = attention.key_time = size(5, 40);
    attention.head_dim = 16;
    attention.query_time_stride = attention.key_time_stride = attention.output_time_stride = 16;
    attention.query_head_stride = attention.key_head_stride = attention.output_head_stride =
        attention.query_time * 16;
    attention.query_batch_stride = attention.key_batch_stride = attention.output_batch_stride =
        3 * attention.query_head_stride;
    const int64_t count = 2 * attention.query_batch_stride;
    attention.query = in(dtype, count);
    attention.key = in(dtype, count);
    attention.value = in(dtype, count);
    attention.output = out("attention" + suffix(dtype), dtype, count);
    attention.log_sum_exp = float_out("attention's sums" + suffix(dtype), 6 * attention.query_time);
    attention.output_gradient = in(dtype, count);
    attention.query_gradient = out("query's gradient" + suffix(dtype), dtype, count);
    attention.key_gradient = out("key's gradient" + suffix(dtype), dtype, count);
    attention.value_gradient = out("value's gradient" + suffix(dtype), dtype, count);
    check(namp_attention_forward(device_, &attention, stream_), "attention");
    check(namp_attention_backward(device_, &attention, stream_), "attention's gradients");
  }

  void convolutions(int32_t dtype) {
    auto conv = args<namp_conv2d_args>();
    conv.dtype = conv.weight_gradient_dtype = conv.bias_gradient_dtype = dtype;
    conv.batch = size(2, 6);
    conv.in_channels = 3;
    conv.in_h = conv.in_w = size(6, 14);
    conv.out_channels = size(4, 16);
    conv.kernel_h = conv.kernel_w = 3;
    conv.stride_h = conv.stride_w = conv.dilation_h = conv.dilation_w = conv.groups = 1;
    conv.pad_h = conv.pad_w = 1;
    const int64_t inputs = conv.batch * 3 * conv.in_h * conv.in_w;
    const int64_t outputs = conv.batch * conv.out_channels * conv.in_h * conv.in_w;
    const int64_t weights = conv.out_channels * 27;
    conv.input = in(dtype, inputs);
    conv.weight = in(dtype, weights);
    conv.bias = in(dtype, conv.out_channels);
    conv.output = out("convolution" + suffix(dtype), dtype, outputs);
    conv.output_gradient = in(dtype, outputs);
    conv.input_gradient = out("convolution's input" + suffix(dtype), dtype, inputs);
    conv.weight_gradient = out("convolution's weight" + suffix(dtype), dtype, weights);
    conv.bias_gradient = out("convolution's bias" + suffix(dtype), dtype, conv.out_channels);
    check(namp_conv2d_forward(device_, &conv, stream_), "convolution");
    check(namp_conv2d_backward_data(device_, &conv, stream_), "convolution's input");
    check(namp_conv2d_backward_weights(device_, &conv, stream_), "convolution's weight");
  }

  void pooling(int32_t dtype) {
    for (int32_t kind : {NAMP_POOL_MAX, NAMP_POOL_AVERAGE}) {
      const std::string name = (kind == NAMP_POOL_MAX ? "max pool" : "mean pool") + suffix(dtype);
      auto pool = args<namp_pool2d_args>();
      pool.dtype = dtype;
      pool.pooling = kind;
      pool.planes = size(3, 40);
      pool.in_h = pool.in_w = 8;
      pool.kernel_h = pool.kernel_w = 3;
      pool.stride_h = pool.stride_w = 2;
      pool.pad_h = pool.pad_w = 1;
      pool.input = in(dtype, pool.planes * 64);
      pool.output = out(name, dtype, pool.planes * 16);
      pool.indices = static_cast<uint8_t*>(out(name + "'s places", NAMP_UINT8, pool.planes * 16));
      pool.output_gradient = in(dtype, pool.planes * 16);
      pool.input_gradient = out(name + "'s gradient", dtype, pool.planes * 64);
      check(namp_pool2d_forward(device_, &pool, stream_), "pool");
      check(namp_pool2d_backward(device_, &pool, stream_), "pool's gradient");
    }
  }

  void norms(int32_t dtype) {
    const int64_t rows = size(5, 900), width = 31;
    auto layer = args<namp_layer_norm_args>();
    layer.input_dtype = layer.output_dtype = dtype;
    layer.epsilon = 1e-5f;
    layer.rows = rows;
    layer.width = width;
    layer.input = in(dtype, rows * width);
    layer.gamma = floats(width);
    layer.beta = floats(width);
    layer.output = out("layer norm" + suffix(dtype), dtype, rows * width);
    layer.mean = float_out("layer norm's means" + suffix(dtype), rows);
    layer.inverse_deviation = float_out("layer norm's deviations" + suffix(dtype), rows);
    layer.output_gradient = in(dtype, rows * width);
    layer.input_gradient = out("layer norm's input" + suffix(dtype), dtype, rows * width);
    layer.gamma_gradient = float_out("layer norm's gamma" + suffix(dtype), width);
    layer.beta_gradient = float_out("layer norm's beta" + suffix(dtype), width);
    check(namp_layer_norm_forward(device_, &layer, stream_), "layer norm");
    check(namp_layer_norm_backward(device_, &layer, stream_), "layer norm's gradient");

    auto rms = args<namp_rms_norm_args>();
    rms.input_dtype = rms.output_dtype = dtype;
    rms.epsilon = 1e-6f;
    rms.rows = rows;
    rms.width = width;
    rms.input = layer.input;
    rms.gamma = layer.gamma;
    rms.output = out("RMS norm" + suffix(dtype), dtype, rows * width);
    rms.inverse_rms = float_out("RMS norm's inverses" + suffix(dtype), rows);
    rms.output_gradient = layer.output_gradient;
    rms.input_gradient = out("RMS norm's input" + suffix(dtype), dtype, rows * width);
    rms.gamma_gradient = float_out("RMS norm's gamma" + suffix(dtype), width);
    check(namp_rms_norm_forward(device_, &rms, stream_), "RMS norm");
    check(namp_rms_norm_backward(device_, &rms, stream_), "RMS norm's gradient");

    auto batch = args<namp_batch_norm_args>();
    batch.dtype = dtype;
    batch.training = 1;
    batch.epsilon = 1e-5f;
    batch.momentum = 0.1f;
    batch.batch = size(3, 30);
    batch.channels = 7;
    batch.inner = size(5, 200);
    const int64_t count = batch.batch * 7 * batch.inner;
    batch.input = in(dtype, count);
    batch.gamma = floats(7);
    batch.beta = floats(7);
    batch.running_mean = float_out("running mean" + suffix(dtype), 7);
    batch.running_variance = float_out("running variance" + suffix(dtype), 7);
    batch.output = out("batch norm" + suffix(dtype), dtype, count);
    batch.mean = float_out("batch norm's means" + suffix(dtype), 7);
    batch.inverse_deviation = float_out("batch norm's deviations" + suffix(dtype), 7);
    batch.output_gradient = in(dtype, count);
    batch.input_gradient = out("batch norm's input" + suffix(dtype), dtype, count);
    batch.gamma_gradient = float_out("batch norm's gamma" + suffix(dtype), 7);
    batch.beta_gradient = float_out("batch norm's beta" + suffix(dtype), 7);
    check(namp_batch_norm_forward(device_, &batch, stream_), "batch norm");
    check(namp_batch_norm_backward(device_, &batch, stream_), "batch norm's gradient");
  }

  void rows(int32_t dtype) {
    const int64_t rows = size(4, 600), width = 37;
    auto softmax = args<namp_softmax_args>();
    softmax.input_dtype = softmax.output_dtype = dtype;
    softmax.rows = rows;
    softmax.width = width;
    softmax.input = in(dtype, rows * width);
    softmax.output = out("softmax" + suffix(dtype), dtype, rows * width);
    softmax.output_gradient = in(dtype, rows * width);
    softmax.input_gradient = out("softmax's gradient" + suffix(dtype), dtype, rows * width);
    check(namp_softmax_forward(device_, &softmax, stream_), "softmax");
    check(namp_softmax_backward(device_, &softmax, stream_), "softmax's gradient");
    auto* places = static_cast<int32_t*>(out("argmax" + suffix(dtype), NAMP_INT32, rows));
    check(namp_argmax(device_, places, softmax.input, dtype, rows, width, stream_), "argmax");
    for (int32_t kind = NAMP_ACTIVATION_RELU; kind <= NAMP_ACTIVATION_TANH; ++kind) {
      const std::string name = "activation " + std::to_string(kind) + suffix(dtype);
      auto activation = args<namp_activation_args>();
      activation.activation = kind;
      activation.dtype = dtype;
      activation.count = rows * width;
      activation.input = in(dtype, rows * width);
      activation.output = out(name, dtype, rows * width);
      activation.output_gradient = in(dtype, rows * width);
      activation.input_gradient = out(name + "'s gradient", dtype, rows * width);
      check(namp_activation_forward(device_, &activation, stream_), "activation");
      check(namp_activation_backward(device_, &activation, stream_), "activation's gradient");
    }
  }

  // Of rows that are the input of rows' codes.
  void int4_product(const namp_row_codes_args& rows) {
    constexpr int64_t kOutputs = 19, kGroup = 32;
    const int64_t groups = (rows.width + kGroup - 1) / kGroup;
    const std::string name = suffix(rows.dtype);
    auto quantize = rows;
    quantize.group = kGroup;
    quantize.codes =
        static_cast<int8_t*>(out("codes of groups" + name, NAMP_UINT8, rows.rows * rows.width));
    quantize.scales = float_out("scales of groups" + name, rows.rows * groups);
    check(namp_quantize_rows(device_, &quantize, stream_), "quantize groups");
    auto pack = args<namp_int4_pack_args>();
    pack.n = kOutputs;
    pack.k = rows.width;
    pack.group = kGroup;
    pack.codes = codes(kOutputs * groups * kGroup / 2);
    pack.scales = floats(kOutputs * groups);
    check(namp_int4_packed_bytes(&pack.packed_bytes, device_, &pack), "packed bytes of 4 bits");
    pack.packed = out("packed codes of 4 bits" + name, NAMP_FLOAT32, pack.packed_bytes / 4);
    check(namp_int4_pack(device_, &pack, stream_), "pack 4 bits");
    auto product = args<namp_int4_gemm_args>();
    product.c_dtype = rows.dtype;
    product.m = rows.rows;
    product.n = kOutputs;
    product.k = rows.width;
    product.group = kGroup;
    product.a = quantize.codes;
    product.a_scales = quantize.scales;
    product.b = pack.packed;
    product.b_bytes = pack.packed_bytes;
    product.bias = floats(kOutputs);
    product.c = out("product of 4 and 8 bits" + name, rows.dtype, rows.rows * kOutputs);
    check(namp_int4_gemm(device_, &product, stream_), "product of 4 and 8 bits");
  }

  void integers(int32_t dtype) {
    const int64_t rows = size(5, 90), inputs = 70, outputs = 19;
    auto quantize = args<namp_row_codes_args>();
    quantize.dtype = dtype;
    quantize.rows = rows;
    quantize.width = inputs;
    quantize.input = in(dtype, rows * inputs);
    quantize.codes =
        static_cast<int8_t*>(out("codes of rows" + suffix(dtype), NAMP_UINT8, rows * inputs));
    quantize.scales = float_out("scales of rows" + suffix(dtype), rows);
    quantize.output = out("values of codes" + suffix(dtype), dtype, rows * inputs);
    check(namp_quantize_rows(device_, &quantize, stream_), "quantize rows");
    check(namp_dequantize_rows(device_, &quantize, stream_), "dequantize rows");

    auto product = args<namp_int8_gemm_args>();
    product.c_dtype = dtype;
    product.m = rows;
    product.n = outputs;
    product.k = inputs;
    product.a = quantize.codes;
    product.a_scales = quantize.scales;
    auto pack = args<namp_int8_pack_args>();
    pack.n = outputs;
    pack.k = inputs;
    pack.weight = reinterpret_cast<const int8_t*>(codes(outputs * inputs));
    check(namp_int8_packed_bytes(&pack.packed_bytes, device_, &pack), "packed bytes");
    pack.packed = out("packed codes" + suffix(dtype), NAMP_UINT8, pack.packed_bytes);
    check(namp_int8_pack(device_, &pack, stream_), "pack");
    product.b = pack.packed;
    product.b_bytes = pack.packed_bytes;
    product.b_scales = floats(outputs);
    product.bias = floats(outputs);
    product.c = out("product of codes" + suffix(dtype), dtype, rows * outputs);
    check(namp_int8_gemm(device_, &product, stream_), "product of codes");

    for (int32_t bits : {4, 8}) {
      auto coded = args<namp_code_gemm_args>();
      coded.a_dtype = coded.c_dtype = dtype;
      coded.bits = bits;
      coded.m = rows;
      coded.n = outputs;
      coded.k = inputs;
      coded.group = bits == 4 ? 32 : 0;
      const int64_t groups = bits == 4 ? 3 : 1;
      coded.a = quantize.input;
      coded.codes = codes(outputs * (bits == 4 ? groups * 16 : inputs));
      coded.scales = floats(outputs * groups);
      coded.bias = floats(outputs);
      coded.c = out("product of " + std::to_string(bits) + " bits" + suffix(dtype), dtype,
                    rows * outputs);
      check(namp_code_gemm(device_, &coded, stream_), "product of coded weights");
    }

    int4_product(quantize);

    const int64_t batch = size(1, 9), channels = 6, side = 7;
    const int64_t count = batch * channels * side * side;
    auto tensor = args<namp_tensor_codes_args>();
    tensor.dtype = dtype;
    tensor.count = count;
    tensor.input = in(dtype, count);
    tensor.codes = static_cast<int8_t*>(out("codes" + suffix(dtype), NAMP_UINT8, count));
    tensor.scale = 0.01f;
    tensor.zero_point = -5;
    check(namp_quantize_tensor(device_, &tensor, stream_), "quantize");
    auto convolution = args<namp_int8_conv2d_args>();
    convolution.dtype = dtype;
    convolution.batch = batch;
    convolution.in_channels = channels;
    convolution.in_h = convolution.in_w = side;
    convolution.out_channels = 4;
    convolution.kernel_h = convolution.kernel_w = 3;
    convolution.stride_h = convolution.stride_w = convolution.pad_h = convolution.pad_w = 1;
    convolution.dilation_h = convolution.dilation_w = 1;
    convolution.groups = 2;
    convolution.input = tensor.codes;
    auto kernels = args<namp_int8_pack_args>();
    kernels.n = 4;
    kernels.kernel_h = kernels.kernel_w = 3;
    kernels.k = channels / 2 * 9;
    kernels.weight = reinterpret_cast<const int8_t*>(codes(kernels.n * kernels.k));
    check(namp_int8_packed_bytes(&kernels.packed_bytes, device_, &kernels), "packed bytes");
    kernels.packed = out("packed kernels" + suffix(dtype), NAMP_UINT8, kernels.packed_bytes);
    check(namp_int8_pack(device_, &kernels, stream_), "pack kernels");
    convolution.weight = kernels.packed;
    convolution.weight_bytes = kernels.packed_bytes;
    convolution.weight_scales = floats(4);
    convolution.output =
        out("convolution of codes" + suffix(dtype), dtype, batch * 4 * side * side);
    convolution.scale = tensor.scale;
    convolution.zero_point = tensor.zero_point;
    convolution.activation = NAMP_ACTIVATION_RELU;
    check(namp_int8_conv2d(device_, &convolution, stream_), "convolution of codes");
  }

  Results collect() {
    Results results;
    for (const Piece& piece : pieces_) {
      if (!piece.output) continue;
      std::vector<uint8_t> bytes(static_cast<size_t>(piece.bytes));
      check(namp_memory_copy(device_, bytes.data(), piece.data, piece.bytes,
                             NAMP_COPY_DEVICE_TO_HOST, stream_),
            "download");
      auto& all = results[piece.name];
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    check(namp_stream_synchronize(device_, stream_), "synchronize");
    return results;
  }

  template <class Args>
  static Args args() {
    Args args{};
    args.struct_size = sizeof(Args);
    return args;
  }
  static std::string suffix(int32_t dtype) {
    return dtype == NAMP_FLOAT32 ? "" : dtype == NAMP_FLOAT16 ? ", float16" : ", bfloat16";
  }

  namp_device* device_;
  uint64_t seed_;
  bool many_;
  namp_stream stream_;
  std::vector<Piece> pieces_;
};

}  // namespace

Results run_every_operator(namp_device* device, uint64_t seed, Extent extent, namp_stream stream) {
  return Calls(device, seed, extent, stream).run();
}

std::string differences(const Results& expected, const Results& actual) {
  std::string names;
  for (const auto& [name, bytes] : expected) {
    const auto found = actual.find(name);
    if (found == actual.end() || found->second != bytes) {
      names += (names.empty() ? "" : ", ") + name;
    }
  }
  return names;
}

uint64_t digest(const Results& results) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const auto& [name, bytes] : results) {
    for (const uint8_t byte : bytes)
      hash = (hash ^ byte) * 1099511628211u;
  }
  return hash;
}

}  // namespace namp_test
