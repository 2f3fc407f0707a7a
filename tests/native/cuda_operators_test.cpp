// The operators of networks on a GPU, within tolerances of the CPU: other orders of addition.
#include "two_devices.h"

namespace namp_test {
namespace {

using CudaOperators = TwoDevices;

TEST_F(CudaOperators, activations_and_their_gradients) {
  for (int32_t dtype : kFloatTypes) {
    for (int32_t activation = NAMP_ACTIVATION_NONE; activation <= NAMP_ACTIVATION_GELU_TANH;
         ++activation) {
      constexpr int64_t kCount = 1003;
      Twin& input = twin(dtype, kCount, 1).random(1);
      Twin& output = twin(dtype, kCount, 1);
      Twin& gradient = twin(dtype, kCount, 3).random(2);
      Twin& input_gradient = twin(dtype, kCount);
      run([&](namp_device* device, bool gpu) {
        auto args = sized<namp_activation_args>();
        args.activation = activation;
        args.dtype = dtype;
        args.count = kCount;
        args.input = input.on(gpu);
        args.output = output.on(gpu);
        args.output_gradient = gradient.on(gpu);
        args.input_gradient = input_gradient.on(gpu);
        const int32_t forward = namp_activation_forward(device, &args, nullptr);
        return forward != NAMP_OK ? forward : namp_activation_backward(device, &args, nullptr);
      });
      // The same formulas over the same elements.
      output.expect_same_bits("activation " + std::to_string(activation));
      input_gradient.expect_same_bits("gradient of activation " + std::to_string(activation));
      forget();
    }
  }
}

TEST_F(CudaOperators, addition_dropout_and_permutation_have_the_same_bits) {
  for (int64_t period : {int64_t{1}, int64_t{7}, int64_t{13}, int64_t{1001}}) {
    Twin& a = twin(NAMP_FLOAT16, 1001, 1).random(1);
    Twin& b = twin(NAMP_FLOAT32, period).random(2);
    Twin& out = twin(NAMP_BFLOAT16, 1001, 2);
    run([&](namp_device* device, bool gpu) {
      auto args = sized<namp_add_args>();
      args.out_dtype = NAMP_BFLOAT16;
      args.a_dtype = NAMP_FLOAT16;
      args.b_dtype = NAMP_FLOAT32;
      args.alpha = 0.7f;
      args.beta = -1.3f;
      args.count = 1001;
      args.b_period = period;
      args.out = out.on(gpu);
      args.a = a.on(gpu);
      args.b = b.on(gpu);
      return namp_add(device, &args, nullptr);
    });
    out.expect_same_bits("sum with period " + std::to_string(period));
    forget();
  }
  Twin& input = twin(NAMP_FLOAT16, 997, 3).random(3);
  Twin& dropped = twin(NAMP_FLOAT16, 997, 1);
  Twin& image = twin(NAMP_FLOAT16, 2 * 3 * 5 * 7).random(4);
  Twin& permuted = twin(NAMP_FLOAT16, 2 * 3 * 5 * 7);
  run([&](namp_device* device, bool gpu) {
    const int64_t shape[] = {2, 3, 5, 7};
    const int32_t perm[] = {2, 0, 3, 1};
    const int32_t status = namp_dropout(device, dropped.on(gpu), input.on(gpu), NAMP_FLOAT16, 997,
                                        0.3f, 42, 5, nullptr);
    return status != NAMP_OK ? status
                             : namp_permute(device, permuted.on(gpu), image.on(gpu), NAMP_FLOAT16,
                                            4, shape, perm, nullptr);
  });
  dropped.expect_same_bits("dropout");
  permuted.expect_same_bits("permutation");
}

TEST_F(CudaOperators, layer_norm) {
  for (int32_t dtype : kFloatTypes) {
    constexpr int64_t kRows = 9;
    constexpr int64_t kWidth = 70;
    Twin& input = twin(dtype, kRows * kWidth, 1).random(1);
    Twin& output = twin(dtype, kRows * kWidth);
    Twin& gamma = twin(NAMP_FLOAT32, kWidth).random(2);
    Twin& beta = twin(NAMP_FLOAT32, kWidth).random(3);
    Twin& mean = twin(NAMP_FLOAT32, kRows);
    Twin& inverse = twin(NAMP_FLOAT32, kRows);
    Twin& gradient = twin(dtype, kRows * kWidth).random(4);
    Twin& input_gradient = twin(dtype, kRows * kWidth);
    Twin& gamma_gradient = twin(NAMP_FLOAT32, kWidth);
    Twin& beta_gradient = twin(NAMP_FLOAT32, kWidth);
    run([&](namp_device* device, bool gpu) {
      auto args = sized<namp_layer_norm_args>();
      args.input_dtype = args.output_dtype = dtype;
      args.epsilon = 1e-5f;
      args.rows = kRows;
      args.width = kWidth;
      args.input = input.on(gpu);
      args.gamma = gamma.as<float>(gpu);
      args.beta = beta.as<float>(gpu);
      args.output = output.on(gpu);
      args.mean = mean.as<float>(gpu);
      args.inverse_deviation = inverse.as<float>(gpu);
      args.output_gradient = gradient.on(gpu);
      args.input_gradient = input_gradient.on(gpu);
      args.gamma_gradient = gamma_gradient.as<float>(gpu);
      args.beta_gradient = beta_gradient.as<float>(gpu);
      const int32_t forward = namp_layer_norm_forward(device, &args, nullptr);
      return forward != NAMP_OK ? forward : namp_layer_norm_backward(device, &args, nullptr);
    });
    output.expect_close(tolerance_of(dtype), "output");
    mean.expect_close(1e-6, "mean");
    inverse.expect_close(1e-5, "inverse deviation");
    input_gradient.expect_close(tolerance_of(dtype), "input gradient");
    gamma_gradient.expect_close(2e-5, "gamma gradient");
    beta_gradient.expect_close(2e-5, "beta gradient");
    forget();
  }
}

TEST_F(CudaOperators, batch_norm) {
  for (int32_t dtype : kFloatTypes) {
    for (int32_t training : {1, 0}) {
      constexpr int64_t kBatch = 3, kChannels = 5, kInner = 37;
      constexpr int64_t kCount = kBatch * kChannels * kInner;
      Twin& input = twin(dtype, kCount, 1).random(1);
      Twin& output = twin(dtype, kCount);
      Twin& gamma = twin(NAMP_FLOAT32, kChannels).random(2);
      Twin& beta = twin(NAMP_FLOAT32, kChannels).random(3);
      Twin& running_mean = twin(NAMP_FLOAT32, kChannels).random(4);
      Twin& running_variance =
          twin(NAMP_FLOAT32, kChannels).set<float>({0.5f, 1.0f, 2.0f, 0.1f, 3.0f});
      Twin& mean = twin(NAMP_FLOAT32, kChannels).zero();
      Twin& inverse = twin(NAMP_FLOAT32, kChannels).zero();
      Twin& gradient = twin(dtype, kCount).random(5);
      Twin& input_gradient = twin(dtype, kCount);
      Twin& gamma_gradient = twin(NAMP_FLOAT32, kChannels);
      Twin& beta_gradient = twin(NAMP_FLOAT32, kChannels);
      run([&](namp_device* device, bool gpu) {
        auto args = sized<namp_batch_norm_args>();
        args.dtype = dtype;
        args.training = training;
        args.epsilon = 1e-5f;
        args.momentum = 0.1f;
        args.batch = kBatch;
        args.channels = kChannels;
        args.inner = kInner;
        args.input = input.on(gpu);
        args.gamma = gamma.as<float>(gpu);
        args.beta = beta.as<float>(gpu);
        args.running_mean = running_mean.as<float>(gpu);
        args.running_variance = running_variance.as<float>(gpu);
        args.output = output.on(gpu);
        args.mean = mean.as<float>(gpu);
        args.inverse_deviation = inverse.as<float>(gpu);
        args.output_gradient = gradient.on(gpu);
        args.input_gradient = input_gradient.on(gpu);
        args.gamma_gradient = gamma_gradient.as<float>(gpu);
        args.beta_gradient = beta_gradient.as<float>(gpu);
        const int32_t forward = namp_batch_norm_forward(device, &args, nullptr);
        return forward != NAMP_OK ? forward : namp_batch_norm_backward(device, &args, nullptr);
      });
      output.expect_close(tolerance_of(dtype), "output");
      mean.expect_close(1e-6, "mean");
      inverse.expect_close(1e-5, "inverse deviation");
      running_mean.expect_close(1e-6, "running mean");
      running_variance.expect_close(1e-5, "running variance");
      input_gradient.expect_close(tolerance_of(dtype), "input gradient");
      gamma_gradient.expect_close(5e-5, "gamma gradient");
      beta_gradient.expect_close(5e-5, "beta gradient");
      forget();
    }
  }
}

TEST_F(CudaOperators, softmax_and_argmax) {
  for (int32_t dtype : kFloatTypes) {
    for (int64_t width : {1, 10, 33, 100}) {
      constexpr int64_t kRows = 11;
      Twin& input = twin(dtype, kRows * width).random(1);
      Twin& output = twin(dtype, kRows * width);
      Twin& gradient = twin(dtype, kRows * width).random(2);
      Twin& input_gradient = twin(dtype, kRows * width);
      Twin& largest = twin(NAMP_INT32, kRows);
      run([&](namp_device* device, bool gpu) {
        auto args = sized<namp_softmax_args>();
        args.input_dtype = args.output_dtype = dtype;
        args.rows = kRows;
        args.width = width;
        args.input = input.on(gpu);
        args.output = output.on(gpu);
        args.output_gradient = gradient.on(gpu);
        args.input_gradient = input_gradient.on(gpu);
        int32_t status = namp_softmax_forward(device, &args, nullptr);
        if (status == NAMP_OK) status = namp_softmax_backward(device, &args, nullptr);
        return status != NAMP_OK ? status
                                 : namp_argmax(device, largest.as<int32_t>(gpu), input.on(gpu),
                                               dtype, kRows, width, nullptr);
      });
      output.expect_close(tolerance_of(dtype), "softmax");
      input_gradient.expect_close(tolerance_of(dtype), "its gradient");
      largest.expect_same_bits("argmax of " + std::to_string(width));
      forget();
    }
  }
}

TEST_F(CudaOperators, embedding_and_sums) {
  constexpr int64_t kCount = 600, kVocabulary = 19, kWidth = 24;
  std::vector<int32_t> values;
  for (int32_t i = 0; i < kCount; ++i)
    values.push_back(i * 7 % 21);
  Twin& indices = twin(NAMP_INT32, kCount).set(values);
  Twin& weight = twin(NAMP_FLOAT32, kVocabulary * kWidth).random(1);
  Twin& output = twin(NAMP_FLOAT16, kCount * kWidth);
  Twin& gradient = twin(NAMP_FLOAT16, kCount * kWidth).random(2);
  Twin& weight_gradient = twin(NAMP_FLOAT32, kVocabulary * kWidth).random(3);
  Twin& columns = twin(NAMP_FLOAT32, kWidth).random(4);
  Twin& channels = twin(NAMP_FLOAT16, 40).random(5);
  run([&](namp_device* device, bool gpu) {
    auto args = sized<namp_embedding_args>();
    args.weight_dtype = NAMP_FLOAT32;
    args.output_dtype = NAMP_FLOAT16;
    args.count = kCount;
    args.vocabulary = kVocabulary;
    args.width = kWidth;
    args.indices = indices.as<int32_t>(gpu);
    args.weight = weight.on(gpu);
    args.output = output.on(gpu);
    args.output_gradient = gradient.on(gpu);
    args.weight_gradient = weight_gradient.as<float>(gpu);
    args.accumulate = 1;
    int32_t status = namp_embedding_forward(device, &args, nullptr);
    if (status == NAMP_OK) status = namp_embedding_backward(device, &args, nullptr);
    auto sum = sized<namp_sum_args>();
    sum.in_dtype = NAMP_FLOAT16;
    sum.in = gradient.on(gpu);
    sum.alpha = 0.5f;
    sum.outer = kCount;
    sum.channels = kWidth;
    sum.inner = 1;
    sum.out = columns.on(gpu);
    sum.out_dtype = NAMP_FLOAT32;
    sum.accumulate = 1;
    if (status == NAMP_OK) status = namp_sum(device, &sum, nullptr);
    sum.outer = 3;
    sum.channels = 40;
    sum.inner = 120;
    sum.out = channels.on(gpu);
    sum.out_dtype = NAMP_FLOAT16;
    sum.accumulate = 0;
    return status != NAMP_OK ? status : namp_sum(device, &sum, nullptr);
  });
  output.expect_close(0, "rows");
  weight_gradient.expect_same_bits("gradient of the rows, added up in order");
  columns.expect_close(1e-4, "sums of columns");
  channels.expect_close(tolerance_of(NAMP_FLOAT16), "sums of channels");
}

TEST_F(CudaOperators, products_of_matrices) {
  for (int32_t dtype : kFloatTypes) {
    for (int variant = 0; variant < 8; ++variant) {
      const bool ta = (variant & 1) != 0;
      const bool tb = (variant & 2) != 0;
      const bool rich = (variant & 4) != 0;
      const int64_t m = 70, n = 33, k = 41, batch = rich ? 2 : 1;
      Twin& a = twin(dtype, batch * m * k, 1).random(1);
      Twin& b = twin(dtype, batch * n * k).random(2);
      Twin& c = twin(rich ? NAMP_FLOAT32 : dtype, batch * m * n).random(3);
      Twin& bias = twin(dtype, n).random(4);
      Twin& before = twin(rich ? NAMP_FLOAT32 : dtype, batch * m * n);
      run([&](namp_device* device, bool gpu) {
        auto args = sized<namp_gemm_args>();
        args.transpose_a = ta ? 1 : 0;
        args.transpose_b = tb ? 1 : 0;
        args.a_dtype = args.b_dtype = dtype;
        args.c_dtype = rich ? NAMP_FLOAT32 : dtype;
        args.m = m;
        args.n = n;
        args.k = k;
        args.batch = batch;
        args.a = a.on(gpu);
        args.lda = ta ? m : k;
        args.stride_a = m * k;
        args.b = b.on(gpu);
        args.ldb = tb ? k : n;
        args.stride_b = n * k;
        args.c = c.on(gpu);
        args.ldc = n;
        args.stride_c = m * n;
        args.bias = bias.on(gpu);
        args.bias_dtype = dtype;
        args.alpha = 0.5f;
        args.beta = rich ? 0.25f : 0.0f;
        args.activation = rich ? NAMP_ACTIVATION_GELU : NAMP_ACTIVATION_RELU;
        if (rich) args.pre_activation = before.on(gpu);
        return namp_gemm(device, &args, nullptr);
      });
      c.expect_close(tolerance_of(rich ? NAMP_FLOAT32 : dtype),
                     "variant " + std::to_string(variant) + " of " + std::to_string(dtype));
      if (rich) before.expect_close(2e-5, "pre-activation");
      forget();
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(CudaOperators, convolution) {
  for (int32_t dtype : kFloatTypes) {
    for (int64_t groups : {1, 2}) {
      const int64_t batch = 3, in_channels = 4, in_h = 9, in_w = 8, out_channels = 6;
      const int64_t out_h = 5, out_w = 4, stride = 2, pad = 1, kernel = 3;
      const int64_t inputs = batch * in_channels * in_h * in_w;
      const int64_t outputs = batch * out_channels * out_h * out_w;
      const int64_t weights = out_channels * in_channels / groups * kernel * kernel;
      Twin& input = twin(dtype, inputs, 1).random(1);
      Twin& weight = twin(dtype, weights).random(2);
      Twin& bias = twin(dtype, out_channels).random(3);
      Twin& output = twin(dtype, outputs);
      Twin& gradient = twin(dtype, outputs).random(4);
      Twin& input_gradient = twin(dtype, inputs);
      Twin& weight_gradient = twin(NAMP_FLOAT32, weights);
      Twin& bias_gradient = twin(NAMP_FLOAT32, out_channels);
      run([&](namp_device* device, bool gpu) {
        auto args = sized<namp_conv2d_args>();
        args.dtype = dtype;
        args.batch = batch;
        args.in_channels = in_channels;
        args.in_h = in_h;
        args.in_w = in_w;
        args.out_channels = out_channels;
        args.kernel_h = args.kernel_w = kernel;
        args.stride_h = args.stride_w = stride;
        args.pad_h = args.pad_w = pad;
        args.dilation_h = args.dilation_w = 1;
        args.groups = groups;
        args.input = input.on(gpu);
        args.weight = weight.on(gpu);
        args.bias = bias.on(gpu);
        args.output = output.on(gpu);
        args.output_gradient = gradient.on(gpu);
        args.input_gradient = input_gradient.on(gpu);
        args.weight_gradient = weight_gradient.on(gpu);
        args.bias_gradient = bias_gradient.on(gpu);
        args.weight_gradient_dtype = NAMP_FLOAT32;
        args.bias_gradient_dtype = NAMP_FLOAT32;
        args.activation = NAMP_ACTIVATION_RELU;
        int32_t status = namp_conv2d_forward(device, &args, nullptr);
        if (status == NAMP_OK) status = namp_conv2d_backward_data(device, &args, nullptr);
        return status != NAMP_OK ? status : namp_conv2d_backward_weights(device, &args, nullptr);
      });
      output.expect_close(tolerance_of(dtype), "output");
      input_gradient.expect_close(tolerance_of(dtype), "input gradient");
      weight_gradient.expect_close(1e-4, "weight gradient");
      bias_gradient.expect_close(1e-4, "bias gradient");
      forget();
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(CudaOperators, pooling) {
  for (int32_t pooling : {NAMP_POOL_MAX, NAMP_POOL_AVERAGE}) {
    constexpr int64_t kPlanes = 5, kIn = 9, kOut = 5;
    Twin& input = twin(NAMP_FLOAT16, kPlanes * kIn * kIn).random(1);
    Twin& output = twin(NAMP_FLOAT16, kPlanes * kOut * kOut);
    Twin& indices = twin(NAMP_UINT8, kPlanes * kOut * kOut);
    Twin& gradient = twin(NAMP_FLOAT16, kPlanes * kOut * kOut).random(2);
    Twin& input_gradient = twin(NAMP_FLOAT16, kPlanes * kIn * kIn);
    run([&](namp_device* device, bool gpu) {
      auto args = sized<namp_pool2d_args>();
      args.dtype = NAMP_FLOAT16;
      args.pooling = pooling;
      args.planes = kPlanes;
      args.in_h = args.in_w = kIn;
      args.kernel_h = args.kernel_w = 3;
      args.stride_h = args.stride_w = 2;
      args.pad_h = args.pad_w = 1;
      args.input = input.on(gpu);
      args.output = output.on(gpu);
      args.indices = pooling == NAMP_POOL_MAX ? indices.as<uint8_t>(gpu) : nullptr;
      args.output_gradient = gradient.on(gpu);
      args.input_gradient = input_gradient.on(gpu);
      const int32_t forward = namp_pool2d_forward(device, &args, nullptr);
      return forward != NAMP_OK ? forward : namp_pool2d_backward(device, &args, nullptr);
    });
    output.expect_close(tolerance_of(NAMP_FLOAT16), "output");
    if (pooling == NAMP_POOL_MAX) indices.expect_same_bits("indices");
    input_gradient.expect_close(tolerance_of(NAMP_FLOAT16), "input gradient");
    forget();
  }
}

TEST_F(CudaOperators, attention) {
  for (int32_t dtype : kFloatTypes) {
    for (int32_t causal : {0, 1}) {
      constexpr int64_t kBatch = 2, kHeads = 2, kTime = 37, kDim = 24;
      constexpr int64_t kRow = 3 * kHeads * kDim;
      Twin& packed = twin(dtype, kBatch * kTime * kRow).random(1);
      Twin& output = twin(dtype, kBatch * kTime * kHeads * kDim);
      Twin& log_sums = twin(NAMP_FLOAT32, kBatch * kHeads * kTime);
      Twin& gradient = twin(dtype, kBatch * kTime * kHeads * kDim).random(2);
      Twin& packed_gradient = twin(dtype, kBatch * kTime * kRow);
      run([&](namp_device* device, bool gpu) {
        auto args = sized<namp_attention_args>();
        const int64_t bytes = bytes_of(dtype) * kHeads * kDim;
        args.dtype = dtype;
        args.causal = causal;
        args.scale = 0.2f;
        args.batch = kBatch;
        args.heads = kHeads;
        args.time = kTime;
        args.head_dim = kDim;
        args.query = packed.on(gpu);
        args.key = packed.as<char>(gpu) + bytes;
        args.value = packed.as<char>(gpu) + 2 * bytes;
        args.batch_stride = kTime * kRow;
        args.head_stride = kDim;
        args.time_stride = kRow;
        args.output = output.on(gpu);
        args.output_batch_stride = kTime * kHeads * kDim;
        args.output_head_stride = kDim;
        args.output_time_stride = kHeads * kDim;
        args.log_sum_exp = log_sums.as<float>(gpu);
        args.output_gradient = gradient.on(gpu);
        args.query_gradient = packed_gradient.on(gpu);
        args.key_gradient = packed_gradient.as<char>(gpu) + bytes;
        args.value_gradient = packed_gradient.as<char>(gpu) + 2 * bytes;
        const int32_t forward = namp_attention_forward(device, &args, nullptr);
        return forward != NAMP_OK ? forward : namp_attention_backward(device, &args, nullptr);
      });
      output.expect_close(tolerance_of(dtype), "output");
      log_sums.expect_close(1e-5, "logarithms of sums");
      packed_gradient.expect_close(4 * tolerance_of(dtype), "gradients");
      forget();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace namp_test
