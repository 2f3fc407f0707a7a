// cp.async: copies that land as late as the waits allow, so that a missing wait meets memory as it was. From its issue on a copy may read and write
// at any time: an access to its bytes before it has landed is a race, and its write counts at both ends.
#include "exec/async_copy.h"

#include <algorithm>
#include <cstring>

#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/race.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

uint8_t* marks_of(Block& block, uint64_t address) {
  block.under_way.resize(block.shared.size);
  return block.under_way.data() + (address - block.shared.base);
}

// Notes a lane's read: as much as it says. first: of its bytes; the rest follows at the next call.
void note_source(Warp& warp, const Instruction& i, uint32_t lanes, const Access& whole,
                 uint32_t first, uint32_t bytes, uint32_t alignment, AsyncCopy& copy) {
  if (bytes == 0) return;
  Access access;
  for_lanes(lanes, [&](uint32_t lane) { access.address[lane] = whole.address[lane] + first; });
  resolve_at(warp, i, lanes, bytes, alignment, "load", access);
  note_load(warp, i, access);
  for_lanes(lanes, [&](uint32_t lane) {
    if (first == 0) copy.from[lane] = access.at(lane);
  });
}

void note_sources(Warp& warp, const Instruction& i, AsyncCopy& copy) {
  const Instruction& source = warp.block->launch->kernel->seconds[i.second];
  Access whole;
  collect_addresses(warp, source, copy.lanes, source.r[4], whole.address.data());
  for (uint32_t rest = copy.lanes; rest != 0;) {
    const uint32_t bytes = copy.bytes[static_cast<uint32_t>(std::countr_zero(rest))];
    uint32_t alike = 0;
    for_lanes(rest, [&](uint32_t lane) {
      alike |= static_cast<uint32_t>(copy.bytes[lane] == bytes) << lane;
    });
    rest &= ~alike;
    // Words, and what is left over.
    const uint32_t words = bytes & ~3U;
    note_source(warp, source, alike, whole, 0, words, i.width, copy);
    note_source(warp, source, alike, whole, words, bytes - words, words == 0 ? i.width : 1, copy);
  }
  if (!warp.block->aged.empty()) restore_aged(*warp.block);
}

// r[1]: bytes to read, or none; r[4]: the destination's address. width: bytes to write. The second instruction has the source's address.
void issue(Warp& warp, const Instruction& i, uint32_t lanes) {
  Block& block = *warp.block;
  AsyncCopy copy;
  copy.instruction = &i;
  copy.lanes = lanes;
  copy.bytes.fill(i.width);
  copy.group = warp.copy_groups;
  if (i.r[1] != kNone) {
    const uint32_t* bytes = warp.at<uint32_t>(i.r[1]);
    for_lanes(lanes, [&](uint32_t lane) {
      copy.bytes[lane] = std::min<uint32_t>(bytes[lane], i.width);
      if (bytes[lane] <= i.width) return;
      report(NAMPEMU_OUT_OF_BOUNDS, warp, i, lane, [&] {
        return "a copy of " + std::to_string(bytes[lane]) + " bytes to " + std::to_string(i.width);
      });
    });
  }
  Access target;
  resolve(warp, i, lanes, i.r[4], i.width, "store", target);
  note_sources(warp, i, copy);
  check_copies(warp, i, target);
  touch_store(warp, i, target);
  for_lanes(lanes, [&](uint32_t lane) {
    copy.to[lane] = target.address[lane];
    if (copy.bytes[lane] != 0)
      std::memcpy(copy.seen[lane].data(), copy.from[lane], copy.bytes[lane]);
    std::memset(marks_of(block, copy.to[lane]), 1, i.width);
  });
  block.copies_under_way += static_cast<uint32_t>(std::popcount(lanes));
  warp.copies.push_back(copy);
}

void land(Warp& warp, AsyncCopy& copy, uint32_t lanes) {
  Block& block = *warp.block;
  const Instruction& i = *copy.instruction;
  copy.lanes &= ~lanes;
  block.copies_under_way -= static_cast<uint32_t>(std::popcount(lanes));
  for_lanes(lanes, [&](uint32_t lane) { std::memset(marks_of(block, copy.to[lane]), 0, i.width); });
  Access target;
  target.address = copy.to;
  resolve_at(warp, i, lanes, i.width, i.width, "store", target);
  note_store(warp, i, target);
  for_lanes(lanes, [&](uint32_t lane) {
    const uint32_t bytes = copy.bytes[lane];
    std::memset(target.at(lane), 0, i.width);
    if (bytes == 0) return;
    if (std::memcmp(copy.seen[lane].data(), copy.from[lane], bytes) != 0) {
      report(NAMPEMU_RACE, warp, i, lane,
             [] { return "what the copy reads was written before a wait for it"; });
    }
    std::memcpy(target.at(lane), copy.from[lane], bytes);
  });
}

// is_due(group, committed): whether the copies of a group have to have landed.
template <class F>
void land_due(Warp& warp, uint32_t lanes, F is_due) {
  for (AsyncCopy& copy : warp.copies) {
    uint32_t due = 0;
    for_lanes(copy.lanes & lanes, [&](uint32_t lane) {
      due |= static_cast<uint32_t>(is_due(copy.group[lane], warp.copy_groups[lane])) << lane;
    });
    if (due != 0) land(warp, copy, due);
  }
  std::erase_if(warp.copies, [](const AsyncCopy& copy) { return copy.lanes == 0; });
}

void commit(Warp& warp, const Instruction&, uint32_t lanes) {
  for_lanes(lanes, [&](uint32_t lane) { ++warp.copy_groups[lane]; });
}

// immediate: how many of the last groups may still be under way.
void wait_for_groups(Warp& warp, const Instruction& i, uint32_t lanes) {
  land_due(warp, lanes, [&](uint32_t group, uint32_t committed) {
    return group + static_cast<uint64_t>(i.immediate) < committed;
  });
}

void wait_for_all(Warp& warp, const Instruction&, uint32_t lanes) { land_copies(warp, lanes); }

void decode_copy(Decode& d) {
  const int cache = d.take_one({"ca", "cg"});
  if (cache < 0) d.fail("only .ca and .cg are known");
  if (!d.take("shared") && !d.take("shared::cta")) d.fail(".shared is missing");
  if (!d.take("global")) d.fail(".global is missing");
  d.take_one({"L2::64B", "L2::128B", "L2::256B"});
  d.expect_operands(3, 4);
  const int64_t bytes = d.literal(2);
  if (bytes != 16 && (cache == 1 || (bytes != 4 && bytes != 8))) {
    d.fail("a copy of " + std::to_string(bytes) + " bytes isn't possible");
  }
  d.out.width = static_cast<uint8_t>(bytes);
  d.out.space = Space::shared;
  take_address(d, 0, 4);
  if (d.count() == 4) d.out.r[1] = d.source(3, Decode::b32);
  d.decode_second([](Decode& source) {
    source.out.space = Space::global;
    take_address(source, 1, 4);
  });
  d.out.execute = issue;
}

void decode_cp(Decode& d) {
  if (!d.take("async")) d.fail("only cp.async is known");
  d.needs(70, 80);
  switch (d.take_one({"commit_group", "wait_group", "wait_all"})) {
    case 0:
      d.expect_operands(0, 0);
      d.out.execute = commit;
      break;
    case 1:
      d.expect_operands(1, 1);
      d.out.immediate = d.literal(0);
      if (d.out.immediate < 0) d.fail("fewer than no groups");
      d.out.execute = wait_for_groups;
      break;
    case 2:
      d.expect_operands(0, 0);
      d.out.execute = wait_for_all;
      break;
    default:
      decode_copy(d);
  }
}

}  // namespace

void land_copies(Warp& warp, uint32_t lanes) {
  if (!warp.copies.empty()) land_due(warp, lanes, [](uint32_t, uint32_t) { return true; });
}

void report_copies(Warp& warp, const Instruction& i, const Access& access) {
  Block& block = *warp.block;
  for_lanes(access.lanes, [&](uint32_t lane) {
    const uint64_t address = access.address[lane];
    if (!block.shared.holds(address, access.bytes) ||
        std::memchr(marks_of(block, address), 1, access.bytes) == nullptr) {
      return;
    }
    report(NAMPEMU_RACE, warp, i, lane, [&] {
      return "an access of " + std::to_string(access.bytes) + " bytes at " + hexadecimal(address) +
             ", where a cp.async writes that nobody has waited for";
    });
  });
}

void add_copy_decoders(DecodeTable& table) { table["cp"] = decode_cp; }

}  // namespace nampemu
