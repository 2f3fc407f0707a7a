// The traces of an access: traffic counted, unwritten reads and races reported, bytes marked as written, order made.
#include <algorithm>
#include <cstring>

#include "exec/access.h"
#include "exec/race.h"
#include "exec/trace.h"

namespace nampemu {

nampemu_traffic* traffic_of(Launch& launch, Space space) {
  switch (space) {
    case Space::global:
      return &launch.counters.global;
    case Space::shared:
      return &launch.counters.shared;
    case Space::local:
      return &launch.counters.local;
    default:
      return nullptr;
  }
}

namespace {

void check_written(Warp& warp, const Instruction& i, const Region& region, uint64_t address,
                   uint32_t bytes, uint32_t lane) {
  if (region.written == nullptr) return;
  const uint8_t* shadow = region.written + (address - region.base);
  if (bytes == 4) {  // a word alone: four ones
    uint32_t marks;
    std::memcpy(&marks, shadow, 4);
    if (marks == 0x01010101U) return;
  }
  const void* hole = std::memchr(shadow, 0, bytes);
  if (hole == nullptr) return;
  report(NAMPEMU_UNWRITTEN_READ, warp, i, lane, [&] {
    const auto byte = static_cast<uint64_t>(static_cast<const uint8_t*>(hole) - region.written);
    return "a load of " + std::to_string(bytes) + " bytes at " + hexadecimal(address) + ": byte " +
           std::to_string(byte) + " of the " + std::to_string(region.size) + " bytes of " +
           space_name(region.space) + " memory was never written";
  });
}

void touch_all(Warp& warp, const Instruction& i, const Access& access, Touching how) {
  uint32_t lanes = access.lanes;
  // Many readers of one address leave the same mark as two.
  if (access.uniform && how != Touching::write && std::popcount(lanes) > 2) {
    const uint32_t without_first = lanes & (lanes - 1);
    lanes = (lanes & ~without_first) | (without_first & ~(without_first - 1));
  }
  if (access.region != nullptr && access.bytes % 4 == 0) {
    return touch_words(*access.region, warp, i, lanes, access.address.data(), access.bytes, how);
  }
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(lanes));
    touch(region_of(warp, i, access, lane), warp, i, lane, access.address[lane], access.bytes, how);
  }
}

// Whether an atomic access tells or hears: a load hears, a store tells, an atomic does both unless it gives nothing back (red).
struct Telling {
  bool hears, tells, overwrites;
};

void synchronize(Warp& warp, const Instruction& i, const Access& access, Telling telling) {
  if ((i.flags & kSynchronizes) == 0) return;
  const bool of_device = (i.flags & kBlockScope) == 0;
  if ((i.flags & kFenceBefore) != 0) fence(warp, access.lanes, of_device);
  const auto tell = [&](Order& order) {
    if (order.idle()) return;
    for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      const uint64_t address = access.address[lane];
      if (telling.hears) order.acquire(warp, lane, address, (i.flags & kFenceAfter) != 0);
      if (telling.tells) order.release(warp, lane, address, telling.overwrites);
    }
  };
  Block& block = *warp.block;
  tell(block.order);
  const auto first = static_cast<uint32_t>(std::countr_zero(access.lanes));
  if (of_device && !block.shared.holds(access.address[first], 1)) tell(block.device_order);
}

constexpr uint64_t kSector = 32;
constexpr uint64_t kLine = 128;
constexpr uint32_t kWordBytes = 4;

// The stretches of kBytes that an access touches; none of its lanes crosses the border of one.
template <uint64_t kBytes>
uint32_t count_touched(const Access& access) {
  if (access.contiguous) {
    const uint64_t last = access.address[kLanes - 1] + access.bytes - 1;
    return static_cast<uint32_t>(last / kBytes - access.address[0] / kBytes + 1);
  }
  std::array<uint64_t, kLanes> touched;
  size_t count = 0;
  for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
    const uint64_t at = access.address[static_cast<uint32_t>(std::countr_zero(rest))] / kBytes;
    if (count == 0 || touched[count - 1] != at) touched[count++] = at;
  }
  const auto end = touched.begin() + static_cast<ptrdiff_t>(count);
  if (!std::is_sorted(touched.begin(), end)) std::sort(touched.begin(), end);
  return static_cast<uint32_t>(std::unique(touched.begin(), end) - touched.begin());
}

// The most different words that a bank has among the lanes of a turn.
uint32_t most_words_of_a_bank(const Access& access, uint32_t lanes, uint32_t words_of_lane) {
  constexpr uint32_t kBanks = 32;  // and words of a turn
  std::array<std::array<uint64_t, kBanks>, kBanks> words;
  std::array<uint32_t, kBanks> counts{};
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(lanes));
    for (uint32_t k = 0; k < words_of_lane; ++k) {
      const uint64_t word = access.address[lane] / kWordBytes + k;
      const uint32_t bank = word % kBanks;
      const auto end = words[bank].begin() + counts[bank];
      if (std::find(words[bank].begin(), end, word) != end) continue;
      *end = word;
      ++counts[bank];
    }
  }
  return *std::max_element(counts.begin(), counts.end());
}

// Turns of shared memory beyond the least (nampemu.h, bank_conflicts).
uint32_t count_bank_conflicts(const Access& access) {
  if (access.contiguous || access.uniform) return 0;
  const uint32_t words_of_lane = std::max(1U, access.bytes / kWordBytes);
  const uint32_t lanes_of_turn = kLanes / words_of_lane;
  const uint32_t turn = ~0U >> (kLanes - lanes_of_turn);
  uint32_t conflicts = 0;
  for (uint32_t first = 0; first < kLanes; first += lanes_of_turn) {
    const uint32_t most =
        most_words_of_a_bank(access, access.lanes & (turn << first), words_of_lane);
    conflicts += most > 1 ? most - 1 : 0;
  }
  return conflicts;
}

// The space of a generic access is its region's. Which: loaded, stored or atomic.
void count(Warp& warp, const Instruction& i, const Access& access,
           uint64_t (nampemu_traffic::*which)[5]) {
  Launch& launch = *warp.block->launch;
  if ((i.flags & kOfParameters) != 0 || i.space == Space::param) return;
  const auto first = static_cast<uint32_t>(std::countr_zero(access.lanes));
  const Space space = i.space == Space::generic ? region_of(warp, i, access, first).space : i.space;
  const uint64_t bytes =
      uint64_t{access.bytes} * static_cast<uint64_t>(std::popcount(access.lanes));
  if (nampemu_traffic* traffic = traffic_of(launch, space)) {
    (traffic->*which)[width_index(access.bytes)] += bytes;
    if (space == Space::global && which != &nampemu_traffic::atomic) {
      (which == &nampemu_traffic::loaded ? launch.counters.sectors_loaded
                                         : launch.counters.sectors_stored) +=
          count_touched<kSector>(access);
      if (launch.trace != nullptr) {
        launch.trace->note(warp, i, access, which == &nampemu_traffic::stored);
        launch.counters.lines += count_touched<kLine>(access);
      }
    }
    if (space == Space::shared && which != &nampemu_traffic::atomic)
      launch.counters.bank_conflicts += count_bank_conflicts(access);
  } else {
    launch.counters.constant_loaded += bytes;
  }
}

}  // namespace

void note_load(Warp& warp, const Instruction& i, const Access& access) {
  check_copies(warp, i, access);
  count(warp, i, access, &nampemu_traffic::loaded);
  if (access.contiguous && access.region != nullptr) {
    check_written(warp, i, *access.region, access.address[0], access.bytes * kLanes, 0);
  } else {
    for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      check_written(warp, i, region_of(warp, i, access, lane), access.address[lane], access.bytes,
                    lane);
      if (access.uniform && access.region != nullptr) break;
    }
  }
  synchronize(warp, i, access, {true, false, false});
  touch_all(warp, i, access,
            (i.flags & kConstantRead) != 0   ? Touching::constant_read
            : (i.flags & kAtomicAccess) != 0 ? Touching::atomic_read
                                             : Touching::read);
}

void note_store(Warp& warp, const Instruction& i, const Access& access) {
  check_copies(warp, i, access);
  count(warp, i, access, &nampemu_traffic::stored);
  const auto mark = [](const Region& region, uint64_t address, uint64_t bytes) {
    if (region.written != nullptr) std::memset(region.written + (address - region.base), 1, bytes);
  };
  if (access.contiguous && access.region != nullptr) {
    mark(*access.region, access.address[0], uint64_t{access.bytes} * kLanes);
  } else {
    for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      mark(region_of(warp, i, access, lane), access.address[lane], access.bytes);
    }
  }
  synchronize(warp, i, access, {false, true, true});
  touch_all(warp, i, access, (i.flags & kAtomicAccess) != 0 ? Touching::atomic : Touching::write);
}

void touch_store(Warp& warp, const Instruction& i, const Access& access) {
  touch_all(warp, i, access, Touching::write);
}

void note_atomic(Warp& warp, const Instruction& i, const Access& access) {
  check_copies(warp, i, access);
  count(warp, i, access, &nampemu_traffic::atomic);
  for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    check_written(warp, i, region_of(warp, i, access, lane), access.address[lane], access.bytes,
                  lane);
  }
  synchronize(warp, i, access, {i.r[0] != kNone, true, false});
  touch_all(warp, i, access, Touching::atomic);
}

}  // namespace nampemu
