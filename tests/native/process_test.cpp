// The library in processes of other environments: OpenMP's variables as clusters set them, parallel
// regions of the caller, fork. Fewer threads must not change a result, and nothing may hang.
#if defined(__linux__)

#include <array>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include <sys/wait.h>

#include "backend_test.h"

namespace namp_test {
namespace {

// What a process printed, and how it ended.
struct Outcome {
  std::string output;
  int status = -1;

  // The values of the lines that begin with a word.
  std::vector<std::string> all(const std::string& word) const {
    std::vector<std::string> values;
    size_t begin = 0;
    for (size_t end; (end = output.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string line = output.substr(begin, end - begin);
      if (line.rfind(word + " ", 0) == 0) values.push_back(line.substr(word.size() + 1));
    }
    return values;
  }
  std::string one(const std::string& word) const {
    const auto values = all(word);
    return values.size() == 1 ? values[0] : "not one " + word + " in: " + output;
  }
};

// environment such as "OMP_THREAD_LIMIT=1". Variables of the test's own surroundings do not count.
Outcome run(const std::string& environment, const std::string& arguments) {
  const std::string command =
      "env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT -u OMP_DYNAMIC -u OMP_MAX_ACTIVE_LEVELS " +
      environment + " " + NATIVEAMP_TEST_CHILD + " " + arguments + " 2>&1";
  Outcome result;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> part;
  for (size_t read; (read = fread(part.data(), 1, part.size(), pipe)) > 0;)
    result.output.append(part.data(), read);
  const int status = pclose(pipe);
  // A shell says 128 and the signal for a command that a signal ended.
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

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

TEST(ProcessTest, NoActiveLevelMeansOneThread) {
  const Outcome result = run("OMP_MAX_ACTIVE_LEVELS=0", "digest 3");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.one("threads"), "1");
  EXPECT_EQ(result.one("digest"), digest_of(1));
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

TEST(ProcessTest, ParallelRegionsOfTheCallerGetTheBitsOfOneThread) {
  const std::string expected = digest_of(1);
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
  expect_all(result, 4, digest_of(1));
}

TEST(ProcessTest, AForkWhileOtherThreadsComputeGivesAChildThatComputes) {
  if (kSanitized) {
    GTEST_SKIP() << "A fork may find AddressSanitizer's own allocator locked by another thread.";
  }
  const Outcome result = run("", "fork-busy");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.all("child"), std::vector<std::string>(8, "exit 0")) << result.output;
  expect_all(result, 8, digest_of(1));
}

TEST(ProcessTest, CudaIsRefusedInAForkedChild) {
  if (Device::count(Where::kGpu) == 0) GTEST_SKIP() << namp_last_error_message();
  // The emulated GPU that this process was told of is the child's too.
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
