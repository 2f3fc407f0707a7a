// A record of what a device did, a line of JSON for each launch, product, copy and fill (nampemu_record). With a sample it is of a program whose numbers
// nobody needs: of large grids some blocks run, and what was done before is not done again.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "exec/block.h"

namespace nampemu {

inline constexpr uint32_t kMostSampled = 65536;  // blocks of a launch

class Record {
 public:
  // Begins a new one, or with null ends it. False where the file cannot be written.
  bool open(const char* file, uint32_t sampled_blocks);
  bool is_open() const { return file_ != nullptr; }
  // How many blocks of a large grid run; 0: all, and all else is done too.
  uint32_t sampled_blocks() const { return is_open() ? sampled_blocks_ : 0; }
  // Of the bytes of a copy or a fill, those above it are not moved where blocks are sampled: numbers, not the tables that kernels follow.
  static constexpr uint64_t kMovedBytes = 1 << 20;
  bool moves(uint64_t bytes) const { return sampled_blocks() == 0 || bytes <= kMovedBytes; }

  // Runs the launch, or takes what an equal one did: of the same kernel and grid, with the same arguments but for where memory lies.
  void run(Launch& launch, uint64_t graph);
  // kind: what was done. The rest are fields of the line.
  void write(const char* kind, const std::string& name, uint64_t graph,
             const std::vector<std::pair<const char*, uint64_t>>& fields);

 private:
  struct Executed {
    LaunchCounters counters;
    uint64_t blocks_run = 0, longest_warp = 0, loaded_extent = 0, stored_extent = 0;
  };
  void write(const Launch& launch, const Executed& did, bool again, uint64_t graph);

  std::FILE* file_ = nullptr;
  uint32_t sampled_blocks_ = 0;
  std::map<std::string, Executed> executed_;
};

}  // namespace nampemu
