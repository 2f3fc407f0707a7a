// The model's parts against numbers worked out by hand, and a sample of blocks against all of them.
#include "time_model.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "measure.h"
#include "times.h"

namespace gpu_report {
namespace {

const Gpu& h100() { return *find_gpu("H100"); }

Launch kernel(const std::string& name, double blocks) {
  Launch launch;
  launch.kind = "kernel";
  launch.name = name;
  launch.blocks = blocks;
  return launch;
}

TEST(TimeModel, a_copy_takes_its_bytes_twice_at_the_copys_share) {
  Launch copy;
  copy.kind = "copy";
  copy.bytes = 1.5075e9;  // read and written at 0.9 * 3.35 TB/s: 1 ms
  EXPECT_NEAR(time_of(h100(), copy).total(), 1e-3 + kLaunchSeconds, 1e-9);
  EXPECT_STREQ(time_of(h100(), copy).limit(), "memory");
}

TEST(TimeModel, a_product_of_cublas_takes_its_operations_or_its_bytes) {
  Launch product;
  product.kind = "product";
  product.m = product.n = product.k = 8192;
  product.batch = 1;
  product.operand_bytes = product.result_bytes = 2;
  EXPECT_EQ(operations(product), 2.0 * 8192 * 8192 * 8192);
  EXPECT_NEAR(time_of(h100(), product).tensor, 1.0995116e12 / 633.216e12, 1e-8);
  EXPECT_EQ(needed_bytes(product), 3.0 * 8192 * 8192 * 2);
  product.k = 16;
  product.reads_result = 1;
  EXPECT_EQ(needed_bytes(product), 2.0 * (2 * 8192 * 16 + 2 * 8192 * 8192));
  EXPECT_STREQ(time_of(h100(), product).limit(), "memory");
}

TEST(TimeModel, integers_have_half_of_the_lanes_and_half_of_the_slots) {
  Launch launch = kernel("k", 132);
  launch.by_class[NAMPEMU_INTEGER] = 16.72704e9;  // / 64 lanes / 132 / 1.98 GHz: 1 ms
  launch.thread_instructions = 16.72704e9;
  launch.warp_instructions = 16.72704e9 / 32;
  EXPECT_NEAR(time_of(h100(), launch).issue, 1e-3 / kIssueShare, 1e-9);
  launch.warp_instructions *= 2;  // half of the lanes of each warp
  EXPECT_NEAR(time_of(h100(), launch).issue, 2e-3 / kIssueShare, 1e-9);
  EXPECT_STREQ(time_of(h100(), launch).limit(), "issue");
}

TEST(TimeModel, a_block_too_many_takes_a_turn_of_its_own) {
  Launch launch = kernel("k", 132);
  launch.matrix_products = 1e12;
  launch.matrix_instructions = 1e12 / 2048;
  launch.by_class[NAMPEMU_FLOAT] = 32 * launch.matrix_instructions;
  const double even = time_of(h100(), launch).tensor;
  EXPECT_NEAR(even, 2e12 / (0.62 * 989.4e12), 1e-9);
  // mma is an instruction of the warp, and no float.
  EXPECT_NEAR(time_of(h100(), launch).issue, 1e12 / 2048 * 32 / 128 / (kIssueShare * 132 * 1.98e9),
              1e-9);
  launch.blocks = 133;
  EXPECT_NEAR(time_of(h100(), launch).tensor, even * 264 / 133, 1e-9);
}

TEST(TimeModel, shared_memory_the_cache_and_the_longest_warp_are_limits) {
  Launch launch = kernel("k", 264);
  launch.shared = 128 * 132 * 1.98e6;    // 1 ms
  launch.bank_conflicts = 132 * 1.98e6;  // and 1 ms
  launch.longest_warp = 1.98e9 * 3e-3 / kDependentClocks;
  launch.loaded = 5.5e12 * 4e-3;
  launch.loaded_extent = 1;
  const LaunchTime time = time_of(h100(), launch);
  EXPECT_NEAR(time.shared, 2e-3, 1e-9);
  EXPECT_NEAR(time.longest, 3e-3, 1e-9);
  EXPECT_NEAR(time.cache, 4e-3, 1e-9);
  EXPECT_NEAR(time.total(), 4e-3 + kLaunchSeconds, 1e-9);
  EXPECT_STREQ(time.limit(), "cache");
  launch.lines = 132 * 1.98e9 * 5e-3;
  EXPECT_NEAR(time_of(h100(), launch).lines, 5e-3, 1e-9);
  EXPECT_STREQ(time_of(h100(), launch).limit(), "lines");
}

TEST(TimeModel, what_a_launch_has_to_move_is_what_it_reaches_or_asks_for) {
  Launch launch = kernel("gemm_float16_nn_128_kernel", 132);
  launch.loaded = 800;
  launch.stored = 100;
  launch.loaded_extent = 300;
  launch.stored_extent = 100;
  EXPECT_EQ(needed_bytes(launch), 400);
  launch.loaded = 50;  // some of what lies between its ends
  EXPECT_EQ(needed_bytes(launch), 150);
  launch.name = "adam_kernel";
  launch.loaded = 800;
  EXPECT_EQ(needed_bytes(launch), 900);
  EXPECT_EQ(family_of(kernel("gemm_float16_nn_128_kernel", 1)), "gemm");
  EXPECT_EQ(family_of(kernel("attention_keys_bfloat16_64_kernel", 1)), "attention_keys");
}

TEST(TimeModel, floors_are_of_products_or_of_bytes) {
  EXPECT_NEAR(floor_seconds(h100(), 989.4e12, 3.35e12), 1, 1e-9);
  EXPECT_NEAR(floor_seconds(h100(), 989.4e12, 6.7e12), 2, 1e-9);
  EXPECT_NEAR(reached_seconds(h100(), 989.4e12, 0), 1 / 0.64, 1e-9);
  EXPECT_NEAR(reached_seconds(h100(), 0, 3.35e12), 1 / 0.9, 1e-9);
}

TEST(TimeModel, a_record_is_read_piece_by_piece) {
  std::istringstream in(
      "{\"kind\": \"fill\", \"name\": \"\", \"graph\": 0, \"bytes\": 7}\n"
      "{\"kind\": \"piece\", \"name\": \"first\", \"graph\": 0, \"operations\": 0, \"bytes\": 0}\n"
      "{\"kind\": \"floor\", \"name\": \"all\", \"graph\": 0, \"operations\": 5, \"bytes\": 9}\n"
      "{\"kind\": \"fill\", \"name\": \"\", \"graph\": 1, \"bytes\": 8}\n"
      "{\"kind\": \"copy\", \"name\": \"\", \"graph\": 0, \"bytes\": 3, \"from_device\": 1, "
      "\"to_device\": 0}\n"
      "{\"kind\": \"copy\", \"name\": \"\", \"graph\": 0, \"bytes\": 4, \"from_device\": 1, "
      "\"to_device\": 1}\n"
      "{\"kind\": \"piece\", \"name\": \"\", \"graph\": 0, \"operations\": 0, \"bytes\": 0}\n"
      "{\"kind\": \"fill\", \"name\": \"\", \"graph\": 0, \"bytes\": 6}\n");
  const std::vector<Piece> pieces = read_record(in);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].name, "first");
  ASSERT_EQ(pieces[0].floors.size(), 1U);
  EXPECT_EQ(pieces[0].floors[0].operations, 5);
  ASSERT_EQ(pieces[0].launches.size(), 2U);
  EXPECT_EQ(needed_bytes(pieces[0].launches[0]), 8);
  EXPECT_EQ(needed_bytes(pieces[0].launches[1]), 8);
  std::istringstream broken("{\"kind\": \"piece\"}\n");
  EXPECT_THROW(read_record(broken), std::runtime_error);
}

TEST(TimeModel, what_it_assumes_is_written_whole) {
  std::ostringstream out;
  write_assumptions(out);
  for (const char* words :
       {"0.90 of the published bandwidth", "0.50 of the issue slots", "every 4 clocks",
        "2 us to the next launch", "are not in it.", "NVIDIA L4 Tensor Core GPU data sheet"}) {
    EXPECT_NE(out.str().find(words), std::string::npos) << words;
  }
}

// The launches of a workload, with a sample of their blocks; 0: with all.
std::vector<Launch> launches_of(const Workload& workload, uint32_t sampled) {
  const std::string file = testing::TempDir() + "gpu_report_record.jsonl";
  EXPECT_EQ(nampemu_record(file.c_str(), sampled), 0);
  {
    EmulatedGpu gpu;
    gpu.use(workload.compute);
    const auto call = workload.prepare(gpu);
    require(namp_stream_synchronize(gpu.device(), nullptr));
    nampemu_record_note("piece", "call", 0, 0);
    require(call());
    require(namp_stream_synchronize(gpu.device(), nullptr));
  }
  nampemu_record(nullptr, 0);
  std::ifstream in(file);
  std::vector<Piece> pieces = read_record(in);
  std::remove(file.c_str());
  EXPECT_EQ(pieces.size(), 1U);
  return pieces.empty() ? std::vector<Launch>() : std::move(pieces[0].launches);
}

// Real kernels: the launches are the same, and the counts and times of all that they do within a few hundredths.
TEST(TimeModel, a_sample_of_blocks_tells_what_all_do) {
  constexpr double kTolerance = 0.05;
  constexpr uint32_t kSampled = 4;
  size_t compared = 0;
  size_t sampled = 0;
  for (const Workload& workload : workloads(1 << 20)) {
    bool chosen = false;
    for (const char* name : {"cast f32 to bf16", "cast table f32 to f16", "Adam f16, compute copy",
                             "check bf16", "cross-entropy bf16", "layer norm", "gelu",
                             "attention of 64 bf16", "gemm bf16", "sum columns"}) {
      chosen = chosen || workload.name.rfind(name, 0) == 0;
    }
    if (!chosen) continue;
    const std::vector<Launch> all = launches_of(workload, 0);
    const std::vector<Launch> some = launches_of(workload, kSampled);
    ASSERT_EQ(some.size(), all.size()) << workload.name;
    for (size_t i = 0; i < all.size(); ++i) {
      const std::string where = workload.name + ", " + all[i].name;
      EXPECT_EQ(some[i].name, all[i].name) << where;
      EXPECT_EQ(some[i].blocks, all[i].blocks) << where;
      const auto near = [&](double a, double b, const char* what) {
        EXPECT_NEAR(a, b, kTolerance * b) << where << ": " << what;
      };
      near(some[i].loaded, all[i].loaded, "loaded");
      near(some[i].stored, all[i].stored, "stored");
      near(some[i].lines, all[i].lines, "lines");
      near(some[i].warp_instructions, all[i].warp_instructions, "instructions");
      near(some[i].matrix_products, all[i].matrix_products, "products");
      near(needed_bytes(some[i]), needed_bytes(all[i]), "needed");
      near(time_of(h100(), some[i]).total(), time_of(h100(), all[i]).total(), "time");
      ++compared;
      sampled += all[i].blocks > 2 * kSampled ? 1 : 0;
    }
  }
  EXPECT_GT(compared, 12U);
  EXPECT_GT(sampled, 6U);
}

}  // namespace
}  // namespace gpu_report
