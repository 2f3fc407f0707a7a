// The report as a whole, for a person and for a program.
#pragma once

#include <iosfwd>
#include <vector>

#include "measure.h"
#include "ptx_facts.h"
#include "machine_code.h"

namespace gpu_report {

inline constexpr double kPredictedElements = 1e9;

// Machine code of one compiler's images.
struct MachineCode {
  std::string compiler;  // "clang" or "nvcc"
  SassReport sass;
};

struct Report {
  int64_t elements = 0;
  std::vector<PtxFacts> kernels;
  std::vector<Measured> rows;
  std::vector<MachineCode> machine_code;
};

// Adds to the compiler's machine code; what is there of an architecture is replaced.
void add_machine_code(Report& report, const std::string& compiler, SassReport sass);

void write_text(std::ostream& out, const Report& report);
void write_json(std::ostream& out, const Report& report);

}  // namespace gpu_report
