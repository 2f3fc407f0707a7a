#include "exec/trace.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "exec/lanes.h"

namespace nampemu {

void Trace::add(std::vector<Extent>& extents, const Region* region, uint64_t first, uint64_t end) {
  for (Extent& extent : extents) {
    if (extent.region != region) continue;
    extent.first = std::min(extent.first, first);
    extent.end = std::max(extent.end, end);
    return;
  }
  extents.push_back({region, first, end});
}

void Trace::note(Warp& warp, const Instruction& i, const Access& access, bool stores) {
  std::vector<Extent>& extents = (stores ? stores_ : loads_)[&i];
  if (access.region == nullptr) {
    for_lanes(access.lanes, [&](uint32_t lane) {
      const uint64_t address = access.address[lane];
      add(extents, &region_of(warp, i, access, lane), address, address + access.bytes);
    });
    return;
  }
  uint64_t least = ~uint64_t{0};
  uint64_t greatest = 0;
  for_lanes(access.lanes, [&](uint32_t lane) {
    least = std::min(least, access.address[lane]);
    greatest = std::max(greatest, access.address[lane]);
  });
  add(extents, access.region, least, greatest + access.bytes);
}

uint64_t Trace::extent(const Extents& extents) {
  std::vector<std::pair<uint64_t, uint64_t>> all;  // addresses of regions never overlap
  for (const auto& [instruction, of_it] : extents) {
    for (const Extent& one : of_it)
      all.emplace_back(one.first, one.end);
  }
  std::sort(all.begin(), all.end());
  uint64_t bytes = 0;
  uint64_t reached = 0;
  for (const auto& [first, end] : all) {
    if (end > reached) bytes += end - std::max(first, reached);
    reached = std::max(reached, end);
  }
  return bytes;
}

bool Trace::only_counts(uint64_t blocks) const {
  return std::all_of(atomics_.begin(), atomics_.end(), [=](const auto& entry) {
    return entry.second.only_counts && entry.second.blocks == blocks;
  });
}

void Trace::count_more(uint64_t blocks) {
  for (const auto& [address, word] : atomics_) {
    uint32_t value = 0;
    std::memcpy(&value, word.at, sizeof value);
    value += static_cast<uint32_t>(word.operand * blocks);
    std::memcpy(word.at, &value, sizeof value);
  }
}

void Trace::restore() {
  for (const auto& [address, word] : atomics_)
    std::memcpy(word.at, &word.before, word.bytes);
  atomics_.clear();
}

std::vector<uint64_t> spread_blocks(const std::array<uint32_t, 3>& grid, uint32_t count) {
  constexpr double kGolden =
      0.6180339887498949;  // of 1: multiples of it, without their whole part, lie far apart
  std::array<uint32_t, 3> steps{
      1, 1, 1};  // through the strata of a dimension, in other orders than of the first
  for (uint32_t dimension = 1, step = count / 3 + 1; dimension < 3; ++step) {
    if (std::gcd(step, count) == 1) steps[dimension++] = step;
  }
  std::vector<uint64_t> blocks;
  for (uint32_t i = 0; i < count; ++i) {
    std::array<uint64_t, 3> at{};
    for (uint32_t dimension = 0; dimension < 3; ++dimension) {
      const auto stratum = static_cast<double>(uint64_t{i} * steps[dimension] % count);
      const double within = std::fmod((i + 0.5) * kGolden * (dimension + 1), 1.0);
      at[dimension] = static_cast<uint64_t>(grid[dimension] * (stratum + within) / count);
    }
    blocks.push_back((at[2] * grid[1] + at[1]) * grid[0] + at[0]);
  }
  return blocks;
}

}  // namespace nampemu
