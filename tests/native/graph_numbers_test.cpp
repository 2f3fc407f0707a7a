// Numbers that calls read on the device, where a graph's launches find those of the moment: by calls on
// both devices, and by launches.
#include <cmath>

#include "adam_group.h"
#include "graph_test.h"

namespace namp_test {
namespace {

class DeviceNumbers : public GraphTest {
 protected:
  // Dropout with a base on the device, launched or called.
  void expect_words_from_a_base(bool captures) {
    void *in = allocate(), *out = allocate();
    upload(in, 1);
    auto* base = static_cast<uint64_t*>(allocate(8));
    const auto set_base = [&](uint64_t value) {
      EXPECT_EQ(namp_memory_copy(device_, base, &value, 8, NAMP_COPY_HOST_TO_DEVICE, stream_),
                NAMP_OK);
    };
    const auto drop = [&](uint64_t offset, const uint64_t* from) {
      ASSERT_EQ(
          namp_dropout(device_, out, in, NAMP_FLOAT32, kCount, 0.5f, 7, offset, from, stream_),
          NAMP_OK);
    };
    set_base(0);
    drop(3, base);
    namp_graph* graph = nullptr;
    if (captures) {
      begin();
      drop(3, base);
      graph = end();
    }
    for (const uint64_t value : {uint64_t{0}, uint64_t{5001}, uint64_t{1} << 40}) {
      set_base(value);
      if (captures)
        launch(graph);
      else
        drop(3, base);
      const std::vector<float> drawn = download(out);
      drop(3 + value, nullptr);
      EXPECT_EQ(drawn, download(out)) << value;
    }
    destroy(graph);
    for (void* memory : {in, out, static_cast<void*>(base)})
      free(memory);
  }

  void expect_rows_from_the_device(bool captures) {
    constexpr int kSteps = 6;
    std::vector<std::vector<float>> results;
    for (const bool on_device : {false, true}) {
      void *gradient = allocate(), *parameter = allocate(), *m = allocate(), *v = allocate();
      upload(gradient, 0.5f);
      upload(parameter, 1);
      upload(m, 0);
      upload(v, 0);
      const std::vector<namp_cell> cells = {cell(gradient, NAMP_FLOAT32),
                                            cell(parameter, NAMP_FLOAT32), cell(m, NAMP_FLOAT32),
                                            cell(v, NAMP_FLOAT32)};
      auto description = make_args<namp_table_description>();
      description.column_count = 4;
      description.tensor_count = 1;
      description.counts = &kCount;
      description.cells = cells.data();
      namp_table* table = nullptr;
      ASSERT_EQ(namp_table_create(&table, device_, &description), NAMP_OK);
      auto* state = static_cast<namp_optimizer_state*>(allocate(sizeof(namp_optimizer_state)));
      auto* steps = static_cast<int64_t*>(allocate(8));
      auto* rows = static_cast<namp_optimizer_rows*>(
          allocate(sizeof(namp_optimizer_rows) + 2 * sizeof(namp_optimizer_group)));
      for (const auto& [memory, bytes] :
           {std::pair<void*, int64_t>{state, sizeof(namp_optimizer_state)}, {steps, 8}})
        ASSERT_EQ(namp_memory_fill(device_, memory, 0, bytes, stream_), NAMP_OK);

      std::vector<namp_optimizer_group> groups(2);
      auto args = make_args<namp_optimizer_args>();
      args.rule = NAMP_RULE_ADAM;
      args.columns = {1, 0, {2, 3, -1}, -1, -1};
      args.group_count = 1;
      args.row_count = 2;
      args.advance_step = 1;
      args.check_gradients = 1;
      args.groups = groups.data();
      args.steps = steps;
      args.rows = on_device ? rows : nullptr;
      // Two rows, of which the device takes the second.
      const auto set_rates = [&](int64_t step) {
        args.first_step = step - 1;
        groups[0] = adam_group(100, 0.9, 0.999, 1e-8, 0.01);
        groups[1] = adam_group(0.1 * static_cast<double>(step + 1), 0.9, 0.999, 1e-8, 0.01);
      };
      const auto step = [&] {
        ASSERT_EQ(namp_optimizer_step(table, &args, nullptr, state, stream_), NAMP_OK)
            << namp_last_error_message();
      };
      const auto write = [&] {
        ASSERT_EQ(namp_optimizer_write_rows(rows, table, &args, stream_), NAMP_OK)
            << namp_last_error_message();
      };
      namp_graph* graph = nullptr;
      for (int64_t i = 0; i < kSteps; ++i) {
        set_rates(i);
        if (i == 0) args.first_step = 0, groups[0] = groups[1];
        if (on_device) write();
        if (on_device && captures && i == 2) {
          begin();
          step();
          graph = end();
        }
        graph != nullptr ? launch(graph) : step();
      }
      results.push_back(download(parameter));
      EXPECT_EQ(download<int64_t>(steps, 1)[0], kSteps);
      // A rate that no step may have is refused before it is written.
      groups[1].learning_rate = NAN;
      EXPECT_EQ(namp_optimizer_write_rows(rows, table, &args, stream_),
                NAMP_ERROR_INVALID_ARGUMENT);
      destroy(graph);
      ASSERT_EQ(namp_table_destroy(table), NAMP_OK);
      for (void* memory :
           std::initializer_list<void*>{gradient, parameter, m, v, state, steps, rows})
        free(memory);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_NE(results[0], all(1));
  }
};

class DeviceNumbersOnCpu : public DeviceNumbers {
 protected:
  Where where() const override { return Where::kCpu; }
};

TEST_F(DeviceNumbers, OfDropoutAreThoseBeforeTheLaunch) { expect_words_from_a_base(true); }
TEST_F(DeviceNumbers, OfAnOptimizerAreThoseBeforeTheLaunch) { expect_rows_from_the_device(true); }
TEST_F(DeviceNumbers, AreReadByCalls) {
  expect_words_from_a_base(false);
  expect_rows_from_the_device(false);
}
TEST_F(DeviceNumbersOnCpu, AreReadByCalls) {
  expect_words_from_a_base(false);
  expect_rows_from_the_device(false);
}

}  // namespace
}  // namespace namp_test
