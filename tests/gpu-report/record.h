// What the emulated GPU recorded of a program (nampemu_record): pieces of work, their floors, and the launches of each.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace gpu_report {

// A launch of a kernel, or a product of cuBLAS, a copy or a fill on the device.
struct Launch {
  std::string kind;  // "kernel", "product", "copy", "fill"
  std::string name;  // of a kernel
  double blocks = 0, threads = 0, longest_warp = 0;
  double loaded_extent = 0, stored_extent = 0;
  double loaded = 0, stored = 0, atomic = 0, lines = 0, shared = 0, bank_conflicts = 0;
  double warp_instructions = 0, thread_instructions = 0;
  double matrix_instructions = 0, matrix_products = 0;
  double by_class[10] = {};
  double m = 0, n = 0, k = 0, batch = 0, operand_bytes = 0, result_bytes = 0, reads_result = 0,
         kept = 0;
  double bytes = 0;  // of a copy or a fill

  double asked() const { return loaded + stored + atomic; }
};

struct Floor {
  std::string name;
  double operations = 0, bytes = 0;
};

struct Piece {
  std::string name;
  std::vector<Floor> floors;
  std::vector<Launch> launches;
};

// Work that belongs to no piece is left out. Throws std::runtime_error with the line that is not one of a record.
std::vector<Piece> read_record(std::istream& in);

}  // namespace gpu_report
