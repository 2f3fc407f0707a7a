// Facts of a kernel's machine code, read from what NVIDIA's assembler and disassembler print.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace gpu_report {

struct SassFacts {
  std::string architecture;  // sm_90
  std::string kernel;
  int registers = -1;     // of a thread; -1: the tool did not say
  int spill_stores = -1;  // bytes; ptxas alone says
  int spill_loads = -1;
  int stack_bytes = -1;
  int shared_bytes = -1;
  int instructions = 0;  // in the code, not executed
  // Instructions of global memory by width in bytes (1, 2, 4, 8, 16), and of local memory, which
  // are spills.
  int loads[5] = {};
  int stores[5] = {};
  int local_accesses = 0;
  int doubles = 0;          // instructions of float64, conversions among them
  int tensor_products = 0;  // a warp's products of matrices
  int async_copies = 0;     // from global to shared memory, beside what the thread does
  // Instructions that take the bits of a float's absolute value, of which a GPU may have lost a
  // NaN's payload.
  int absolute_bits = 0;
};

using SassTable =
    std::map<std::pair<std::string, std::string>, SassFacts>;  // by architecture and kernel

// Reads what the tools print. Text that is not understood is passed over.
void read_ptxas(std::string_view text, SassTable& facts);  // ptxas -v
// nvdisasm -c, of a cubin for the architecture
void read_sass(std::string_view text, const std::string& architecture, SassTable& facts);

// The share of a multiprocessor's threads that blocks of a kernel can fill, 0 to 1; -1 where the
// architecture or the registers are not known. threads: of a block.
double occupancy(const SassFacts& facts, int threads);

}  // namespace gpu_report
