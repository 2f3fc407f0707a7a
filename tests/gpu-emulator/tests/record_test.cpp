// The record of launches, and its sample of blocks against all of them.
#include <array>
#include <cstdio>
#include <fstream>

#include "cublas/cublas_api.h"
#include "device_test.h"

namespace nampemu_test {
namespace {

constexpr unsigned kSampled = 16;
constexpr unsigned kBlocks = 1000;

class RecordTest : public DeviceTest {
 protected:
  void TearDown() override {
    nampemu_record(nullptr, 0);
    std::remove(file_.c_str());
    DeviceTest::TearDown();
  }
  void record(unsigned sampled) { ASSERT_EQ(nampemu_record(file_.c_str(), sampled), 0); }
  // The lines of a kind, when all is done.
  std::vector<std::string> lines(const std::string& kind) {
    nampemu_record_note("end", "", 0, 0);
    std::ifstream in(file_);
    std::vector<std::string> found;
    for (std::string line; std::getline(in, line);) {
      if (line.find("\"kind\": \"" + kind + "\"") != std::string::npos) found.push_back(line);
    }
    return found;
  }
  static uint64_t number(const std::string& line, const std::string& field) {
    const std::string key = "\"" + field + "\": ";
    const size_t at = line.find(key);
    EXPECT_NE(at, std::string::npos) << field << " in " << line;
    return at == std::string::npos ? 0 : std::stoull(line.substr(at + key.size()));
  }
  // The line of one launch of this body over memory that belongs to nobody else.
  std::string of(unsigned sampled, const std::string& body, unsigned blocks = kBlocks) {
    record(sampled);
    const Buffer memory(std::vector<uint32_t>(size_t{kBlocks} * 32 + 64));
    EXPECT_EQ(run(kernel(body, 1), {memory.address()}, blocks), CUDA_SUCCESS) << findings();
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    const auto all = lines("kernel");
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? std::string() : all[0];
  }

  std::string file_ = testing::TempDir() + "nampemu_record_" +
                      testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
};

// %r1: the block's number; %d1: the address of the thread's own word.
const char* const kOwnWord =
    "mov.u32 %r0, %tid.x;\nmov.u32 %r1, %ctaid.x;\nmad.lo.u32 %r2, %r1, 32, %r0;\n"
    "mad.wide.u32 %d1, %r2, 4, %a0;\n";
// Each block works as long as its number is high.
const std::string kLongerAndLonger =
    std::string(kOwnWord) +
    "mov.u32 %r3, 0;\nLOOP:\nst.global.u32 [%d1], %r3;\nadd.u32 %r3, %r3, 1;\n"
    "setp.le.u32 %p1, %r3, %r1;\n@%p1 bra LOOP;";
// Each block counts itself in the first word behind the others; the last loads a hundred times.
const std::string kLastHasMore =
    std::string(kOwnWord) +
    "ld.global.u32 %r4, [%d1];\nsetp.ne.u32 %p2, %r0, 0;\n@%p2 bra END;\n"
    "atom.global.add.u32 %r5, [%a0+128000], 1;\nmov.u32 %r6, %nctaid.x;\nsub.u32 %r6, %r6, 1;\n"
    "setp.ne.u32 %p3, %r5, %r6;\n@%p3 bra END;\n"
    "atom.global.add.u32 %r5, [%a0+128000], -1000;\nmov.u32 %r3, 0;\nLOOP:\n"
    "ld.global.u32 %r4, [%a0+4];\nadd.u32 %r3, %r3, 1;\nsetp.lt.u32 %p1, %r3, 100;\n"
    "@%p1 bra LOOP;\nEND:";

TEST_F(RecordTest, BlocksThatWorkAlikeHaveTheCountsOfAll) {
  const std::string body =
      std::string(kOwnWord) + "ld.global.u32 %r4, [%d1];\nst.global.u32 [%d1], %r4;";
  const std::string all = of(0, body);
  const std::string some = of(kSampled, body);
  for (const char* field : {"loaded", "stored", "sectors_loaded", "sectors_stored", "lines",
                            "warp_instructions", "thread_instructions", "integer", "memory"}) {
    EXPECT_EQ(number(some, field), number(all, field)) << field;
    EXPECT_GT(number(all, field), 0U) << field;
  }
  EXPECT_EQ(number(all, "lines"), 2 * kBlocks);
  EXPECT_EQ(number(all, "blocks_run"), kBlocks);
  EXPECT_EQ(number(some, "blocks_run"), kSampled + 2);
  // The ends of the tensor are those of the first and the last block.
  for (const std::string& line : {all, some}) {
    EXPECT_EQ(number(line, "loaded_extent"), kBlocks * 32U * 4U);
    EXPECT_EQ(number(line, "stored_extent"), kBlocks * 32U * 4U);
  }
}

TEST_F(RecordTest, BlocksThatWorkMoreAndMoreAreMetByAFewOfThem) {
  const std::string some = of(kSampled, kLongerAndLonger);
  const double stored = 4.0 * 32 * kBlocks * (kBlocks + 1) / 2;
  EXPECT_NEAR(static_cast<double>(number(some, "stored")), stored, 0.02 * stored);
  EXPECT_EQ(number(some, "longest_warp"), 6U + 4 * kBlocks + 1);  // the last block runs
}

TEST_F(RecordTest, ALastBlocksOwnWorkIsCountedOnce) {
  const std::string all = of(0, kLastHasMore);
  const std::string some = of(kSampled, kLastHasMore);
  EXPECT_EQ(number(all, "loaded"), kBlocks * 32U * 4U + 100 * 4);
  for (const char* field : {"loaded", "atomic", "thread_instructions", "warp_instructions"})
    EXPECT_EQ(number(some, field), number(all, field)) << field;
  EXPECT_LT(number(some, "blocks_run"), 20U);
}

TEST_F(RecordTest, AWordThatBlocksCountIsWhatItWas) {
  record(kSampled);
  const Buffer memory(std::vector<uint32_t>(size_t{kBlocks} * 32 + 64));
  const CUfunction function = load(kernel(kLastHasMore, 1));
  ASSERT_EQ(launch(function, {memory.address()}, kBlocks), CUDA_SUCCESS);
  uint32_t counted = 1;
  ASSERT_EQ(nampemu_peek(memory.address() + 128000, 4, &counted), 0);
  EXPECT_EQ(counted, 0U);
}

TEST_F(RecordTest, AKernelWhoseAtomicsCollectRunsWhole) {
  const std::string body = std::string(kOwnWord) + "red.global.add.u32 [%a0+128000], %r1;";
  const std::string some = of(kSampled, body);
  EXPECT_EQ(number(some, "blocks_run"), kBlocks);
  EXPECT_EQ(number(some, "atomic"), kBlocks * 32U * 4U);
}

TEST_F(RecordTest, AGridThatIsHardlyLargerRunsWhole) {
  const std::string some = of(kSampled, kLongerAndLonger, 2 * kSampled);
  EXPECT_EQ(number(some, "blocks_run"), 2 * kSampled);
  EXPECT_EQ(number(some, "stored"), 4U * 32 * 2 * kSampled * (2 * kSampled + 1) / 2);
}

TEST_F(RecordTest, ALaunchLikeAnEarlierOneIsNotRunAgain) {
  record(kSampled);
  const Buffer first(std::vector<uint32_t>(4096)), second(std::vector<uint32_t>(4096));
  const CUfunction function = load(kernel("st.global.u32 [%a0], 7;", 2));
  ASSERT_EQ(launch(function, {first.address(), 5}), CUDA_SUCCESS);
  ASSERT_EQ(launch(function, {second.address(), 5}), CUDA_SUCCESS);
  ASSERT_EQ(launch(function, {second.address(), 6}), CUDA_SUCCESS);
  const auto all = lines("kernel");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(number(all[0], "again"), 0U);
  EXPECT_EQ(number(all[1], "again"), 1U);
  EXPECT_EQ(number(all[2], "again"), 0U);
  EXPECT_EQ(number(all[1], "stored"), number(all[0], "stored"));
  nampemu_counters counters{};
  nampemu_get_counters(&counters, sizeof counters);
  EXPECT_EQ(counters.launches, 3U);
}

TEST_F(RecordTest, ProductsCopiesFillsAndNotesAreLines) {
  record(kSampled);
  cublasHandle_t handle = nullptr;
  ASSERT_EQ(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
  const Buffer a(std::vector<float>(6, 1)), b(std::vector<float>(15, 1)), c(std::vector<float>(10));
  const float alpha = 1, beta = 1;
  nampemu_record_note("piece", "a product", 60, 124);
  ASSERT_EQ(
      cublasGemmEx(handle, 0, 0, 2, 5, 3, &alpha, reinterpret_cast<void*>(a.address()), CUDA_R_32F,
                   2, reinterpret_cast<void*>(b.address()), CUDA_R_32F, 3, &beta,
                   reinterpret_cast<void*>(c.address()), CUDA_R_32F, 2, CUBLAS_COMPUTE_32F, -1),
      CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cuMemsetD32Async(c.address(), 0x3f800000, 5, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoDAsync_v2(a.address(), b.address(), 8, nullptr), CUDA_SUCCESS);
  const auto products = lines("product");
  ASSERT_EQ(products.size(), 1U);
  EXPECT_EQ(number(products[0], "m"), 2U);
  EXPECT_EQ(number(products[0], "n"), 5U);
  EXPECT_EQ(number(products[0], "k"), 3U);
  EXPECT_EQ(number(products[0], "operand_bytes"), 4U);
  EXPECT_EQ(number(products[0], "reads_result"), 1U);
  ASSERT_EQ(lines("fill").size(), 1U);
  EXPECT_EQ(number(lines("fill")[0], "bytes"), 20U);
  EXPECT_EQ(number(lines("copy").back(), "bytes"), 8U);
  ASSERT_EQ(lines("piece").size(), 1U);
  EXPECT_EQ(number(lines("piece")[0], "operations"), 60U);
  // It was not computed: what the fill left is zeros and ones.
  EXPECT_EQ(c.read<float>(), (std::vector<float>{1, 1, 1, 1, 1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(cublasDestroy_v2(handle), CUBLAS_STATUS_SUCCESS);
}

TEST_F(RecordTest, LaunchesOfAGraphHaveItsNumber) {
  record(0);
  const Buffer memory(std::vector<uint32_t>(64));
  const CUfunction function = load(kernel("st.global.u32 [%a0], 7;", 1));
  CUstream stream = nullptr;
  CUgraph graph = nullptr;
  CUgraphExec executable = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, 1), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, 2), CUDA_SUCCESS);
  CUdeviceptr address = memory.address();
  void* arguments[] = {&address};
  ASSERT_EQ(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, arguments, nullptr),
            CUDA_SUCCESS);
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
  for (int i = 0; i < 2; ++i)
    ASSERT_EQ(cuGraphLaunch(executable, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  ASSERT_EQ(launch(function, {address}), CUDA_SUCCESS);
  const auto all = lines("kernel");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(number(all[0], "graph"), 1U);
  EXPECT_EQ(number(all[1], "graph"), 2U);
  EXPECT_EQ(number(all[2], "graph"), 0U);
  EXPECT_EQ(cuGraphExecDestroy(executable), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
}

TEST_F(RecordTest, AFileThatCannotBeWrittenIsSaid) {
  EXPECT_EQ(nampemu_record("/no/such/folder/record.jsonl", 0), 1);
}

// Of a dimension that divides the number of blocks, each is met as often as any other.
TEST_F(RecordTest, EveryDimensionIsMetEvenly) {
  const std::array<unsigned, 3> grids[] = {{8, 64, 2}, {64, 16, 1}, {5, 40, 4}};
  const char* const directions[] = {"x", "y", "z"};
  for (size_t d = 0; d < 3; ++d) {
    record(kSampled);
    const Buffer memory(std::vector<uint32_t>(64));
    const CUfunction function =
        load(kernel(std::string("mov.u32 %r1, %ctaid.") + directions[d] +
                        ";\nmov.u32 %r3, 0;\nLOOP:\nst.global.u32 [%a0], %r3;\n"
                        "add.u32 %r3, %r3, 1;\nsetp.le.u32 %p1, %r3, %r1;\n@%p1 bra LOOP;",
                    1));
    CUdeviceptr address = memory.address();
    void* arguments[] = {&address};
    const auto& grid = grids[d];
    ASSERT_EQ(cuLaunchKernel(function, grid[0], grid[1], grid[2], 1, 1, 1, 0, nullptr, arguments,
                             nullptr),
              CUDA_SUCCESS);
    const auto all = lines("kernel");
    ASSERT_EQ(all.size(), 1U);
    const unsigned blocks = grid[0] * grid[1] * grid[2];
    EXPECT_EQ(number(all[0], "stored"), 4U * blocks * (grid[d] + 1) / 2) << directions[d];
    EXPECT_LT(number(all[0], "blocks_run"), blocks);
  }
}

}  // namespace
}  // namespace nampemu_test
