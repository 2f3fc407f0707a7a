// The code that NVIDIA's assembler makes of the kernels, by each compiler for each architecture:
// held to a table and to facts that must be so of every kernel.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "kernel_limits.h"
#include "machine_code.h"

namespace namp_nvidia {
namespace {

using gpu_report::SassFacts;

// "clang-sm_75": a compiler's PTX, assembled for an architecture.
class MachineCode : public ::testing::TestWithParam<std::string> {
 protected:
  // A processor works a minute or two on each. Every run looks at each kernel of clang's for 9.0, where
  // registers are scarcest, and at those that are for 8.0 and later for 8.0 too.
  void SetUp() override {
    const std::set<std::string> always{"clang-sm_80", "clang-sm_90"};
    if (always.count(GetParam()) == 0 && !exhaustive())
      GTEST_SKIP() << "with ./build.sh test --exhaustive";
  }

  static bool exhaustive() { return std::getenv("NATIVEAMP_EXHAUSTIVE") != nullptr; }

  // Whether only the kernels are looked at whose oldest architecture this is.
  static bool oldest_only() { return GetParam() == "clang-sm_80" && !exhaustive(); }

  static bool by_nvcc() { return GetParam().rfind("nvcc", 0) == 0; }

  // Assembled once a process: a test of each kind looks at it.
  static const std::vector<SassFacts>& kernels() {
    static std::map<std::string, std::vector<SassFacts>> all;
    const auto known = all.find(GetParam());
    if (known != all.end()) return known->second;
    std::vector<SassFacts>& made = all[GetParam()];
    const std::string architecture = GetParam().substr(GetParam().find('-') + 1);
    const char* images = !by_nvcc()                              ? NATIVEAMP_CLANG_PTX
                         : architecture == NATIVEAMP_NVCC_NEWEST ? NATIVEAMP_NVCC_NEWEST_PTX
                                                                 : NATIVEAMP_NVCC_PTX;
    const auto report = gpu_report::read_machine_code(images, NATIVEAMP_TOOLS, {architecture},
                                                      oldest_only() ? architecture : "sm_75");
    for (const std::string& note : report.notes)
      ADD_FAILURE() << note;
    for (const auto& [key, facts] : report.facts)
      made.push_back(facts);
    return made;
  }

  static const KernelLimits* limits_of(const std::string& kernel) {
    for (const KernelLimits& one : kKernelLimits) {
      if (kernel == one.name) return &one;
    }
    return nullptr;
  }
};

TEST_P(MachineCode, is_there_for_every_kernel_of_the_table_and_no_other) {
  std::set<std::string> expected;
  std::set<std::string> found;
  const int architecture = std::atoi(GetParam().c_str() + GetParam().find("sm_") + 3);
  for (const KernelLimits& one : kKernelLimits) {
    if (oldest_only() ? architecture == one.architecture : architecture >= one.architecture)
      expected.insert(one.name);
  }
  for (const SassFacts& kernel : kernels()) {
    found.insert(kernel.kernel);
    EXPECT_GT(kernel.instructions, 10) << kernel.kernel;
  }
  EXPECT_EQ(found, expected);
}

TEST_P(MachineCode, keeps_every_value_in_registers) {
  for (const SassFacts& kernel : kernels()) {
    EXPECT_EQ(kernel.spill_stores, 0) << kernel.kernel;
    EXPECT_EQ(kernel.spill_loads, 0) << kernel.kernel;
    EXPECT_EQ(kernel.stack_bytes, 0) << kernel.kernel;
    EXPECT_EQ(kernel.local_accesses, 0) << kernel.kernel;
  }
}

TEST_P(MachineCode, takes_no_more_registers_and_shared_memory_than_the_table_allows) {
  for (const SassFacts& kernel : kernels()) {
    const KernelLimits* limits = limits_of(kernel.kernel);
    if (limits == nullptr) continue;
    EXPECT_GT(kernel.registers, 0) << kernel.kernel;
    EXPECT_LE(kernel.registers, by_nvcc() ? limits->nvcc_registers : limits->registers)
        << kernel.kernel;
    EXPECT_LE(kernel.shared_bytes, limits->shared_bytes) << kernel.kernel;
  }
}

TEST_P(MachineCode, moves_sixteen_bytes_at_a_time_on_the_optimizers_path) {
  for (const SassFacts& kernel : kernels()) {
    const KernelLimits* limits = limits_of(kernel.kernel);
    if (limits == nullptr || limits->wide == kNarrow) continue;
    if (limits->wide != kStores) {
      EXPECT_GT(kernel.loads[4], 0) << kernel.kernel;
    }
    if (limits->wide != kLoads) {
      EXPECT_GT(kernel.stores[4], 0) << kernel.kernel;
    }
  }
}

TEST_P(MachineCode, computes_in_float64_only_where_the_table_says_so) {
  for (const SassFacts& kernel : kernels()) {
    const KernelLimits* limits = limits_of(kernel.kernel);
    if (limits == nullptr) continue;
    EXPECT_EQ(kernel.doubles > 0, limits->doubles)
        << kernel.kernel << " has " << kernel.doubles << " instructions of float64";
  }
}

TEST_P(MachineCode, multiplies_halves_and_bytes_on_tensor_cores_beside_the_next_loads) {
  for (const SassFacts& kernel : kernels()) {
    const bool is_product =
        kernel.kernel.find("float16_") != std::string::npos ||
        (kernel.kernel.rfind("int8_gemm_", 0) == 0 && kernel.kernel != "int8_gemm_rows_kernel");
    EXPECT_EQ(kernel.tensor_products > 0, is_product) << kernel.kernel;
    const bool turing = kernel.kernel.find("_sm75_") != std::string::npos;
    EXPECT_EQ(kernel.async_copies > 0, is_product && !turing) << kernel.kernel;
  }
}

// A GPU may give another NaN for the absolute value of one, as PTX lets it.
TEST_P(MachineCode, takes_no_bits_of_an_absolute_value) {
  for (const SassFacts& kernel : kernels()) {
    EXPECT_EQ(kernel.absolute_bits, 0) << kernel.kernel;
  }
}

// "clang-sm_75,clang-sm_80,…"
std::vector<std::string> all_of(const char* list) {
  std::vector<std::string> names;
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');)
    names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Nvidia, MachineCode, ::testing::ValuesIn(all_of(NATIVEAMP_MACHINE_CODES)),
                         [](const auto& param) {
                           std::string name = param.param;
                           name[name.find('-')] = '_';
                           return name;
                         });

}  // namespace
}  // namespace namp_nvidia
