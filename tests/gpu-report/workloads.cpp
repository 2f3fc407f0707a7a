#include "workloads.h"

#include "../native/cells.h"

#include <numeric>

namespace gpu_report {
namespace {

constexpr int32_t f32 = NAMP_FLOAT32;
constexpr int32_t f16 = NAMP_FLOAT16;
constexpr int32_t bf16 = NAMP_BFLOAT16;

std::string short_name(int32_t dtype) {
  return dtype == f32 ? "f32" : dtype == f16 ? "f16" : "bf16";
}

// ---- The optimizer's path ----

Workload cast(int64_t n, int32_t from, int32_t to, bool stochastic = false) {
  return {"cast " + short_name(from) + " to " + short_name(to) + (stochastic ? ", stochastic" : ""),
          "element",
          n,
          d(bytes_of(from) + bytes_of(to)),
          true,
          [=](EmulatedGpu& gpu) -> Call {
            const void* in = gpu.numbers(from, n);
            void* out = gpu.numbers(to, n);
            return [=, &gpu] {
              auto options = sized<namp_cast_options>();
              options.rounding = stochastic ? NAMP_ROUND_STOCHASTIC : NAMP_ROUND_NEAREST_EVEN;
              return namp_test::cast(gpu.device(), namp_test::cell(out, to),
                                     namp_test::cell(in, from), n, &options);
            };
          }};
}

Workload cast_table(int64_t n, int32_t from, int32_t to) {
  return {"cast table " + short_name(from) + " to " + short_name(to),
          "element",
          n,
          d(bytes_of(from) + bytes_of(to)),
          true,
          [=](EmulatedGpu& gpu) -> Call {
            namp_table* table = gpu.table({from, to}, n);
            return [=] { return namp_cast_table(table, 1, 0, nullptr, nullptr); };
          }};
}

Workload scale(int64_t n, int32_t dtype) {
  return {"scale " + short_name(dtype),
          "element",
          n,
          d(2 * bytes_of(dtype)),
          true,
          [=](EmulatedGpu& gpu) -> Call {
            void* data = gpu.numbers(dtype, n);
            const float* factor = gpu.values<float>({1024.0f});
            return [=, &gpu] {
              return namp_test::scale(gpu.device(), namp_test::cell(data, dtype),
                                      namp_test::cell(data, dtype), n, factor);
            };
          }};
}

Workload cross_entropy(int64_t n, int64_t classes, int32_t dtype, bool smooths = false) {
  const int64_t rows = n / classes;
  return {"cross-entropy " + short_name(dtype) + ", " + std::to_string(classes) + " classes" +
              (smooths ? ", smoothed" : ""),
          "logit",
          rows * classes,
          d(2 * bytes_of(dtype)) + 12.0 / d(classes),
          !smooths,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_cross_entropy_args>();
            args.logits_dtype = args.gradient_dtype = dtype;
            args.logits = gpu.numbers(dtype, rows * classes);
            args.gradient = gpu.numbers(dtype, rows * classes);
            args.labels = gpu.values(std::vector<int32_t>(static_cast<size_t>(rows), 3));
            args.rows = rows;
            args.classes = classes;
            args.ignore_index = -100;
            args.mean = 1;
            args.loss = gpu.values<float>({0.0f});
            args.scale = gpu.values<float>({1024.0f});
            args.label_smoothing = smooths ? 0.1f : 0.0f;
            return [=, &gpu] { return namp_cross_entropy(gpu.device(), &args, nullptr); };
          }};
}

Workload mse(int64_t n, int32_t dtype) {
  return {"mse " + short_name(dtype),
          "element",
          n,
          d(3 * bytes_of(dtype)),
          true,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_mse_args>();
            args.prediction_dtype = args.target_dtype = args.gradient_dtype = dtype;
            args.prediction = gpu.numbers(dtype, n);
            args.target = gpu.numbers(dtype, n);
            args.gradient = gpu.numbers(dtype, n);
            args.mean = 1;
            args.count = n;
            args.loss = gpu.values<float>({0.0f});
            return [=, &gpu] { return namp_mse(gpu.device(), &args, nullptr); };
          }};
}

Workload element_loss(int64_t n, int32_t kind, const std::string& name, int32_t dtype) {
  return {name + " " + short_name(dtype),
          "element",
          n,
          d(3 * bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_element_loss_args>();
            args.kind = kind;
            args.beta = 1.0f;
            args.prediction_dtype = args.target_dtype = args.gradient_dtype = dtype;
            args.prediction = gpu.numbers(dtype, n);
            args.target = gpu.numbers(dtype, n);
            args.gradient = gpu.numbers(dtype, n);
            args.mean = 1;
            args.count = n;
            args.loss = gpu.values<float>({0.0f});
            return [=, &gpu] { return namp_element_loss(gpu.device(), &args, nullptr); };
          }};
}

Workload average_table(int64_t n, int32_t dtype) {
  return {"average of weights in " + short_name(dtype),
          "parameter",
          n,
          d(8 + bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            namp_table* table = gpu.table({f32, dtype}, n);
            return [=] { return namp_average_table(table, 0, 1, 0.001f, nullptr); };
          }};
}

struct States {
  namp_scaler_state* scaler;
  namp_optimizer_state* optimizer;
};
States states(EmulatedGpu& gpu) {
  namp_scaler_state scaler{};
  scaler.scale = 1024.0f;
  scaler.inverse_scale = 1.0f / 1024.0f;
  scaler.hysteresis_left = 1;
  return {gpu.values<namp_scaler_state>({scaler}),
          gpu.values<namp_optimizer_state>({namp_optimizer_state{}})};
}

Workload unscale_check(int64_t n, int32_t dtype, bool writes) {
  return {std::string(writes ? "unscale and check " : "check ") + short_name(dtype),
          "gradient",
          n,
          d(bytes_of(dtype) * (writes ? 2 : 1)),
          true,
          [=](EmulatedGpu& gpu) -> Call {
            namp_table* table = gpu.table({dtype}, n);
            const States s = states(gpu);
            return [=] {
              return namp_unscale_check(table, 0, writes ? 0 : -1, s.scaler, s.optimizer, 1,
                                        nullptr);
            };
          }};
}

enum class Copy { none, nearest, stochastic };

// A step of AdamW over a table of gradients, parameters, three columns of state and compute copies.
Call adam_step(EmulatedGpu& gpu, namp_table* table, bool amsgrad, Copy copy) {
  const States s = states(gpu);
  int64_t* const steps = gpu.values<int64_t>({0});
  return [=] {
    namp_optimizer_group group{};
    group.learning_rate = 1e-3;
    group.beta1 = 0.9;
    group.beta2 = 0.999;
    group.epsilon = 1e-8;
    group.weight_decay = 0.01;
    group.decoupled = 1;
    group.amsgrad = amsgrad ? 1 : 0;
    auto args = sized<namp_optimizer_args>();
    args.group_count = 1;
    args.groups = &group;
    args.rule = NAMP_RULE_ADAM;
    args.columns = {1, 0, {2, 3, 4}, copy != Copy::none ? 5 : -1, -1};
    args.weight_rounding =
        copy == Copy::stochastic ? NAMP_ROUND_STOCHASTIC : NAMP_ROUND_NEAREST_EVEN;
    args.advance_step = 1;
    args.steps = steps;
    return namp_optimizer_step(table, &args, s.scaler, s.optimizer, nullptr);
  };
}

Workload adam(int64_t n, int32_t gradient, Copy copy, bool amsgrad = false) {
  const bool has_copy = copy != Copy::none;
  const std::string half = copy == Copy::none      ? ""
                           : copy == Copy::nearest ? ", compute copy"
                                                   : ", stochastic compute copy";
  return {std::string(amsgrad ? "AMSGrad " : "Adam ") + short_name(gradient) + half,
          "parameter",
          n,
          d(bytes_of(gradient) + (amsgrad ? 32 : 24) + (has_copy ? 2 : 0)),
          true,
          [=](EmulatedGpu& gpu) -> Call {
            namp_table* table =
                gpu.table({gradient, f32, f32, f32, f32, gradient == f32 ? f16 : gradient}, n);
            return adam_step(gpu, table, amsgrad, copy);
          }};
}

// Adam with float16 gradients, compute copies and compact states. Packs of 8 codes are 8 bytes.
Workload compact_adam(int64_t n, const std::string& name, int32_t first, int32_t second,
                      double needed_bytes) {
  const bool in_blocks = first >= NAMP_INT8_DYNAMIC && first <= NAMP_UINT8_LINEAR;
  return {"Adam f16, " + name + ", compute copy",
          "parameter",
          n,
          needed_bytes,
          !in_blocks,
          [=](EmulatedGpu& gpu) -> Call {
            return adam_step(gpu, gpu.table({f16, f32, first, second, f32, f16}, n), false,
                             Copy::nearest);
          }};
}

// A rule of one column of state, with float16 gradients and compute copies.
Workload one_state(int64_t n, const std::string& name, int32_t rule, int32_t state = f32) {
  const std::string kept = state == f32 ? "" : ", " + short_name(state) + " state";
  const double needed = d(12 + 2 * bytes_of(state));
  return {name + " f16" + kept + ", compute copy",
          "parameter",
          n,
          needed,
          true,
          [=](EmulatedGpu& gpu) -> Call {
            namp_table* table = gpu.table({f16, f32, state, f16}, n);
            const States s = states(gpu);
            int64_t* const steps = gpu.values<int64_t>({0});
            return [=] {
              namp_optimizer_group group{};
              group.learning_rate = 1e-3;
              group.weight_decay = 0.01;
              if (rule == NAMP_RULE_SGD) group.momentum = 0.9;
              if (rule == NAMP_RULE_LION) {
                group.beta1 = 0.9;
                group.beta2 = 0.99;
                group.decoupled = 1;
              }
              if (rule == NAMP_RULE_RMSPROP) group.beta2 = 0.99;
              auto args = sized<namp_optimizer_args>();
              args.rule = rule;
              args.group_count = 1;
              args.groups = &group;
              args.columns = {1, 0, {2, -1, -1}, 3, -1};
              args.advance_step = 1;
              args.steps = steps;
              return namp_optimizer_step(table, &args, s.scaler, s.optimizer, nullptr);
            };
          }};
}

// The reads and writes of Adam with half gradients and a compute copy, and nothing else: its
// measure.
Workload touch(int64_t n) {
  return {"touch what Adam f16 moves", "parameter", n, 28, true, [=](EmulatedGpu& gpu) -> Call {
            namp_table* table = gpu.table({f16, f32, f32, f32, f16}, n);
            return [=] {
              const int32_t accesses[] = {NAMP_ACCESS_READ, NAMP_ACCESS_READ_WRITE,
                                          NAMP_ACCESS_READ_WRITE, NAMP_ACCESS_READ_WRITE,
                                          NAMP_ACCESS_WRITE};
              return namp_table_touch(nullptr, table, accesses, nullptr);
            };
          }};
}

Workload scaler_update() {
  return {"scaler update",
          "step",
          1,
          2.0 * sizeof(namp_scaler_state) + sizeof(namp_optimizer_state),
          true,
          [](EmulatedGpu& gpu) -> Call {
            const States s = states(gpu);
            return [=, &gpu] {
              auto options = sized<namp_scaler_options>();
              options.growth_interval = 2000;
              options.growth_factor = 2;
              options.backoff_factor = 0.5;
              options.maximum_scale = 65536;
              options.hysteresis = 1;
              namp_optimizer_state* optimizer = s.optimizer;
              return namp_scaler_update(gpu.device(), s.scaler, &optimizer, 1, &options, nullptr);
            };
          }};
}

// ---- Operators of networks ----

Workload activation(int64_t n, int32_t kind, const char* name, int32_t dtype, bool backward) {
  return {std::string(name) + (backward ? " backward " : " ") + short_name(dtype),
          "element",
          n,
          d(bytes_of(dtype) * (backward ? 3 : 2)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_activation_args>();
            args.activation = kind;
            args.dtype = dtype;
            args.count = n;
            args.input = gpu.numbers(dtype, n);
            args.output = gpu.numbers(dtype, n);
            args.output_gradient = gpu.numbers(dtype, n);
            args.input_gradient = gpu.numbers(dtype, n);
            return [=, &gpu] {
              return backward ? namp_activation_backward(gpu.device(), &args, nullptr)
                              : namp_activation_forward(gpu.device(), &args, nullptr);
            };
          }};
}

Workload add(int64_t n, int32_t dtype, int64_t period) {
  return {std::string(period == n ? "add " : "add a row of 1,024, ") + short_name(dtype),
          "element",
          n,
          d(bytes_of(dtype)) * (period == n ? 3 : 2),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_add_args>();
            args.out_dtype = args.a_dtype = args.b_dtype = dtype;
            args.alpha = args.beta = 1.0f;
            args.count = n;
            args.b_period = period;
            args.out = gpu.numbers(dtype, n);
            args.a = gpu.numbers(dtype, n);
            args.b = gpu.numbers(dtype, period);
            return [=, &gpu] { return namp_add(gpu.device(), &args, nullptr); };
          }};
}

Workload multiply(int64_t n, int32_t dtype) {
  return {"multiply " + short_name(dtype),
          "element",
          n,
          d(3 * bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_multiply_args>();
            args.dtype = dtype;
            args.count = args.b_period = n;
            args.out = gpu.numbers(dtype, n);
            args.a = gpu.numbers(dtype, n);
            args.b = gpu.numbers(dtype, n);
            return [=, &gpu] { return namp_multiply(gpu.device(), &args, nullptr); };
          }};
}

// A function of a tensor and, where it reads b, of a column that repeats over rows of 1,024.
Workload map(int64_t n, int32_t function, const char* name, int32_t dtype, bool broadcasts) {
  return {std::string(name) + (broadcasts ? " by a column, " : " ") + short_name(dtype),
          "element",
          n,
          d(2 * bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_map_args>();
            args.function = function;
            args.out_dtype = args.a_dtype = args.b_dtype = dtype;
            args.rank = 2;
            args.p = 1.7f;
            args.shape[0] = n / 1024;
            args.shape[1] = args.out_strides[0] = args.a_strides[0] = 1024;
            args.out_strides[1] = args.a_strides[1] = args.b_strides[0] = 1;
            args.out = gpu.numbers(dtype, n);
            args.a = gpu.numbers(dtype, n);
            args.b = gpu.numbers(dtype, n / 1024);
            return [=, &gpu] { return namp_map(gpu.device(), &args, nullptr); };
          }};
}

Workload reduce(int64_t n, int32_t reduction, const char* name, int32_t dtype, int64_t inner) {
  return {std::string(name) + " over 64 of " + std::to_string(inner) + ", " + short_name(dtype),
          "element",
          n,
          d(bytes_of(dtype)) * 65 / 64,
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_reduce_args>();
            args.reduction = reduction;
            args.out_dtype = args.in_dtype = dtype;
            args.alpha = 1.0f;
            args.outer = n / (64 * inner);
            args.count = 64;
            args.inner = inner;
            args.out = gpu.numbers(dtype, n / 64);
            args.in = gpu.numbers(dtype, n);
            return [=, &gpu] { return namp_reduce(gpu.device(), &args, nullptr); };
          }};
}

Workload dropout(int64_t n, int32_t dtype) {
  return {"dropout " + short_name(dtype),
          "element",
          n,
          d(2 * bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            const void* in = gpu.numbers(dtype, n);
            void* out = gpu.numbers(dtype, n);
            return [=, &gpu] {
              return namp_dropout(gpu.device(), out, in, dtype, n, 0.1f, 7, 0, nullptr, nullptr);
            };
          }};
}

Workload permute(int64_t n, int32_t dtype) {
  const int64_t inner = n / (4 * 32 * 8);
  return {"permute 4x32x8xN to 4x8x32xN, " + short_name(dtype),
          "element",
          4 * 32 * 8 * inner,
          d(2 * bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            const void* in = gpu.numbers(dtype, n);
            void* out = gpu.numbers(dtype, n);
            return [=, &gpu] {
              const int64_t shape[] = {4, 32, 8, inner};
              const int32_t perm[] = {0, 2, 1, 3};
              return namp_permute(gpu.device(), out, in, dtype, 4, shape, perm, nullptr);
            };
          }};
}

// With a smaller output than input, as under autocast, the normalized rows are kept for backward.
Workload layer_norm(int64_t n, int32_t input, int32_t output, bool backward) {
  const int64_t width = 1024;
  const int64_t rows = n / width;
  const bool keeps = bytes_of(output) < bytes_of(input);
  const std::string dtypes = short_name(input) + (keeps ? " to " + short_name(output) : "");
  return {std::string("layer norm") + (backward ? " backward " : " ") + dtypes,
          "element",
          rows * width,
          d(bytes_of(input) + bytes_of(output) * (backward || keeps ? 2 : 1)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_layer_norm_args>();
            args.input_dtype = input;
            args.output_dtype = output;
            args.epsilon = 1e-5f;
            args.rows = rows;
            args.width = width;
            args.input = gpu.numbers(input, n);
            args.output = gpu.numbers(output, n);
            if (keeps) args.normalized = gpu.numbers(output, n);
            args.output_gradient = gpu.numbers(output, n);
            args.input_gradient = gpu.numbers(input, n);
            args.gamma = static_cast<float*>(gpu.numbers(f32, width));
            args.beta = static_cast<float*>(gpu.numbers(f32, width));
            args.gamma_gradient = static_cast<float*>(gpu.numbers(f32, width));
            args.beta_gradient = static_cast<float*>(gpu.numbers(f32, width));
            args.mean = static_cast<float*>(gpu.numbers(f32, rows));
            args.inverse_deviation = static_cast<float*>(gpu.numbers(f32, rows));
            return [=, &gpu] {
              return backward ? namp_layer_norm_backward(gpu.device(), &args, nullptr)
                              : namp_layer_norm_forward(gpu.device(), &args, nullptr);
            };
          }};
}

Workload rms_norm(int64_t n, int32_t dtype, bool backward) {
  const int64_t width = 1024;
  const int64_t rows = n / width;
  return {std::string("RMS norm") + (backward ? " backward " : " ") + short_name(dtype),
          "element",
          rows * width,
          d(bytes_of(dtype) * (backward ? 3 : 2)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_rms_norm_args>();
            args.input_dtype = args.output_dtype = dtype;
            args.epsilon = 1e-6f;
            args.rows = rows;
            args.width = width;
            args.input = gpu.numbers(dtype, n);
            args.output = gpu.numbers(dtype, n);
            args.output_gradient = gpu.numbers(dtype, n);
            args.input_gradient = gpu.numbers(dtype, n);
            args.gamma = static_cast<float*>(gpu.numbers(f32, width));
            args.gamma_gradient = static_cast<float*>(gpu.numbers(f32, width));
            args.inverse_rms = static_cast<float*>(gpu.numbers(f32, rows));
            return [=, &gpu] {
              return backward ? namp_rms_norm_backward(gpu.device(), &args, nullptr)
                              : namp_rms_norm_forward(gpu.device(), &args, nullptr);
            };
          }};
}

Workload batch_norm(int64_t n, int32_t dtype, bool backward) {
  const int64_t channels = 64;
  const int64_t inner = n / (channels * 8);
  return {std::string("batch norm") + (backward ? " backward " : " ") + short_name(dtype),
          "element",
          8 * channels * inner,
          d(bytes_of(dtype) * (backward ? 3 : 2)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_batch_norm_args>();
            args.dtype = dtype;
            args.training = 1;
            args.epsilon = 1e-5f;
            args.momentum = 0.1f;
            args.batch = 8;
            args.channels = channels;
            args.inner = inner;
            args.input = gpu.numbers(dtype, n);
            args.output = gpu.numbers(dtype, n);
            args.output_gradient = gpu.numbers(dtype, n);
            args.input_gradient = gpu.numbers(dtype, n);
            float* const rows = static_cast<float*>(gpu.numbers(f32, 8 * channels));
            args.gamma = rows;
            args.beta = rows + channels;
            args.running_mean = rows + 2 * channels;
            args.running_variance = rows + 3 * channels;
            args.mean = rows + 4 * channels;
            args.inverse_deviation = rows + 5 * channels;
            args.gamma_gradient = rows + 6 * channels;
            args.beta_gradient = rows + 7 * channels;
            return [=, &gpu] {
              return backward ? namp_batch_norm_backward(gpu.device(), &args, nullptr)
                              : namp_batch_norm_forward(gpu.device(), &args, nullptr);
            };
          }};
}

Workload softmax(int64_t n, int32_t dtype, bool backward) {
  const int64_t width = 1024;
  return {std::string("softmax") + (backward ? " backward " : " ") + short_name(dtype),
          "element",
          n / width * width,
          d(bytes_of(dtype) * (backward ? 3 : 2)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_softmax_args>();
            args.input_dtype = args.output_dtype = dtype;
            args.rows = n / width;
            args.width = width;
            args.input = gpu.numbers(dtype, n);
            args.output = gpu.numbers(dtype, n);
            args.output_gradient = gpu.numbers(dtype, n);
            args.input_gradient = gpu.numbers(dtype, n);
            return [=, &gpu] {
              return backward ? namp_softmax_backward(gpu.device(), &args, nullptr)
                              : namp_softmax_forward(gpu.device(), &args, nullptr);
            };
          }};
}

Workload argmax(int64_t n, int32_t dtype) {
  const int64_t width = 1024;
  return {"argmax " + short_name(dtype),
          "element",
          n / width * width,
          d(bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            const void* in = gpu.numbers(dtype, n);
            auto* out = static_cast<int32_t*>(gpu.numbers(NAMP_INT32, n / width));
            return [=, &gpu] {
              return namp_argmax(gpu.device(), out, in, dtype, n / width, width, nullptr);
            };
          }};
}

Workload sum(int64_t n, int32_t dtype, bool columns) {
  const int64_t channels = columns ? 1024 : 64;
  const int64_t outer = columns ? n / channels : 8;
  const int64_t inner = columns ? 1 : n / channels / outer;
  return {std::string(columns ? "sum of columns " : "sum of channels ") + short_name(dtype),
          "element",
          outer * channels * inner,
          d(bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_sum_args>();
            args.in_dtype = dtype;
            args.out_dtype = f32;
            args.alpha = 1.0f;
            args.outer = outer;
            args.channels = channels;
            args.inner = inner;
            args.in = gpu.numbers(dtype, n);
            args.out = gpu.numbers(f32, channels);
            return [=, &gpu] { return namp_sum(gpu.device(), &args, nullptr); };
          }};
}

Workload embedding(int64_t n, int32_t dtype, bool backward) {
  const int64_t width = 256;
  const int64_t vocabulary = 256;
  const int64_t count = n / width;
  return {std::string("embedding") + (backward ? " backward " : " ") + short_name(dtype),
          "element",
          count * width,
          backward ? d(bytes_of(dtype)) + 4.0 * d(vocabulary) / d(count) : 4 + d(bytes_of(dtype)),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_embedding_args>();
            std::vector<int32_t> indices(static_cast<size_t>(count));
            for (size_t i = 0; i < indices.size(); ++i)
              indices[i] = static_cast<int32_t>(i * 37 % static_cast<size_t>(vocabulary));
            args.weight_dtype = f32;
            args.output_dtype = dtype;
            args.count = count;
            args.vocabulary = vocabulary;
            args.width = width;
            args.indices = gpu.values(indices);
            args.weight = gpu.numbers(f32, vocabulary * width);
            args.output = gpu.numbers(dtype, n);
            args.output_gradient = gpu.numbers(dtype, n);
            args.weight_gradient = static_cast<float*>(gpu.numbers(f32, vocabulary * width));
            return [=, &gpu] {
              return backward ? namp_embedding_backward(gpu.device(), &args, nullptr)
                              : namp_embedding_forward(gpu.device(), &args, nullptr);
            };
          }};
}

Workload pool(int64_t n, int32_t dtype, bool backward) {
  const int64_t side = 32;
  const int64_t planes = n / (side * side);
  return {std::string("max pool 2x2") + (backward ? " backward " : " ") + short_name(dtype),
          "input",
          planes * side * side,
          1.25 * d(bytes_of(dtype)) + 0.25,
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_pool2d_args>();
            args.dtype = dtype;
            args.pooling = NAMP_POOL_MAX;
            args.planes = planes;
            args.in_h = args.in_w = side;
            args.kernel_h = args.kernel_w = args.stride_h = args.stride_w = 2;
            args.input = gpu.numbers(dtype, n);
            args.output = gpu.numbers(dtype, n / 4);
            args.indices = gpu.values(std::vector<uint8_t>(static_cast<size_t>(n / 4), 1));
            args.output_gradient = gpu.numbers(dtype, n / 4);
            args.input_gradient = gpu.numbers(dtype, n);
            return [=, &gpu] {
              return backward ? namp_pool2d_backward(gpu.device(), &args, nullptr)
                              : namp_pool2d_forward(gpu.device(), &args, nullptr);
            };
          }};
}

// A product with a bias, as a linear layer has it, of side x side elements. transposes: "nt" for B stored
// transposed.
constexpr int64_t kDepth = 128;
Workload gemm(int64_t side, int32_t dtype, const std::string& transposes = "nn", int compute = 80) {
  const int64_t products = side * side * kDepth;
  return {"gemm " + short_name(dtype) + ", " + std::to_string(side) + " x " + std::to_string(side) +
              " x " + std::to_string(kDepth) + ", " + transposes,
          "product",
          products,
          d(side * (2 * kDepth + side + 1) * bytes_of(dtype)) / d(products),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_gemm_args>();
            args.a_dtype = args.b_dtype = args.c_dtype = args.bias_dtype = dtype;
            args.transpose_a = transposes[0] == 't';
            args.transpose_b = transposes[1] == 't';
            args.m = args.n = args.ldc = side;
            args.k = kDepth;
            args.lda = args.transpose_a != 0 ? side : kDepth;
            args.ldb = args.transpose_b != 0 ? kDepth : side;
            args.batch = 1;
            args.a = gpu.numbers(dtype, side * kDepth);
            args.b = gpu.numbers(dtype, side * kDepth);
            args.c = gpu.numbers(dtype, side * side);
            args.bias = gpu.numbers(dtype, side);
            args.alpha = 1.0f;
            return [=, &gpu] { return namp_gemm(gpu.device(), &args, nullptr); };
          },
          compute};
}

// C's rows begin at odd places, and it is just large enough to be made of copies of B and C.
Workload odd_gemm(int32_t dtype) {
  const int64_t m = 256, n = 1017, k = 1040;
  return {"product " + short_name(dtype) + ", 256 x 1017 x 1040, rows at odd places",
          "product",
          m * n * k,
          d((m * k + k * n + m * n) * bytes_of(dtype)) / d(m * n * k),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_gemm_args>();
            args.a_dtype = args.b_dtype = args.c_dtype = dtype;
            args.transpose_b = 1;
            args.m = m;
            args.n = args.ldc = n;
            args.k = args.lda = args.ldb = k;
            args.a = gpu.numbers(dtype, m * k);
            args.b = gpu.numbers(dtype, n * k);
            args.c = gpu.numbers(dtype, m * n);
            args.alpha = 1.0f;
            return [=, &gpu] { return namp_gemm(gpu.device(), &args, nullptr); };
          }};
}

enum class Direction { forward, data, weights };
// Of as many channels as it makes. The number of channels, and of images, decides the tile of products.
Workload convolution(int64_t channels, int32_t dtype, Direction direction, int compute = 80,
                     bool depthwise = false) {
  const int64_t batch = channels == 64 ? 8 : 2, side = 16, kernel = 3;
  const int64_t pixels = batch * channels * side * side;
  const int64_t inputs = depthwise ? 1 : channels;  // of an output
  const char* which = direction == Direction::forward ? ""
                      : direction == Direction::data  ? " data"
                                                      : " weights";
  return {(depthwise ? "depthwise 3x3" : "convolution 3x3") + std::string(which) + " " +
              short_name(dtype) + ", " + std::to_string(channels) + " channels",
          "product",
          pixels * inputs * kernel * kernel,
          (2 * d(pixels) + d(channels * inputs * kernel * kernel)) * d(bytes_of(dtype)) /
              d(pixels * inputs * kernel * kernel),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_conv2d_args>();
            args.dtype = args.weight_gradient_dtype = args.bias_gradient_dtype = dtype;
            args.batch = batch;
            args.in_channels = args.out_channels = channels;
            args.in_h = args.in_w = side;
            args.kernel_h = args.kernel_w = kernel;
            args.stride_h = args.stride_w = args.pad_h = args.pad_w = args.dilation_h =
                args.dilation_w = 1;
            args.groups = channels / inputs;
            args.input = gpu.numbers(dtype, pixels);
            args.weight = gpu.numbers(dtype, channels * inputs * kernel * kernel);
            args.output = gpu.numbers(dtype, pixels);
            args.output_gradient = gpu.numbers(dtype, pixels);
            args.input_gradient = gpu.numbers(dtype, pixels);
            args.weight_gradient = gpu.numbers(dtype, channels * inputs * kernel * kernel);
            return [=, &gpu] {
              return direction == Direction::forward
                         ? namp_conv2d_forward(gpu.device(), &args, nullptr)
                     : direction == Direction::data
                         ? namp_conv2d_backward_data(gpu.device(), &args, nullptr)
                         : namp_conv2d_backward_weights(gpu.device(), &args, nullptr);
            };
          },
          compute};
}

// With a stride: of three channels, as the first of a network, or of one tap.
Workload strided_convolution(int64_t channels, int64_t kernel, int32_t dtype, Direction direction,
                             int compute = 80) {
  // Of few channels enough images for the tile of few rows.
  const int64_t batch = channels < 8 ? 16 : 2, made = 16, side = 16, stride = 2;
  const int64_t inputs = batch * channels * side * side;
  const int64_t outputs = batch * made * (side / stride) * (side / stride);
  const int64_t weights = made * channels * kernel * kernel;
  const int64_t products = outputs * channels * kernel * kernel;
  const char* which = direction == Direction::forward ? ""
                      : direction == Direction::data  ? " data"
                                                      : " weights";
  return {"convolution stride 2" + std::string(which) + " " + short_name(dtype) + ", " +
              std::to_string(channels) + " channels",
          "product",
          products,
          d((inputs + outputs + weights) * bytes_of(dtype)) / d(products),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_conv2d_args>();
            args.dtype = args.weight_gradient_dtype = args.bias_gradient_dtype = dtype;
            args.batch = batch;
            args.in_channels = channels;
            args.out_channels = made;
            args.in_h = args.in_w = side;
            args.kernel_h = args.kernel_w = kernel;
            args.stride_h = args.stride_w = stride;
            args.pad_h = args.pad_w = kernel / 2;
            args.dilation_h = args.dilation_w = args.groups = 1;
            args.input = gpu.numbers(dtype, inputs);
            args.weight = gpu.numbers(dtype, weights);
            args.output = gpu.numbers(dtype, outputs);
            args.output_gradient = gpu.numbers(dtype, outputs);
            args.input_gradient = gpu.numbers(dtype, inputs);
            args.weight_gradient = gpu.numbers(dtype, weights);
            return [=, &gpu] {
              return direction == Direction::forward
                         ? namp_conv2d_forward(gpu.device(), &args, nullptr)
                     : direction == Direction::data
                         ? namp_conv2d_backward_data(gpu.device(), &args, nullptr)
                         : namp_conv2d_backward_weights(gpu.device(), &args, nullptr);
            };
          },
          compute};
}

Workload attention(int32_t dtype, int64_t dim, bool backward) {
  const int64_t heads = 1, time = 128;
  const int64_t elements = heads * time * dim;
  return {
      "attention of " + std::to_string(dim) + (backward ? " backward " : " ") + short_name(dtype),
      "score",
      heads * time * time,
      d(elements * bytes_of(dtype)) * (backward ? 8 : 4) / d(heads * time * time),
      false,
      [=](EmulatedGpu& gpu) -> Call {
        auto args = sized<namp_attention_args>();
        args.dtype = dtype;
        args.scale = 0.125f;
        args.batch = 1;
        args.heads = args.key_heads = heads;
        args.query_time = args.key_time = time;
        args.head_dim = dim;
        args.query = gpu.numbers(dtype, elements);
        args.key = gpu.numbers(dtype, elements);
        args.value = gpu.numbers(dtype, elements);
        args.query_batch_stride = args.key_batch_stride = args.output_batch_stride = elements;
        args.query_head_stride = args.key_head_stride = args.output_head_stride = time * dim;
        args.query_time_stride = args.key_time_stride = args.output_time_stride = dim;
        args.output = gpu.numbers(dtype, elements);
        args.log_sum_exp = static_cast<float*>(gpu.numbers(f32, heads * time));
        args.output_gradient = gpu.numbers(dtype, elements);
        args.query_gradient = gpu.numbers(dtype, elements);
        args.key_gradient = gpu.numbers(dtype, elements);
        args.value_gradient = gpu.numbers(dtype, elements);
        return [=, &gpu] {
          return backward ? namp_attention_backward(gpu.device(), &args, nullptr)
                          : namp_attention_forward(gpu.device(), &args, nullptr);
        };
      }};
}

}  // namespace

std::vector<Workload> workloads(int64_t n) {
  const int64_t some = n / 4;
  std::vector<Workload> all{
      cast(n, f32, f16),
      cast(n, f32, bf16),
      cast(n, f16, f32),
      cast(n, bf16, f32),
      cast(n, f32, f16, true),
      cast(n, f32, bf16, true),
      cast_table(n, f32, f16),
      scale(n, f32),
      scale(n, f16),
      scale(n, bf16),
      cross_entropy(n, 1024, f32),
      cross_entropy(n, 1024, f16),
      cross_entropy(n, 1024, bf16),
      cross_entropy(n, 50257, bf16),
      cross_entropy(n, 1024, bf16, true),
      mse(n, f32),
      mse(n, f16),
      // Two bytes an element: at n of them, what each block fetches once is a per cent.
      unscale_check(4 * n, f16, false),
      unscale_check(4 * n, bf16, false),
      unscale_check(4 * n, f32, false),
      unscale_check(4 * n, f16, true),
      adam(n, f32, Copy::none),
      adam(n, f16, Copy::nearest),
      adam(n, bf16, Copy::nearest),
      adam(n, bf16, Copy::stochastic),
      adam(n, f16, Copy::nearest, true),
      one_state(n, "SGD", NAMP_RULE_SGD),
      one_state(n, "Lion", NAMP_RULE_LION),
      one_state(n, "RMSprop", NAMP_RULE_RMSPROP),
      compact_adam(n, "bf16 states", bf16, bf16, 20),
      compact_adam(n, "8-bit states", NAMP_INT8_DYNAMIC, NAMP_UINT8_DYNAMIC, 16.0625),
      one_state(n, "SGD", NAMP_RULE_SGD, bf16),
      one_state(n, "Lion", NAMP_RULE_LION, bf16),
      one_state(n, "RMSprop", NAMP_RULE_RMSPROP, bf16),
      touch(n),
      scaler_update(),
      activation(some, NAMP_ACTIVATION_RELU, "ReLU", f16, false),
      activation(some, NAMP_ACTIVATION_RELU, "ReLU", f16, true),
      activation(some, NAMP_ACTIVATION_GELU_TANH, "GELU (tanh)", bf16, false),
      activation(some, NAMP_ACTIVATION_GELU_TANH, "GELU (tanh)", bf16, true),
      activation(some, NAMP_ACTIVATION_GELU, "GELU", bf16, false),
      add(some, f16, some),
      add(some, f16, 1024),
      multiply(some, bf16),
      element_loss(some, NAMP_LOSS_SMOOTH_L1, "smooth L1", f16),
      element_loss(some, NAMP_LOSS_BINARY_CROSS_ENTROPY, "binary cross-entropy", f16),
      average_table(some, bf16),
      map(some, NAMP_FUNCTION_EXP, "exp", f16, false),
      map(some, NAMP_FUNCTION_POW, "pow", f16, false),
      map(some, NAMP_FUNCTION_DIVIDE, "divide", f16, true),
      reduce(some, NAMP_REDUCTION_SUM, "sum", f16, 128),
      reduce(some, NAMP_REDUCTION_MAX, "max", f16, 128),
      reduce(some, NAMP_REDUCTION_MAX, "max", f16, 1),
      dropout(some, f16),
      permute(some, f16),
      layer_norm(some, f16, f16, false),
      layer_norm(some, f16, f16, true),
      layer_norm(some, f32, f16, false),
      layer_norm(some, f32, f16, true),
      rms_norm(some, f16, false),
      rms_norm(some, f16, true),
      batch_norm(some, f16, false),
      batch_norm(some, f16, true),
      softmax(some, f16, false),
      softmax(some, f16, true),
      argmax(some, f16),
      sum(some, f16, true),
      sum(some, f16, false),
      embedding(some, f16, false),
      embedding(some, f16, true),
      pool(some, f16, false),
      pool(some, f16, true),
      gemm(128, f32),
  };
  // Columns of float32, and a kernel for each of the others.
  for (const Direction direction : {Direction::forward, Direction::data, Direction::weights}) {
    all.push_back(convolution(16, f32, direction));
    all.push_back(convolution(16, f16, direction, 80, true));
    all.push_back(strided_convolution(3, 7, f16, direction));
    all.push_back(strided_convolution(16, 1, f16, direction));
    all.push_back(strided_convolution(3, 7, bf16, direction));
    all.push_back(strided_convolution(3, 7, f16, direction, 75));
    for (const int64_t channels : {16, 64, 128}) {
      for (const int32_t dtype : {f16, bf16})
        all.push_back(convolution(channels, dtype, direction));
      all.push_back(convolution(channels, f16, direction, 75));
    }
  }
  // A kernel for each of these, and one for wider heads.
  for (const bool backward : {false, true}) {
    for (const int32_t dtype : {f32, f16, bf16}) {
      for (const int64_t dim : {32, 64, 128, 192, 256})
        all.push_back(attention(dtype, dim, backward));
    }
    all.push_back(attention(f16, 264, backward));
  }
  // A kernel for each of these: the side decides the tile.
  for (const int64_t side : {128, 256}) {
    for (const char* transposes : {"nn", "nt", "tn", "tt"}) {
      for (const int32_t dtype : {f16, bf16})
        all.push_back(gemm(side, dtype, transposes));
      all.push_back(gemm(side, f16, transposes, 75));
    }
  }
  all.push_back(odd_gemm(bf16));
  for (Workload& one : integer_workloads(some))
    all.push_back(std::move(one));
  return all;
}

}  // namespace gpu_report
