// The four families and element-wise operators on a GPU: the same bits as on the CPU.
#include "adam_group.h"
#include "two_devices.h"

namespace namp_test {
namespace {

using CudaFamilies = TwoDevices;

TEST_F(CudaFamilies, casts_have_the_same_bits) {
  for (int32_t to : kFloats) {
    for (int32_t from : kFloats) {
      for (int64_t count : {0, 1, 7, 8, 9, 67, 1000, 16384, 16391}) {
        for (int64_t shift : {0, 1, 5}) {
          for (int mode = 0; mode < 4; ++mode) {
            if (count > 1000 && (shift != 5 || mode == 2)) continue;
            const auto seed = static_cast<uint32_t>(count);
            Twin& in = twin(from, count, shift);
            mode == 2 ? in.random(seed) : in.random_bits(seed);
            Twin& out = twin(to, count, (shift * 3) % 4);
            Twin& scale = twin(NAMP_FLOAT32, 1).set({1.7});
            run([&](Device& device, bool gpu) {
              auto options = make_args<namp_cast_options>();
              options.rounding = mode == 1 ? NAMP_ROUND_STOCHASTIC : NAMP_ROUND_NEAREST_EVEN;
              options.scale = mode == 2 ? scale.on(gpu).floats() : nullptr;
              options.flags = mode == 3 ? NAMP_CAST_SATURATE : NAMP_CAST_DEFAULT;
              options.seed = 77;
              options.offset = 6;
              return cast(device, cell(out.on(gpu).data(), to), cell(in.on(gpu).data(), from),
                          count, &options);
            });
            out.expect_same_bits(std::to_string(from) + " to " + std::to_string(to) + ", count " +
                                 std::to_string(count) + ", shift " + std::to_string(shift) +
                                 ", mode " + std::to_string(mode));
            forget();
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_F(CudaFamilies, losses_have_the_same_bits) {
  for (int32_t logits_dtype : kFloats) {
    for (int64_t classes : {1, 2, 10, 16, 17, 50, 1023, 3001}) {
      for (int64_t rows : {1, 2, 5, 31}) {
        if (classes > 50 && rows > 5) continue;
        Twin& logits = twin(logits_dtype, rows * classes, 1).random(5);
        Twin& gradient = twin(NAMP_FLOAT16, rows * classes, 1);
        std::vector<double> values;
        for (int64_t r = 0; r < rows; ++r)
          values.push_back(static_cast<double>(r % classes));
        if (rows > 4) values[2] = -100;
        if (rows == 5) values[3] = 99;  // not a class: NaN
        Twin& labels = twin(NAMP_INT32, rows).set(values);
        Twin& loss = twin(NAMP_FLOAT32, 1);
        Twin& scale = twin(NAMP_FLOAT32, 1).set({1024});
        run([&](Device& device, bool gpu) {
          auto args = make_args<namp_cross_entropy_args>();
          args.logits_dtype = logits_dtype;
          args.logits = logits.on(gpu).data();
          args.labels = labels.on(gpu).ints();
          args.rows = rows;
          args.classes = classes;
          args.ignore_index = -100;
          args.mean = 1;
          args.loss = loss.on(gpu).floats();
          args.gradient = gradient.on(gpu).data();
          args.gradient_dtype = NAMP_FLOAT16;
          args.scale = scale.on(gpu).floats();
          return namp_cross_entropy(device, &args, nullptr);
        });
        const std::string what = std::to_string(rows) + " rows of " + std::to_string(classes);
        for (Twin* output : {&loss, &gradient}) {
          if (rows == 5) {
            output->expect_same_numbers(what);
          } else {
            output->expect_same_bits(what);
          }
        }
        forget();
        if (HasFatalFailure()) return;
      }
    }
  }
  for (int64_t count : {1, 9, 1030, 40000}) {
    Twin& prediction = twin(NAMP_BFLOAT16, count, 1).random(1);
    Twin& target = twin(NAMP_FLOAT32, count).random(2);
    Twin& gradient = twin(NAMP_BFLOAT16, count, 1);
    Twin& loss = twin(NAMP_FLOAT32, 1);
    run([&](Device& device, bool gpu) {
      auto args = make_args<namp_mse_args>();
      args.prediction_dtype = NAMP_BFLOAT16;
      args.prediction = prediction.on(gpu).data();
      args.target = target.on(gpu).data();
      args.target_dtype = NAMP_FLOAT32;
      args.mean = 1;
      args.count = count;
      args.loss = loss.on(gpu).floats();
      args.gradient = gradient.on(gpu).data();
      args.gradient_dtype = NAMP_BFLOAT16;
      return namp_mse(device, &args, nullptr);
    });
    loss.expect_same_bits("mean squared error of " + std::to_string(count));
    gradient.expect_same_bits("its gradient");
    forget();
  }
}

TEST_F(CudaFamilies, touching_a_table_leaves_the_same_bits) {
  for (int64_t count : {0, 1, 7, 67, 16384, 16391}) {
    Twin& read = twin(NAMP_FLOAT16, count, 3).random(1);
    Twin& both = twin(NAMP_FLOAT32, count, 1).random(2);
    Twin& halves = twin(NAMP_BFLOAT16, count, 5).random(3);
    Twin& written = twin(NAMP_FLOAT16, count, 2).random(4);
    Twin& checksum = twin(NAMP_INT32, 1);
    run([&](Device& device, bool gpu) {
      const Table table(device, {count},
                        {{read.on(gpu).cell(), both.on(gpu).cell(), halves.on(gpu).cell(),
                          written.on(gpu).cell(), namp_cell{}}});
      const int32_t accesses[] = {NAMP_ACCESS_READ, NAMP_ACCESS_READ_WRITE, NAMP_ACCESS_READ_WRITE,
                                  NAMP_ACCESS_WRITE, NAMP_ACCESS_READ};
      return namp_table_touch(checksum.on(gpu).as<uint32_t>(), table, accesses, nullptr);
    });
    for (Twin* tensor : {&read, &both, &halves, &written, &checksum})
      tensor->expect_same_bits("a column of " + std::to_string(count));
    forget();
    if (HasFatalFailure()) return;
  }
}

TEST_F(CudaFamilies, activations_sums_and_dropout_have_the_same_bits) {
  constexpr int64_t kCount = 1003;
  for (int32_t dtype : kFloats) {
    for (int32_t activation = NAMP_ACTIVATION_NONE; activation <= NAMP_ACTIVATION_TANH;
         ++activation) {
      Twin& input = twin(dtype, kCount, 1).random(1);
      Twin& output = twin(dtype, kCount, 1);
      Twin& gradient = twin(dtype, kCount, 3).random(2);
      Twin& input_gradient = twin(dtype, kCount);
      Twin& sum = twin(NAMP_BFLOAT16, kCount, 2);
      Twin& dropped = twin(dtype, kCount, 1);
      run([&](Device& device, bool gpu) {
        auto args = make_args<namp_activation_args>();
        args.activation = activation;
        args.dtype = dtype;
        args.count = kCount;
        args.input = input.on(gpu).data();
        args.output = output.on(gpu).data();
        args.output_gradient = gradient.on(gpu).data();
        args.input_gradient = input_gradient.on(gpu).data();
        auto add = make_args<namp_add_args>();
        add.out_dtype = NAMP_BFLOAT16;
        add.a_dtype = add.b_dtype = dtype;
        add.alpha = 0.7f;
        add.beta = -1.3f;
        add.count = kCount;
        add.b_period = 17;
        add.out = sum.on(gpu).data();
        add.a = input.on(gpu).data();
        add.b = gradient.on(gpu).data();
        int32_t status = namp_activation_forward(device, &args, nullptr);
        if (status == NAMP_OK) status = namp_activation_backward(device, &args, nullptr);
        if (status == NAMP_OK) status = namp_add(device, &add, nullptr);
        if (status != NAMP_OK) return status;
        return namp_dropout(device, dropped.on(gpu).data(), input.on(gpu).data(), dtype, kCount,
                            0.3f, 42, 5, nullptr, nullptr);
      });
      const std::string what = "activation " + std::to_string(activation);
      output.expect_same_bits(what);
      input_gradient.expect_same_bits("gradient of " + what);
      sum.expect_same_bits("sum");
      dropped.expect_same_bits("dropout");
      forget();
    }
  }
}

// The tensors of an optimizer, of mixed dtypes and alignments, one of them left out.
class CudaOptimizer : public TwoDevices {
 protected:
  static constexpr int32_t kColumns = 6;
  const std::vector<int64_t> counts_ = {3, 1000, 0, 20000, 17, 5};
  const std::vector<int32_t> dtypes_ = {NAMP_FLOAT32,  NAMP_FLOAT16, NAMP_FLOAT16,
                                        NAMP_BFLOAT16, NAMP_FLOAT16, NAMP_FLOAT32};

  void make(bool poisoned, float scale) {
    columns_.clear();
    for (auto& rows : rows_)
      rows.assign(counts_.size(), std::vector<namp_cell>(kColumns));
    for (size_t t = 0; t < counts_.size(); ++t) {
      for (int32_t c = 0; c < kColumns; ++c) {
        const int32_t dtype = c == 0 ? dtypes_[t] : c == 5 ? NAMP_FLOAT16 : NAMP_FLOAT32;
        if (c == 0 && t == 5) continue;
        Twin& column = twin(dtype, counts_[t], static_cast<int64_t>(t % 3) + (c == 5 ? 1 : 0));
        // Squares are not negative.
        column.set(uniform_values(counts_[t], static_cast<uint32_t>(10 * t) + c,
                                  c == 3 || c == 4 ? 0 : -2, 2));
        columns_.push_back(&column);
        for (bool gpu : {false, true}) {
          if (c == 0 && poisoned && t == 3) {
            column.on(gpu).set(1234, kInfinity);
            column.on(gpu).set(19999, kNaN);
          }
          rows_[gpu ? 1 : 0][t][static_cast<size_t>(c)] = column.on(gpu).cell();
        }
      }
    }
    namp_scaler_state start = scaler_of(scale);
    start.hysteresis_left = 1;
    scaler_ = &twin(NAMP_UINT8, sizeof(namp_scaler_state)).set_struct(start);
    state_ = &twin(NAMP_UINT8, sizeof(namp_optimizer_state)).set_struct(namp_optimizer_state{});
    const std::vector<int64_t> none(counts_.size(), 0);
    steps_ = &twin(NAMP_UINT8, static_cast<int64_t>(none.size() * sizeof(int64_t)));
    for (bool gpu : {false, true})
      steps_->on(gpu).set_bytes(none.data());
    facts_ = &twin(NAMP_UINT8, static_cast<int64_t>(counts_.size() * sizeof(namp_overflow_facts)));
  }

  // check, Adam, scaler: one whole step.
  int32_t step(Device& device, bool gpu, int32_t write_column, bool amsgrad, bool stochastic) {
    const Table table(device, counts_, rows_[gpu ? 1 : 0], {0, 1, 0, 1, 0, 1});
    auto* scaler = scaler_->on(gpu).as<namp_scaler_state>();
    auto* state = state_->on(gpu).as<namp_optimizer_state>();
    int32_t status = namp_unscale_check(table, 0, write_column, scaler, state, 1, nullptr);
    namp_optimizer_group group[2]{};
    group[0] = adam_group(1e-3, 0.9, 0.999, 1e-8, 0.01, true, amsgrad);
    group[1] = adam_group(3e-3, 0.8, 0.99, 1e-6, 0.1, false, false, true);
    auto args = make_args<namp_optimizer_args>();
    args.group_count = 2;
    args.groups = group;
    args.rule = NAMP_RULE_ADAM;
    args.columns = {1, 0, {2, 3, 4}, 5, -1};
    args.weight_rounding = stochastic ? NAMP_ROUND_STOCHASTIC : NAMP_ROUND_NEAREST_EVEN;
    args.max_norm = 1.0f;
    args.seed = 9;
    args.advance_step = 1;
    args.steps = steps_->on(gpu).as<int64_t>();
    if (status == NAMP_OK) status = namp_optimizer_step(table, &args, scaler, state, nullptr);
    auto options = make_args<namp_scaler_options>();
    options.growth_interval = 1;
    options.growth_factor = 2;
    options.backoff_factor = 0.5;
    options.maximum_scale = std::numeric_limits<float>::infinity();
    options.hysteresis = 1;
    if (status == NAMP_OK) {
      status = namp_scaler_update(device, scaler, &state, 1, &options, nullptr);
    }
    namp_overflow_facts* found = nullptr;
    if (status == NAMP_OK) status = namp_table_get_facts(&found, table);
    if (status == NAMP_OK) {
      status = namp_memory_copy(device, facts_->on(gpu).data(), found, facts_->size(),
                                NAMP_COPY_DEVICE_TO_DEVICE, nullptr);
    }
    return status;
  }

  void expect_same(const std::string& what) {
    scaler_->expect_same_bits(what + ": scaler state");
    facts_->expect_same_bits(what + ": facts");
    steps_->expect_same_bits(what + ": steps");
    for (size_t c = 0; c < columns_.size(); ++c)
      columns_[c]->expect_same_bits(what + ": cell " + std::to_string(c));
  }

  std::vector<std::vector<namp_cell>> rows_[2];
  std::vector<Twin*> columns_;
  Twin* scaler_ = nullptr;
  Twin* state_ = nullptr;
  Twin* facts_ = nullptr;
  Twin* steps_ = nullptr;
};

TEST_F(CudaOptimizer, a_step_has_the_same_bits) {
  for (int variant = 0; variant < 4; ++variant) {
    make(false, 1024.0f);
    run([&](Device& device, bool gpu) {
      const int32_t write_column = variant == 2 ? 0 : -1;
      const int32_t first = step(device, gpu, write_column, variant == 1, variant == 3);
      return first != NAMP_OK ? first : step(device, gpu, write_column, variant == 1, variant == 3);
    });
    expect_same("variant " + std::to_string(variant));
    state_->expect_same_bits("optimizer state");
    EXPECT_EQ(state_->get<namp_optimizer_state>().step, 2);
    forget();
    if (HasFatalFailure()) return;
  }
}

TEST_F(CudaOptimizer, an_overflow_skips_the_step_and_is_located) {
  make(true, 65536.0f);
  run([&](Device& device, bool gpu) { return step(device, gpu, -1, false, false); });
  expect_same("overflow");  // except the optimizer state's norm, a NaN
  EXPECT_TRUE(std::isnan(state_->get<namp_optimizer_state>().gradient_norm));
  EXPECT_EQ(state_->get<namp_optimizer_state>().step, 0);
  EXPECT_EQ(facts_->get<namp_overflow_facts>(3).non_finite_count, 2);
  EXPECT_EQ(facts_->get<namp_overflow_facts>(3).first_non_finite_index, 1234);
  EXPECT_EQ(scaler_->get<namp_scaler_state>().scale, 32768.0f);
}

}  // namespace
}  // namespace namp_test
