// Which oneDNN multiplies and convolves, and how it is told: each case a process with variables and
// folders of its own, over the machine's oneDNN and stand-ins.
#if defined(__linux__)

#include <filesystem>

#include <gtest/gtest.h>

#include "child_process.h"

namespace namp_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStandIns = NATIVEAMP_STAND_INS;

std::string stand_in(const std::string& name) {
  return std::string(kStandIns) + "/libonednn-" + name + ".so";
}

Outcome open_with(const std::string& environment) { return run(environment, "onednn"); }

// That nothing but our own loops computes, and why.
void expect_own_loops(const Outcome& result, const std::string& why) {
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.one("libraries"), "no oneDNN, own loops (" + why + ")");
  EXPECT_EQ(result.one("product"), "11") << result.output;
}

class OneDnnTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome here = open_with("");
    ASSERT_EQ(here.status, 0) << here.output;
    here_ = here.one("libraries");
    std::string name = (fs::temp_directory_path() / "namp-onednn-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  bool is_here() const { return here_.rfind("oneDNN ", 0) == 0; }

  std::string here_;  // what a device says of this machine's
  std::string folder_;
};

TEST_F(OneDnnTest, TheMachinesOwnIsTaken) {
  if (!is_here()) GTEST_SKIP() << here_;
  const Outcome result = open_with("");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.one("product"), "11") << result.output;
  const auto attempts = result.all("attempt");
  ASSERT_FALSE(attempts.empty()) << result.output;
  EXPECT_EQ(attempts.back().substr(attempts.back().size() - 2), ": ") << result.output;
}

TEST_F(OneDnnTest, ItIsNotLookedForWhereTheEnvironmentForbidsIt) {
  const Outcome result = open_with("NATIVEAMP_ONEDNN=0");
  expect_own_loops(result, "NATIVEAMP_ONEDNN is 0");
  EXPECT_TRUE(result.all("attempt").empty()) << result.output;
}

TEST_F(OneDnnTest, WhereThereIsNoneTheOwnLoopsComputeAndSayWhatWasTried) {
  expect_own_loops(open_with("NATIVEAMP_ONEDNN_LIBRARY=none"),
                   "tried none (none: cannot open shared object file: No such file or directory)");
}

TEST_F(OneDnnTest, WhatIsNoOneDnnThatDoesIsRefusedWithItsReason) {
  const auto refused = [](const std::string& name, const std::string& why) {
    const std::string path = stand_in(name);
    SCOPED_TRACE(path);
    const Outcome result = open_with("NATIVEAMP_ONEDNN_LIBRARY=" + path);
    expect_own_loops(result, "tried " + path + " (" + why + ")");
    EXPECT_EQ(result.one("attempt"), path + ": " + why);
  };
  refused("old", "it is oneDNN 1.9.1; version 2 or 3 is needed");
  refused("new", "it is oneDNN 4.9.1; version 2 or 3 is needed");
  refused("tbb", "it was built for threads other than OpenMP's (dnnl_version says runtime 4)");
  refused("half2", "it lacks dnnl_engine_create");
  refused("half3", "it lacks dnnl_engine_create");
  expect_own_loops(open_with("NATIVEAMP_ONEDNN_LIBRARY=libm.so.6"),
                   "tried libm.so.6 (it lacks dnnl_version)");
}

TEST_F(OneDnnTest, OneThatDoesNotWorkGivesWayToTheNext) {
  if (here_.rfind("oneDNN 2", 0) != 0)
    GTEST_SKIP() << "for a machine that has version 2: " << here_;
  fs::create_symlink(stand_in("half3"), folder_ + "/libdnnl.so.3");
  const Outcome result = open_with("LD_LIBRARY_PATH=" + folder_);
  EXPECT_EQ(result.one("libraries"), here_ + " (not libdnnl.so.3 (it lacks dnnl_engine_create))");
  EXPECT_EQ(result.one("product"), "11") << result.output;
}

// docs/performance.md, "On a shared machine".
TEST_F(OneDnnTest, ItsThreadsSpinForAShortTimeUnlessTheEnvironmentSaysOtherwise) {
  if (!is_here()) GTEST_SKIP() << here_;
  EXPECT_EQ(open_with("").one("spin"), "3000");
  EXPECT_EQ(open_with("GOMP_SPINCOUNT=7").one("spin"), "7");
  EXPECT_EQ(open_with("OMP_WAIT_POLICY=active").one("spin"), "unset");
  // It has read the environment already.
  EXPECT_EQ(open_with("LD_PRELOAD=libgomp.so.1").one("spin"), "unset");
}

TEST_F(OneDnnTest, TheThreadThatOpensItStaysOnItsProcessors) {
  const std::string plain = open_with("").one("processors");
  EXPECT_EQ(open_with("OMP_PROC_BIND=true").one("processors"), plain);
}

}  // namespace
}  // namespace namp_test

#endif
