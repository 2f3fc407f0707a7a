// The library in processes with other environments: OpenMP's variables as on clusters, which oneDNN's
// threads obey, parallel regions of the caller, fork. Fewer threads must not change a result, and
// nothing may hang.
#if defined(__linux__)

#include <set>
#include <string>
#include <vector>

#include "backend_test.h"
#include "child_process.h"

namespace namp_test {
namespace {

// The bits of one number of threads, in a plain environment.
std::string digest_of(int threads) {
  return run("", "digest " + std::to_string(threads)).one("digest");
}

void expect_all(const Outcome& result, size_t count, const std::string& digest) {
  const auto digests = result.all("digest");
  EXPECT_EQ(digests.size(), count) << result.output;
  for (const std::string& own : digests)
    EXPECT_EQ(own, digest);
}

TEST(ProcessTest, AThreadLimitGivesTheBitsOfAsManyThreads) {
  for (const int limit : {1, 2}) {
    const Outcome result = run("OMP_THREAD_LIMIT=" + std::to_string(limit), "digest 3");
    EXPECT_EQ(result.status, 0) << result.output;
    EXPECT_EQ(result.one("threads"), std::to_string(limit));
    EXPECT_EQ(result.one("digest"), digest_of(limit));
    EXPECT_NE(result.one("reason").find("OMP_THREAD_LIMIT"), std::string::npos) << result.output;
  }
}

TEST(ProcessTest, DynamicTeamsChangeNothing) {
  const Outcome result = run("OMP_DYNAMIC=true", "digest 3");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.one("digest"), digest_of(3));
}

// OpenMP's threads are oneDNN's alone: the loops keep theirs.
TEST(ProcessTest, NoActiveLevelMeansOneThreadForOneDnn) {
  const Outcome result = run("OMP_MAX_ACTIVE_LEVELS=0", "digest 3");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.one("threads"), "3");
  EXPECT_EQ(run("OMP_MAX_ACTIVE_LEVELS=0", "digest 1").one("digest"), digest_of(1));
}

TEST(ProcessTest, OmpNumThreadsIsTheDefaultAndNoMoreThanThat) {
  const Outcome as_default = run("OMP_NUM_THREADS=1", "digest 0");
  EXPECT_EQ(as_default.one("threads"), "1");
  EXPECT_EQ(as_default.one("reason"), "OMP_NUM_THREADS=1");
  EXPECT_EQ(as_default.one("digest"), digest_of(1));
  EXPECT_EQ(run("OMP_NUM_THREADS=1", "digest 2").one("threads"), "2");
  const std::string plain = run("", "digest 0").one("threads");
  EXPECT_EQ(run("OMP_NUM_THREADS=1024", "digest 0").one("threads"), plain);
  EXPECT_EQ(run("OMP_NUM_THREADS=nonsense", "digest 0").one("threads"), plain);
}

TEST(ProcessTest, AffinityIsTheDefault) {
  const Outcome result = run("taskset -c 0", "digest 0");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.one("threads"), "1");
}

TEST(ProcessTest, WithinParallelRegionsOfTheCallerOneDnnHasOneThread) {
  const std::string expected = run("OMP_MAX_ACTIVE_LEVELS=0", "digest 3").one("digest");
  for (const char* environment : {"", "OMP_THREAD_LIMIT=4", "OMP_DYNAMIC=true"}) {
    const Outcome result = run(environment, "nested 3");
    EXPECT_EQ(result.status, 0) << environment << ": " << result.output;
    const auto digests = result.all("digest");
    EXPECT_FALSE(digests.empty());
    for (const std::string& own : digests)
      EXPECT_EQ(own, expected) << environment;
  }
}

TEST(ProcessTest, AForkedChildGoesOnWithTheParentsDeviceAndItsOwn) {
  const Outcome result = run("", "fork");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.all("child"), std::vector<std::string>(2, "exit 0")) << result.output;
  EXPECT_EQ(result.one("grandchild"), "exit 0");
  EXPECT_EQ(result.one("closing"), "exit 0");
  expect_all(result, 4, digest_of(1));
}

TEST(ProcessTest, AForkWhileOtherThreadsComputeGivesAChildThatComputes) {
  if (is_sanitized()) {
    GTEST_SKIP() << "A fork may find AddressSanitizer's own allocator locked by another thread.";
  }
  const Outcome result = run("", "fork-busy");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.all("child"), std::vector<std::string>(8, "exit 0")) << result.output;
  expect_all(result, 8, digest_of(1));
}

// LLVM's OpenMP has handlers of forks of its own, which take its locks. oneDNN's calls reach it where
// all of the process sees it.
TEST(ProcessTest, AForkUnderLlvmsOpenMpGivesAChildThatComputes) {
  if (is_sanitized())
    GTEST_SKIP() << "AddressSanitizer comes first where something is loaded before.";
  const std::string llvm = "LD_PRELOAD=libomp.so.5";
  const Outcome alone = run(llvm, "digest 1");
  if (alone.output.find("cannot be preloaded") != std::string::npos) GTEST_SKIP() << alone.output;
  const Outcome result = run(llvm, "fork-busy");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.all("child"), std::vector<std::string>(8, "exit 0")) << result.output;
  expect_all(result, 8, alone.one("digest"));
}

TEST(ProcessTest, CudaIsRefusedInAForkedChild) {
  if (Device::count(Where::kGpu) == 0) GTEST_SKIP() << namp_last_error_message();
  // The child uses the same emulated GPU as this process.
  const Outcome result = run("", "fork-gpu");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.one("child"), "exit 0") << result.output;
  for (const char* call : {"fill", "free", "close", "open"})
    EXPECT_EQ(result.one(call), "NAMP_ERROR_UNAVAILABLE");
  EXPECT_EQ(result.one("count"), "0");
  EXPECT_NE(result.one("message").find("fork"), std::string::npos) << result.output;
  EXPECT_EQ(result.one("digest"), digest_of(1));
}

}  // namespace
}  // namespace namp_test

#endif
