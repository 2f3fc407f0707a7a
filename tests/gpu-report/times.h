// Tables of the time of recorded work, by the model.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "time_model.h"

namespace gpu_report {

// The same work, recorded for a GPU: its compute capability and multiprocessors decide kernels and grids.
struct Recording {
  const Gpu* gpu = nullptr;
  std::vector<Piece> pieces;
};

// A GPU by its name or the beginning of that; null for none.
const Gpu* find_gpu(const std::string& name);

struct PieceTime {
  size_t launches = 0;
  double seconds = 0;  // by the model
  double floor = 0;    // of the work, at published peaks, whatever the kernels are
  double reached = 0;  // the same at what cuBLAS and a copy reach
};
PieceTime time_of(const Gpu& gpu, const Piece& piece);

// What the model assumes.
void write_assumptions(std::ostream& out);
// A table of pieces, one of kernels and one of limits; all recordings are of the same pieces.
void write_times(std::ostream& out, const std::string& label,
                 const std::vector<Recording>& recordings);

}  // namespace gpu_report
