// The four families on a GPU, bit for bit those of the CPU.
#include <limits>

#include "two_devices.h"

namespace namp_test {
namespace {

using CudaFamilies = TwoDevices;

TEST_F(CudaFamilies, casts_have_the_same_bits) {
  for (int32_t to : kFloatTypes) {
    for (int32_t from : kFloatTypes) {
      for (int64_t count : {0, 1, 7, 8, 9, 67, 1000, 16384, 16391}) {
        for (int64_t shift : {0, 1, 5}) {
          for (int mode = 0; mode < 4; ++mode) {
            if (count > 1000 && (shift != 5 || mode == 2)) continue;
            Twin& in = twin(from, count, shift).random(static_cast<uint32_t>(count), mode != 2);
            Twin& out = twin(to, count, (shift * 3) % 4);
            Twin& scale = twin(NAMP_FLOAT32, 1).set<float>({1.7f});
            run([&](namp_device* device, bool gpu) {
              auto options = sized<namp_cast_options>();
              options.rounding = mode == 1 ? NAMP_ROUND_STOCHASTIC : NAMP_ROUND_NEAREST_EVEN;
              options.scale = mode == 2 ? scale.as<float>(gpu) : nullptr;
              options.flags = mode == 3 ? NAMP_CAST_SATURATE : NAMP_CAST_DEFAULT;
              options.seed = 77;
              options.offset = 6;
              return namp_cast(device, out.on(gpu), to, in.on(gpu), from, count, &options, nullptr);
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
  for (int32_t logits_dtype : kFloatTypes) {
    for (int64_t classes : {1, 2, 10, 16, 17, 50}) {
      for (int64_t rows : {1, 2, 5, 31}) {
        Twin& logits = twin(logits_dtype, rows * classes, 1).random(5);
        Twin& gradient = twin(NAMP_FLOAT16, rows * classes, 1);
        std::vector<int32_t> values;
        for (int64_t r = 0; r < rows; ++r)
          values.push_back(static_cast<int32_t>(r % classes));
        if (rows > 4) values[2] = -100;
        if (rows == 5) values[3] = 99;
        Twin& labels = twin(NAMP_INT32, rows).set(values);
        Twin& loss = twin(NAMP_FLOAT32, 1).zero();
        Twin& scale = twin(NAMP_FLOAT32, 1).set<float>({1024.0f});
        run([&](namp_device* device, bool gpu) {
          auto args = sized<namp_cross_entropy_args>();
          args.logits_dtype = logits_dtype;
          args.logits = logits.on(gpu);
          args.labels = labels.as<int32_t>(gpu);
          args.rows = rows;
          args.classes = classes;
          args.ignore_index = -100;
          args.mean = 1;
          args.loss = loss.as<float>(gpu);
          args.gradient = gradient.on(gpu);
          args.gradient_dtype = NAMP_FLOAT16;
          args.scale = scale.as<float>(gpu);
          return namp_cross_entropy(device, &args, nullptr);
        });
        const std::string what = std::to_string(rows) + " rows of " + std::to_string(classes);
        if (rows != 5) loss.expect_same_bits("loss of " + what);
        loss.expect_close(0, "loss of " + what);
        gradient.expect_close(0, "gradient of " + what);  // NaNs of any kind
        if (rows != 5) gradient.expect_same_bits("gradient of " + what);
        forget();
        if (HasFatalFailure()) return;
      }
    }
  }
  for (int64_t count : {1, 9, 1030, 40000}) {
    Twin& prediction = twin(NAMP_BFLOAT16, count, 1).random(1);
    Twin& target = twin(NAMP_FLOAT32, count).random(2);
    Twin& gradient = twin(NAMP_BFLOAT16, count, 1);
    Twin& loss = twin(NAMP_FLOAT32, 1).zero();
    run([&](namp_device* device, bool gpu) {
      auto args = sized<namp_mse_args>();
      args.prediction_dtype = NAMP_BFLOAT16;
      args.prediction = prediction.on(gpu);
      args.target = target.on(gpu);
      args.target_dtype = NAMP_FLOAT32;
      args.mean = 1;
      args.count = count;
      args.loss = loss.as<float>(gpu);
      args.gradient = gradient.on(gpu);
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
    Twin& checksum = twin(NAMP_FLOAT32, 1);
    run([&](namp_device* device, bool gpu) {
      const namp_cell cells[] = {{read.on(gpu), NAMP_FLOAT16, 0},
                                 {both.on(gpu), NAMP_FLOAT32, 0},
                                 {halves.on(gpu), NAMP_BFLOAT16, 0},
                                 {written.on(gpu), NAMP_FLOAT16, 0},
                                 {nullptr, 0, 0}};
      auto description = sized<namp_table_description>();
      description.column_count = 5;
      description.tensor_count = 1;
      description.counts = &count;
      description.cells = cells;
      namp_table* table = nullptr;
      EXPECT_EQ(namp_table_create(&table, device, &description), NAMP_OK);
      const int32_t accesses[] = {NAMP_ACCESS_READ, NAMP_ACCESS_READ_WRITE, NAMP_ACCESS_READ_WRITE,
                                  NAMP_ACCESS_WRITE, NAMP_ACCESS_READ};
      const int32_t status = namp_table_touch(checksum.as<uint32_t>(gpu), table, accesses, nullptr);
      EXPECT_EQ(namp_table_destroy(table), NAMP_OK);
      return status;
    });
    for (Twin* tensor : {&read, &both, &halves, &written, &checksum})
      tensor->expect_same_bits("a column of " + std::to_string(count));
    forget();
    if (HasFatalFailure()) return;
  }
}

// What an optimizer works on: five tensors of mixed dtypes and alignments, one of them left out.
class CudaOptimizer : public TwoDevices {
 protected:
  static constexpr int32_t kColumns = 6;
  const std::vector<int64_t> counts = {3, 1000, 0, 20000, 17, 5};
  const std::vector<int32_t> dtypes = {NAMP_FLOAT32,  NAMP_FLOAT16, NAMP_FLOAT16,
                                       NAMP_BFLOAT16, NAMP_FLOAT16, NAMP_FLOAT32};

  void make(bool poisoned, float scale) {
    const auto tensors = static_cast<int64_t>(counts.size());
    for (int gpu = 0; gpu < 2; ++gpu)
      cells[gpu].assign(static_cast<size_t>(tensors * kColumns), namp_cell{});
    for (size_t t = 0; t < counts.size(); ++t) {
      for (int32_t c = 0; c < kColumns; ++c) {
        const int32_t dtype = c == 0 ? dtypes[t] : c == 5 ? NAMP_FLOAT16 : NAMP_FLOAT32;
        if (c == 0 && t == 5) continue;
        Twin& column = twin(dtype, counts[t], static_cast<int64_t>(t % 3) + (c == 5 ? 1 : 0));
        column.random(static_cast<uint32_t>(10 * t) + static_cast<uint32_t>(c));
        if (c == 3 || c == 4) {  // squares are not negative
          for (int64_t i = 0; i < counts[t]; ++i)
            column.as<float>(false)[i] = std::abs(column.as<float>(false)[i]);
        }
        columns.push_back(&column);
        for (int gpu = 0; gpu < 2; ++gpu) {
          cells[gpu][t * kColumns + static_cast<size_t>(c)] = {column.on(gpu != 0), dtype, 0};
        }
        if (c == 0 && poisoned && t == 3) {
          const uint16_t bad[2] = {0x7f80, 0x7fc0};
          std::memcpy(column.as<uint16_t>(false) + 1234, &bad[0], 2);
          std::memcpy(column.as<uint16_t>(false) + 19999, &bad[1], 2);
        }
      }
    }
    scaler = &twin(NAMP_UINT8, sizeof(namp_scaler_state));
    namp_scaler_state s{};
    s.scale = scale;
    s.inverse_scale = static_cast<float>(1.0 / static_cast<double>(scale));
    s.hysteresis_left = 1;
    scaler->set<namp_scaler_state>({s});
    state = &twin(NAMP_UINT8, sizeof(namp_optimizer_state)).zero();
    groups = {0, 1, 0, 1, 0, 1};
    facts = &twin(NAMP_UINT8, tensors * static_cast<int64_t>(sizeof(namp_overflow_facts))).zero();
  }

  namp_table* table(namp_device* device, bool gpu) {
    auto description = sized<namp_table_description>();
    description.column_count = kColumns;
    description.tensor_count = static_cast<int64_t>(counts.size());
    description.counts = counts.data();
    description.cells = cells[gpu ? 1 : 0].data();
    description.groups = groups.data();
    namp_table* made = nullptr;
    EXPECT_EQ(namp_table_create(&made, device, &description), NAMP_OK) << namp_last_error_message();
    return made;
  }

  // check, Adam, scaler: one whole step.
  int32_t step(namp_device* device, bool gpu, int32_t write_column, bool amsgrad, bool stochastic) {
    namp_table* t = table(device, gpu);
    auto* scaler_state = scaler->as<namp_scaler_state>(gpu);
    auto* optimizer = state->as<namp_optimizer_state>(gpu);
    int32_t status = namp_unscale_check(t, 0, write_column, scaler_state, optimizer, 1, nullptr);
    namp_adam_group group[2]{};
    group[0] = {1e-3, 0.9, 0.999, 1e-8, 0.01, 1, amsgrad ? 1 : 0, 0, 0};
    group[1] = {3e-3, 0.8, 0.99, 1e-6, 0.1, 0, 0, 1, 0};
    auto args = sized<namp_adam_args>();
    args.group_count = 2;
    args.groups = group;
    args.columns = {1, 0, 2, 3, 4, 5};
    args.half_copy_rounding = stochastic ? NAMP_ROUND_STOCHASTIC : NAMP_ROUND_NEAREST_EVEN;
    args.max_norm = 1.0f;
    args.seed = 9;
    args.advance_step = 1;
    if (status == NAMP_OK) status = namp_adam_step(t, &args, scaler_state, optimizer, nullptr);
    auto options = sized<namp_scaler_options>();
    options.growth_interval = 1;
    options.growth_factor = 2;
    options.backoff_factor = 0.5;
    options.maximum_scale = std::numeric_limits<float>::infinity();
    options.hysteresis = 1;
    if (status == NAMP_OK) {
      status = namp_scaler_update(device, scaler_state, &optimizer, 1, &options, nullptr);
    }
    namp_overflow_facts* found = nullptr;
    if (status == NAMP_OK) status = namp_table_get_facts(&found, t);
    if (status == NAMP_OK) {
      status = namp_memory_copy(device, facts->on(gpu), found, facts->count(),
                                NAMP_COPY_DEVICE_TO_DEVICE, nullptr);
    }
    namp_table_destroy(t);
    return status;
  }

  void expect_same(const std::string& what) {
    state->expect_same_bits(what + ": optimizer state");
    scaler->expect_same_bits(what + ": scaler state");
    facts->expect_same_bits(what + ": facts");
    for (size_t c = 0; c < columns.size(); ++c)
      columns[c]->expect_same_bits(what + ": cell " + std::to_string(c));
  }

  std::vector<namp_cell> cells[2];
  std::vector<int32_t> groups;
  std::vector<Twin*> columns;
  Twin* scaler = nullptr;
  Twin* state = nullptr;
  Twin* facts = nullptr;
};

TEST_F(CudaOptimizer, a_step_has_the_same_bits) {
  for (int variant = 0; variant < 4; ++variant) {
    columns.clear();
    make(false, 1024.0f);
    run([&](namp_device* device, bool gpu) {
      const int32_t write_column = variant == 2 ? 0 : -1;
      const int32_t first = step(device, gpu, write_column, variant == 1, variant == 3);
      return first != NAMP_OK ? first : step(device, gpu, write_column, variant == 1, variant == 3);
    });
    expect_same("variant " + std::to_string(variant));
    EXPECT_EQ(state->as<namp_optimizer_state>(false)->step, 2);
    forget();
    if (HasFatalFailure()) return;
  }
}

TEST_F(CudaOptimizer, an_overflow_skips_the_step_and_is_located) {
  make(true, 65536.0f);
  run([&](namp_device* device, bool gpu) { return step(device, gpu, -1, false, false); });
  // NaN norms differ in their bits.
  EXPECT_TRUE(std::isnan(state->as<namp_optimizer_state>(false)->gradient_norm));
  state->as<namp_optimizer_state>(false)->gradient_norm = 0;
  scaler->expect_same_bits("scaler state");
  facts->expect_same_bits("facts");
  for (Twin* column : columns)
    column->expect_same_bits("a cell");
  const auto* found = facts->as<namp_overflow_facts>(false);
  EXPECT_EQ(found[3].non_finite_count, 2);
  EXPECT_EQ(found[3].first_non_finite_index, 1234);
  EXPECT_EQ(scaler->as<namp_scaler_state>(false)->scale, 32768.0f);
}

}  // namespace
}  // namespace namp_test
