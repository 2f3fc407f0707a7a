// The quota of a container, read from folders that look like /proc and /sys.
#include "cpu/cpu_quota.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

class CpuQuota : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::temp_directory_path() /
        ("nativeamp-quota-" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void version_2(const std::string& group, const std::string& mount_root = "/") {
    write("proc/self/cgroup", "0::" + group + "\n");
    write("proc/self/mountinfo", "24 1 0:22 / /proc rw - proc proc rw\n31 24 0:27 " + mount_root +
                                     " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
  }
  double quota() const { return namp::cpu_quota(root_.string()); }

  fs::path root_;
};

TEST_F(CpuQuota, IsThatOfTheGroup) {
  version_2("/docker/1");
  write("sys/fs/cgroup/docker/1/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(CpuQuota, IsNoneWhereItIsMax) {
  version_2("/docker/1");
  write("sys/fs/cgroup/docker/1/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), 0);
}

TEST_F(CpuQuota, IsTheLeastOfTheGroupsAbove) {
  version_2("/pods/pod1/main");
  write("sys/fs/cgroup/pods/cpu.max", "800000 100000\n");
  write("sys/fs/cgroup/pods/pod1/cpu.max", "50000 100000\n");
  write("sys/fs/cgroup/pods/pod1/main/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(CpuQuota, IsFoundAtTheRootThatAContainerSees) {
  version_2("/");
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuQuota, IsFoundWhereThePathIsThatOfTheHost) {
  version_2("/docker/1/worker", "/docker/1");
  write("sys/fs/cgroup/worker/cpu.max", "300000 100000\n");
  EXPECT_EQ(quota(), 3);
}

TEST_F(CpuQuota, OfVersion1IsThatOfTheProcessorsHierarchy) {
  write("proc/self/cgroup", "11:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/x\n");
  write("proc/self/mountinfo",
        "30 24 0:26 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "31 24 0:27 /docker/1 /sys/fs/cgroup/cpu,cpuacct rw master:1 - cgroup cgroup "
        "rw,cpu,cpuacct\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/memory/cpu.cfs_quota_us", "1\n");
  EXPECT_EQ(quota(), 2.5);
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(quota(), 0);
}

TEST_F(CpuQuota, IsNoneWhereNothingCanBeRead) {
  EXPECT_EQ(quota(), 0);
  version_2("/../elsewhere");
  EXPECT_EQ(quota(), 0);
  write("sys/fs/cgroup/cpu.max", "nonsense\n");
  EXPECT_EQ(quota(), 0);
  write("proc/self/mountinfo", "x - \n - cgroup2\n31 24 0:27 / /sys - cgroup2 c rw\n");
  EXPECT_EQ(quota(), 0);
}

}  // namespace
