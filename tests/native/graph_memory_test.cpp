// Whose the memory of a graph is. The emulated GPU finds memory that was freed.
#include <cmath>

#include "graph_test.h"

namespace namp_test {
namespace {

TEST_F(GraphTest, MemoryOfTheCaptureIsNobodyElsesWhileTheGraphLives) {
  void *in = allocate(), *out = allocate(), *scratch = allocate();
  upload(in, 1);
  ASSERT_EQ(add(scratch, in, in), NAMP_OK);
  free(scratch);
  begin();
  void* within = allocate();
  EXPECT_EQ(within, scratch);
  ASSERT_EQ(add(within, in, in), NAMP_OK);
  ASSERT_EQ(add(out, within, in), NAMP_OK);
  free(within);
  void* again = allocate();
  EXPECT_EQ(again, within) << "freed memory serves the same capture again";
  free(again);
  namp_graph* graph = end();
  void* other = allocate();
  EXPECT_NE(other, within);
  upload(other, 9);
  for (int i = 0; i < 2; ++i) {
    launch(graph);
    EXPECT_EQ(download(out), all(3));
    EXPECT_EQ(download(other), all(9));
  }
  EXPECT_EQ(namp_memory_trim(device_), NAMP_OK);
  launch(graph);
  EXPECT_EQ(download(out), all(3));
  destroy(graph);
  void* after = allocate();
  EXPECT_EQ(after, within) << "it is the cache's again";
  for (void* memory : {in, out, other, after})
    free(memory);
}

TEST_F(GraphTest, MemoryOfTheCaptureThatIsStillInUseOutlivesTheGraph) {
  void *in = allocate(), *scratch = allocate();
  upload(in, 1);
  ASSERT_EQ(add(scratch, in, in), NAMP_OK);
  free(scratch);
  begin();
  void* kept = allocate();
  ASSERT_EQ(add(kept, in, in), NAMP_OK);
  namp_graph* graph = end();
  launch(graph);
  destroy(graph);
  EXPECT_EQ(download(kept), all(2));
  free(kept);
  void* again = allocate();
  EXPECT_EQ(again, kept);
  free(again);
  free(in);
}

TEST_F(GraphTest, ATableThatIsDestroyedOutlivesTheGraph) {
  void *in = allocate(), *half = allocate();
  upload(in, 1);
  const std::vector<namp_cell> cells = {cell(in, NAMP_FLOAT32), cell(half, NAMP_FLOAT16)};
  auto description = make_args<namp_table_description>();
  description.column_count = 2;
  description.tensor_count = 1;
  description.counts = &kCount;
  description.cells = cells.data();
  namp_table* table = nullptr;
  ASSERT_EQ(namp_table_create(&table, device_, &description), NAMP_OK);
  const auto options = make_args<namp_cast_options>();
  ASSERT_EQ(namp_cast_table(table, 1, 0, &options, stream_), NAMP_OK) << namp_last_error_message();
  begin();
  ASSERT_EQ(namp_cast_table(table, 1, 0, &options, stream_), NAMP_OK);
  namp_graph* graph = end();
  ASSERT_EQ(namp_table_destroy(table), NAMP_OK);
  // These would take the table's memory, if it were free, and overwrite it.
  std::vector<void*> others;
  for (const int64_t bytes : {256, 512, 768, 1024, 1280}) {
    others.push_back(allocate_on(nullptr, bytes));  // as the table's
    ASSERT_EQ(namp_memory_fill(device_, others.back(), 255, bytes, nullptr), NAMP_OK);
  }
  ASSERT_EQ(namp_stream_synchronize(device_, nullptr), NAMP_OK);
  upload(in, 2);
  launch(graph);
  EXPECT_EQ(download<uint16_t>(half), std::vector<uint16_t>(kCount, 0x4000));
  destroy(graph);
  for (void* memory : others)
    EXPECT_EQ(namp_memory_free(device_, memory, nullptr), NAMP_OK);
  free(in);
  free(half);
}

TEST_F(GraphTest, AWorkspaceThatGrowsAfterTheCaptureIsKeptForTheGraph) {
  constexpr int64_t kFew = 40, kMany = 100, kClasses = 2;
  void *logits = allocate(kMany * kClasses * 4), *labels = allocate(kMany * 4), *loss = allocate(4);
  ASSERT_EQ(namp_memory_fill(device_, logits, 0, kMany * kClasses * 4, stream_), NAMP_OK);
  ASSERT_EQ(namp_memory_fill(device_, labels, 0, kMany * 4, stream_), NAMP_OK);
  const auto measure = [&](int64_t rows) {
    auto args = make_args<namp_cross_entropy_args>();
    args.logits_dtype = NAMP_FLOAT32;
    args.logits = logits;
    args.labels = static_cast<const int32_t*>(labels);
    args.rows = rows;
    args.classes = kClasses;
    args.ignore_index = -100;
    args.mean = 1;
    args.loss = static_cast<float*>(loss);
    ASSERT_EQ(namp_cross_entropy(device_, &args, stream_), NAMP_OK) << namp_last_error_message();
  };
  measure(kFew);
  begin();
  measure(kFew);
  namp_graph* graph = end();
  measure(kMany);
  // These would take the old workspace, if it were free.
  std::vector<void*> others;
  for (int i = 0; i < 4; ++i) {
    others.push_back(allocate(256));
    ASSERT_EQ(namp_memory_fill(device_, others.back(), 255, 256, stream_), NAMP_OK);
  }
  launch(graph);
  EXPECT_NEAR(download(loss, 1)[0], std::log(2.0f), 1e-6);
  for (void* other : others) {
    EXPECT_EQ(download<uint8_t>(other, 256), std::vector<uint8_t>(256, 255));
    free(other);
  }
  destroy(graph);
  for (void* memory : {logits, labels, loss})
    free(memory);
}

// The CPU's tables, workspaces and memory are no part of a GPU's graph.
TEST_F(GraphTest, AThreadThatCapturesMayWorkWithOtherDevices) {
  Device cpu;
  cpu.open(Where::kCpu);
  void* memory = allocate();
  upload(memory, 1);
  ASSERT_EQ(add(memory, memory, memory), NAMP_OK);
  begin();
  ASSERT_EQ(add(memory, memory, memory), NAMP_OK);
  std::vector<float> values(kCount, 1.0f), out(kCount);
  const std::vector<namp_cell> cells = {cell(values.data(), NAMP_FLOAT32),
                                        cell(out.data(), NAMP_FLOAT32)};
  auto description = make_args<namp_table_description>();
  description.column_count = 2;
  description.tensor_count = 1;
  description.counts = &kCount;
  description.cells = cells.data();
  namp_table* table = nullptr;
  ASSERT_EQ(namp_table_create(&table, cpu, &description), NAMP_OK) << namp_last_error_message();
  const auto options = make_args<namp_cast_options>();
  ASSERT_EQ(namp_cast_table(table, 1, 0, &options, nullptr), NAMP_OK);
  ASSERT_EQ(namp_table_destroy(table), NAMP_OK);
  float loss = 0;
  const std::vector<int32_t> labels(kCount);
  auto args = make_args<namp_cross_entropy_args>();
  args.logits_dtype = NAMP_FLOAT32;
  args.logits = values.data();
  args.labels = labels.data();
  args.rows = kCount;
  args.classes = 1;
  args.ignore_index = -100;
  args.loss = &loss;
  ASSERT_EQ(namp_cross_entropy(cpu, &args, nullptr), NAMP_OK) << namp_last_error_message();
  void* other = nullptr;
  ASSERT_EQ(namp_memory_allocate(&other, cpu, 1 << 20, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  ASSERT_EQ(namp_memory_free(cpu, other, nullptr), NAMP_OK);
  ASSERT_EQ(namp_stream_synchronize(cpu, nullptr), NAMP_OK);
  namp_graph* graph = end();
  EXPECT_EQ(out, values);
  launch(graph);
  EXPECT_EQ(download(memory), all(4));
  destroy(graph);
  free(memory);
  cpu.close();
}

}  // namespace
}  // namespace namp_test
