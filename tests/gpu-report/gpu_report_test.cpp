// Facts that the report must give of the kernels, and that it reads NVIDIA's tools as they write.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "report.h"

namespace gpu_report {
namespace {

const std::vector<PtxFacts>& kernels() {
  static const std::vector<PtxFacts> all = read_embedded_kernels();
  return all;
}

// Every row of the report, measured once, at a size that is enough for the shares.
const std::vector<Measured>& rows() {
  static const std::vector<Measured> all = [] {
    std::vector<std::string> names;
    for (const PtxFacts& kernel : kernels())
      names.emplace_back(kernel.kernel.name);
    EmulatedGpu gpu;
    std::vector<Measured> measured;
    for (const Workload& workload : workloads(1 << 20)) {
      for (Measured& row : measure(gpu, workload, names))
        measured.push_back(std::move(row));
    }
    return measured;
  }();
  return all;
}

std::string name_of(const Measured& row) { return row.workload + ", " + row.kernel; }

// The rows of the optimizer's path whose work is a pass over tensors: all but the scaler's update
// of one struct and the count of labels.
std::vector<Measured> passes() {
  std::vector<Measured> some;
  for (const Measured& row : rows()) {
    if (row.optimizer_path && row.needed_bytes > 0 && row.elements > 1) some.push_back(row);
  }
  return some;
}

bool is_cross_entropy(const Measured& row) { return row.kernel == "cross_entropy_kernel"; }
bool is_short_row(const Measured& row) {
  return is_cross_entropy(row) && row.workload.find("1024") != std::string::npos;
}

TEST(GpuReport, no_kernel_uses_local_memory) {
  ASSERT_GT(kernels().size(), 30U);
  for (const PtxFacts& kernel : kernels()) {
    EXPECT_EQ(kernel.kernel.local_bytes, 0U) << kernel.kernel.name;
  }
  for (const Measured& row : rows()) {
    EXPECT_EQ(row.local, 0) << name_of(row);
  }
}

TEST(GpuReport, no_bits_are_taken_of_an_absolute_value_or_a_negation) {
  EXPECT_EQ(find_embedded_bits_of_signs(), std::vector<std::string>{});
  const std::string copied = "abs.f32 \t%f2, %f1;\n@%p1 mov.f32 %f3, %f2;\n\tmov.b32 \t%r1, ";
  EXPECT_EQ(find_bits_of_signs(copied + "%f3;\n").size(), 1U);
  EXPECT_EQ(find_bits_of_signs(copied + "%f1;\n").size(), 0U);
  EXPECT_EQ(find_bits_of_signs(copied + "%f4;\n.visible .entry k(\nmov.b32 %r1, %f2;").size(), 0U);
}

TEST(GpuReport, every_kernel_is_measured) {
  for (const PtxFacts& kernel : kernels()) {
    const bool found = std::any_of(rows().begin(), rows().end(), [&](const Measured& row) {
      return row.kernel == kernel.kernel.name;
    });
    const std::string name = kernel.kernel.name;
    // Parts of products by cuBLAS.
    if (name == "gemm_bias_kernel" || name == "gemm_epilogue_kernel") continue;
    EXPECT_TRUE(found) << name;
  }
}

TEST(GpuReport, the_optimizers_path_moves_sixteen_bytes_at_a_time) {
  ASSERT_GT(passes().size(), 20U);
  for (const Measured& row : passes()) {
    // A row's ends and its label's gradient are single elements: a hundredth of 50,257 classes.
    EXPECT_GE(row.wide_share(), is_short_row(row) ? 0.9 : 0.99) << name_of(row);
  }
}

TEST(GpuReport, the_optimizers_path_moves_what_it_needs_and_no_more) {
  for (const Measured& row : passes()) {
    // The gradient takes the logits once more, when they are still in a cache, and so does the beginning of a
    // row, whose maximum comes first: all of a row of 1,024.
    const double allowed = is_short_row(row) ? 2.2 : is_cross_entropy(row) ? 1.55 : 1.02;
    EXPECT_LE(row.moved(), allowed * row.needed_bytes) << name_of(row);
    EXPECT_GE(row.moved(), row.needed_bytes * 0.999) << name_of(row);
  }
}

// A warp's access touches sectors of 32 bytes. Halves and what is not packed fill them; a pack of
// floats is two accesses of half a sector each, which meet in a cache.
TEST(GpuReport, warps_ask_for_whole_sectors_or_for_halves_of_them) {
  for (const Measured& row : passes()) {
    EXPECT_GE(row.load_efficiency(), 0.49) << name_of(row);
    if (row.stored > 1) {
      EXPECT_GE(row.store_efficiency(), 0.49) << name_of(row);
    }
  }
}

bool is_on_tensor_cores(const Measured& row) {
  for (const char* prefix : {"attention_", "gemm_float16_", "gemm_bfloat16_",
                             "convolution_float16_", "convolution_bfloat16_"}) {
    if (row.kernel.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

TEST(GpuReport, products_and_attention_have_no_conflicts_of_banks) {
  size_t found = 0;
  for (const Measured& row : rows()) {
    if (row.shared == 0) continue;
    if (!is_on_tensor_cores(row) && row.kernel != "channels_last_kernel") continue;
    ++found;
    EXPECT_EQ(row.bank_conflicts, 0) << name_of(row);
  }
  EXPECT_GE(found, 70U);
}

bool is_integer_product(const Measured& row) {
  for (const char* prefix : {"int8_gemm_", "int4_gemm_", "code_gemm_"}) {
    if (row.kernel.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

TEST(GpuReport, integer_products_have_no_conflicts_of_banks_and_read_codes_once_in_sixteen_bytes) {
  size_t found = 0;
  size_t of_one_row = 0;
  for (const Measured& row : rows()) {
    if (!is_integer_product(row)) continue;
    ++found;
    EXPECT_EQ(row.bank_conflicts, 0) << name_of(row);
    const bool one =
        row.kernel.find("row_kernel") != std::string::npos || row.kernel == "int8_gemm_rows_kernel";
    if (!one) continue;
    ++of_one_row;
    // Beside the codes a block reads the row, and each thread scales, which are in a cache.
    const double codes = row.kernel.find("int4") != std::string::npos ? 0.5 : 1;
    EXPECT_GE(row.by_width[4], codes) << name_of(row);
    EXPECT_GE(row.load_efficiency(), 0.8) << name_of(row);
  }
  EXPECT_EQ(found, 11U);
  EXPECT_EQ(of_one_row, 4U);
}

// A tile of C of t rows and columns takes t elements of A and t of B for each k: a product has 2 / t
// elements of each to read. What is written is C, once.
TEST(GpuReport, products_on_tensor_cores_move_what_tiles_need_sixteen_bytes_at_a_time) {
  size_t found = 0;
  for (const Measured& row : rows()) {
    if (!is_on_tensor_cores(row) || row.workload.rfind("gemm ", 0) != 0) continue;
    ++found;
    const double tile = row.kernel.find("_128_") != std::string::npos ? 128 : 64;
    const double elements = 2 / tile;
    EXPECT_GE(row.loaded, 2 * elements) << name_of(row);
    EXPECT_LE(row.loaded, 1.05 * 2 * elements) << name_of(row);
    EXPECT_EQ(row.stored, 2.0 / 128) << name_of(row);  // k is 128
    EXPECT_GE(row.load_efficiency(), 0.9) << name_of(row);
    EXPECT_GE(row.store_efficiency(), 0.9) << name_of(row);
    EXPECT_EQ(row.wide_share(), 1) << name_of(row);
    // mma of 16 x 8 x 16, or x 8 on 7.5, has 64 or 32 products for each of its threads. What else is
    // computed in float32 is less than a tenth of the arithmetic.
    const double tensor = row.kernel.find("_sm75_") != std::string::npos ? 1.0 / 32 : 1.0 / 64;
    const double others = row.by_class[NAMPEMU_FLOAT] - tensor;
    EXPECT_GE(others, 0) << name_of(row);
    EXPECT_LE(others, 0.1) << name_of(row);
  }
  EXPECT_EQ(found, 24U);
}

// A block has some rows of the 128 and goes over the others once. Beside its rows it reads, forward, keys
// and values; for queries the output too, and twice its gradient; for keys queries and gradients.
TEST(GpuReport, attention_on_tensor_cores_moves_what_tiles_need_sixteen_bytes_at_a_time) {
  const double time = 128;
  size_t found = 0;
  for (const Measured& row : rows()) {
    if (row.kernel.rfind("attention_", 0) != 0) continue;
    if (row.kernel.find("float16_") == std::string::npos) continue;
    ++found;
    const bool of_queries = row.kernel.find("_queries_") != std::string::npos;
    const bool of_keys = row.kernel.find("_keys_") != std::string::npos;
    const double dims = std::stod(row.workload.substr(std::string("attention of ").size()));
    const double block = of_queries && dims == 64 ? 128 : 64;
    const double own = of_queries ? 4 : of_keys ? 2 : 1;
    const double bytes = 2 * dims * (own * block + 2 * time) / (block * time);
    EXPECT_GE(row.loaded, bytes) << name_of(row);
    EXPECT_LE(row.loaded, 1.05 * bytes) << name_of(row);
    EXPECT_GE(row.load_efficiency(), 0.75) << name_of(row);
    EXPECT_GE(row.store_efficiency(), 0.99) << name_of(row);
    EXPECT_GE(row.wide_share(), 0.96) << name_of(row);  // the sums of each row are floats
  }
  EXPECT_EQ(found, 30U);
}

// Costs that may not come back: limits a few per cent above the figures of clang 14 and 19.
TEST(GpuReport, instructions_an_element_do_not_grow) {
  const std::map<std::string, double> most = {{"cast f32 to f16", 13},
                                              {"cast f32 to bf16", 18},
                                              {"cast f16 to f32", 13},
                                              {"scale f16", 18},
                                              {"check f16", 11},
                                              {"unscale and check f16", 24},
                                              {"mse f16", 28},
                                              {"cross-entropy f16, 1024 classes", 136},
                                              {"cross-entropy bf16, 50257 classes", 62},
                                              {"Adam f32", 42},
                                              {"Adam f16, compute copy", 51},
                                              {"Adam bf16, compute copy", 57}};
  size_t found = 0;
  for (const Measured& row : passes()) {
    const auto limit = most.find(row.workload);
    if (limit == most.end()) continue;
    ++found;
    EXPECT_LE(row.instructions, limit->second) << name_of(row);
    EXPECT_GT(row.instructions, limit->second / 2) << name_of(row) << ": lower the limit";
  }
  EXPECT_EQ(found, most.size());
}

TEST(GpuReport, classes_and_widths_add_up) {
  for (const Measured& row : rows()) {
    double instructions = 0;
    for (const double c : row.by_class)
      instructions += c;
    EXPECT_NEAR(instructions, row.instructions, 1e-6 * row.instructions) << name_of(row);
    double bytes = 0;
    for (const double b : row.by_width)
      bytes += b;
    EXPECT_NEAR(bytes, row.moved(), 1e-6 * row.moved()) << name_of(row);
  }
}

// By hand: 28 bytes a parameter, 1e9 of them, at 2,039, 3,350 and 4,800 GB/s.
TEST(GpuReport, a_prediction_is_bytes_by_bandwidth) {
  EXPECT_NEAR(memory_seconds(kGpus[0], 28, 1e9), 13.732e-3, 1e-6);
  EXPECT_NEAR(memory_seconds(kGpus[1], 28, 1e9), 8.358e-3, 1e-6);
  EXPECT_NEAR(memory_seconds(kGpus[2], 28, 1e9), 5.833e-3, 1e-6);
  // A kernel of 64 float operations an element and nothing else: a clock for each multiprocessor of
  // an A100, half of one where there are 128 units.
  Measured m;
  m.by_class[NAMPEMU_FLOAT] = m.instructions = 64;
  m.warp_instructions = 2;
  EXPECT_NEAR(arithmetic_seconds(kGpus[0], m, 1e9), 1e9 / (108 * 1.41e9), 1e-6);
  EXPECT_NEAR(arithmetic_seconds(kGpus[1], m, 1e9), 0.5e9 / (132 * 1.98e9), 1e-6);
}

// ---- The readers of what NVIDIA's tools print, with texts in their form ----

TEST(GpuReport, reads_ptxas) {
  SassTable facts;
  read_ptxas(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'adam_kernel' for 'sm_90'\n"
      "ptxas info    : Function properties for adam_kernel\n"
      "    8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads\n"
      "ptxas info    : Used 72 registers, used 1 barriers, 3248 bytes smem, 5000 bytes cmem[0]\n"
      "ptxas info    : Compiling entry function 'cast_kernel' for 'sm_90'\n"
      "ptxas info    : Function properties for cast_kernel\n"
      "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 40 registers, 416 bytes cmem[0]\n",
      facts);
  ASSERT_EQ(facts.size(), 2U);
  const SassFacts adam = facts[{"sm_90", "adam_kernel"}];
  EXPECT_EQ(adam.registers, 72);
  EXPECT_EQ(adam.stack_bytes, 8);
  EXPECT_EQ(adam.spill_stores, 12);
  EXPECT_EQ(adam.spill_loads, 16);
  EXPECT_EQ(adam.shared_bytes, 3248);
  const SassFacts cast = facts[{"sm_90", "cast_kernel"}];
  EXPECT_EQ(cast.registers, 40);
  EXPECT_EQ(cast.spill_loads, 0);
  EXPECT_EQ(cast.shared_bytes, 0);
}

TEST(GpuReport, reads_nvdisasm) {
  SassTable facts;
  read_sass(
      "\t.headerflags\t@\"EF_CUDA_SM80\"\n"
      "//--------------------- .text.cast_kernel --------------------------\n"
      "\t.section\t.text.cast_kernel,\"ax\",@progbits\n"
      "cast_kernel:\n"
      ".text.cast_kernel:\n"
      "        /*0000*/                   MOV R1, c[0x0][0x28] ;\n"
      "        /*0010*/               @P0 EXIT ;\n"
      ".L_x_1:\n"
      "        /*0020*/                   LDG.E.128 R4, [R2.64] ;\n"
      "        /*0030*/              @!P1 LDG.E.U16 R8, [R2.64+0x10] ;\n"
      "        /*0040*/                   LDG.E R9, [R2.64+0x14] ;\n"
      "        /*0050*/                   STG.E.64 [R6.64], R4 ;\n"
      "        /*0060*/                   STL [R1], R4 ;\n"
      "        /*0070*/                   EXIT ;\n"
      ".L_x_2:\n"
      "        /*0070*/                   HMMA.16816.F32 R4, R8.reuse, R12, R4 ;\n"
      "        /*0070*/                   LDGSTS.E.BYPASS.128.ZFILL [R110], [R16.64], P1 ;\n"
      "        /*0080*/                   BRA `(.L_x_2);\n"
      "        /*0090*/                   NOP;\n"
      "\t.section\t.text.mse_kernel,\"ax\",@progbits\n"
      ".text.mse_kernel:\n"
      "        /*0000*/                   EXIT ;\n",
      "sm_80", facts);
  ASSERT_EQ(facts.size(), 2U);
  const SassFacts cast = facts[{"sm_80", "cast_kernel"}];
  EXPECT_EQ(cast.instructions, 11);
  EXPECT_EQ(cast.tensor_products, 1);
  EXPECT_EQ(cast.async_copies, 1);
  EXPECT_EQ(cast.loads[4], 1);
  EXPECT_EQ(cast.loads[1], 1);
  EXPECT_EQ(cast.loads[2], 1);
  EXPECT_EQ(cast.stores[3], 1);
  EXPECT_EQ(cast.local_accesses, 1);
  EXPECT_EQ((facts[{"sm_80", "mse_kernel"}].instructions), 1);
}

}  // namespace
}  // namespace gpu_report
