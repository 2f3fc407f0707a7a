// PTX as a compiler writes it: a call with a structure, local arrays, constants, shared memory,
// shuffles, an atomic.
#include <cmath>
#include <fstream>
#include <sstream>

#include "device_test.h"

namespace nampemu_test {
namespace {

using CompilerTest = DeviceTest;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_F(CompilerTest, RunsWhatClangWrites) {
  const CUfunction f = load(read_file(std::string(NAMPEMU_TEST_DATA) + "/sum.ptx"), "sum");
  ASSERT_NE(f, nullptr);
  const size_t count = 300;
  std::vector<float> in(count);
  for (size_t i = 0; i < count; ++i)
    in[i] = static_cast<float>(i % 50) / 4;
  const std::vector<float> zero(1);
  const Buffer from(in), to(count * 4), sum(zero);
  struct Scale {
    float factor;
    long long count;
    uint64_t sum;
  } scale = {3, static_cast<long long>(count), sum.address()};
  CUdeviceptr out = to.address();
  CUdeviceptr source = from.address();
  void* arguments[] = {&out, &source, &scale};
  ASSERT_EQ(cuLaunchKernel(f, 3, 1, 1, 128, 1, 1, 0, nullptr, arguments, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS) << findings();
  const auto got = to.read<float>();
  const float table[4] = {0.5F, 1.0F, 1.5F, 2.0F};
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    const volatile float product = in[i] * 3;
    const volatile float root = std::sqrt(in[i]) / 3;
    const volatile float curve = product + root;
    const volatile float wanted = curve * table[i % 128 % 4];
    EXPECT_EQ(got[i], wanted) << i;
    total += static_cast<double>(wanted);
  }
  EXPECT_NEAR(sum.read<float>()[0], total, total * 1e-6);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

}  // namespace
}  // namespace nampemu_test
