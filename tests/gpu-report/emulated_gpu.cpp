#include "emulated_gpu.h"

#include "../native/cells.h"

#include <cstdlib>

namespace gpu_report {

EmulatedGpu::EmulatedGpu() {
  // The product finds it as it finds a driver. Products of matrices are to be its own kernel's.
  setenv("NATIVEAMP_CUDA_LIBRARY", NATIVEAMP_EMULATED_CUDA, 1);
  setenv("NATIVEAMP_CUBLAS_LIBRARY", "none", 1);
  nampemu_set_compute(compute_);
  require(namp_device_open(&device_, NAMP_DEVICE_CUDA, 0));
}

void EmulatedGpu::use(int compute) {
  if (compute == compute_) return;
  require(namp_device_close(device_));
  device_ = nullptr;
  nampemu_set_compute(compute_ = compute);
  require(namp_device_open(&device_, NAMP_DEVICE_CUDA, 0));
}

EmulatedGpu::~EmulatedGpu() {
  release();
  namp_device_close(device_);
}

void* EmulatedGpu::numbers(int32_t dtype, int64_t count) {
  constexpr int32_t kByte = 0x3c;  // 1.06 in float16, 0.0115 in bfloat16 and float32
  void* memory = nullptr;
  require(
      namp_memory_allocate(&memory, device_, count * bytes_of(dtype), NAMP_MEMORY_OTHER, nullptr));
  memory_.push_back(memory);
  require(namp_memory_fill(device_, memory, kByte, count * bytes_of(dtype), nullptr));
  return memory;
}

namp_table* EmulatedGpu::table(const std::vector<int32_t>& dtypes, int64_t count) {
  std::vector<namp_cell> cells;
  for (const int32_t dtype : dtypes) {
    if (dtype < NAMP_INT8_DYNAMIC) {
      cells.push_back(namp_test::cell(numbers(dtype, count), dtype));
      continue;
    }
    // Codes in blocks.
    const void* codes = numbers(NAMP_UINT8, count);
    const auto blocks = static_cast<size_t>(count / NAMP_BLOCK_ELEMENTS + 1);
    cells.push_back(namp_test::cell(codes, dtype, values(std::vector<float>(blocks, 1e-3f))));
  }
  auto description = sized<namp_table_description>();
  description.column_count = static_cast<int32_t>(dtypes.size());
  description.tensor_count = 1;
  description.counts = &count;
  description.cells = cells.data();
  namp_table* made = nullptr;
  require(namp_table_create(&made, device_, &description));
  tables_.push_back(made);
  return made;
}

void EmulatedGpu::release() {
  for (namp_table* table : tables_)
    namp_table_destroy(table);
  for (void* memory : memory_)
    namp_memory_free(device_, memory, nullptr);
  tables_.clear();
  memory_.clear();
}

}  // namespace gpu_report
