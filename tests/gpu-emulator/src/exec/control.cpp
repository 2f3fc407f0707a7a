// bar barrier exit trap brkpt nanosleep: the rest of control flow (bra brx call ret) knows labels
// and functions and is decoded with the kernel.
#include "exec/control.h"

#include <bit>

#include "exec/block.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

void nothing(Warp&, const Instruction&, uint32_t) {}

// Orders the warp's memory accesses before and after it.
void sync_warp(Warp& warp, const Instruction&, uint32_t lanes) {
  Block& block = *warp.block;
  block.tick();
  if (lanes == warp.alive) {
    warp.sync_time = block.time;
    warp.syncs.clear();
  } else {
    warp.syncs.join(lanes, lanes, block.time);
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
      warp.syncs_time[static_cast<uint32_t>(std::countr_zero(rest))] = block.time;
  }
  block.order.warp_barrier(warp, lanes);
  block.device_order.warp_barrier(warp, lanes);
}

void decode_warp_barrier(Decode& d) {
  if (!d.take("sync")) d.fail("only bar.warp.sync is known");
  d.expect_operands(1, 1);
  d.out.flow = Flow::warp_sync;
  d.out.r[7] = d.source(0, Decode::b32);
  d.out.execute = sync_warp;
}

void decode_reduction(Decode& d, size_t& first) {
  const int operation = d.take_one({"popc", "and", "or"});
  if (operation < 0) d.fail("the operation is missing");
  const Type t = d.take_type();
  if (!(t == (operation == 0 ? Decode::u32 : Decode::pred))) d.fail("this type isn't known here");
  d.out.option = static_cast<uint8_t>(static_cast<int>(BarrierKind::popcount) + operation);
  d.expect_operands(3, 4);
  d.out.r[0] = d.destination(0, t);
  const Operand& vote = d.operand(d.count() - 1);
  d.out.r[1] = d.predicate(vote, false);
  if (vote.negated) d.out.flags |= kInvertedVote;
  first = 1;
}

void decode_barrier(Decode& d, bool always_aligned) {
  if (always_aligned && d.take("warp")) return decode_warp_barrier(d);
  d.take("cta");
  d.out.flow = Flow::barrier;
  size_t first = 0;
  size_t given = d.count();
  switch (d.take_one({"sync", "arrive", "red"})) {
    case 0:
      d.out.option = static_cast<uint8_t>(BarrierKind::sync);
      d.expect_operands(1, 2);
      break;
    case 1:
      d.out.option = static_cast<uint8_t>(BarrierKind::arrive);
      d.expect_operands(2, 2);
      break;
    case 2:
      decode_reduction(d, first);
      given = d.count() - 1;
      break;
    default:
      d.fail(".sync, .arrive or .red is missing");
  }
  if (d.take("aligned") || always_aligned) d.out.flags |= kAligned;
  d.out.r[2] = d.source(first, Decode::u32);
  if (given > first + 1) d.out.r[3] = d.source(first + 1, Decode::u32);
  d.out.execute = nothing;
}

}  // namespace

void add_control_decoders(DecodeTable& table) {
  table["bar"] = [](Decode& d) { decode_barrier(d, true); };
  table["barrier"] = [](Decode& d) { decode_barrier(d, false); };
  table["exit"] = [](Decode& d) {
    d.expect_operands(0, 0);
    d.out.flow = Flow::exit;
  };
  table["trap"] = [](Decode& d) {
    d.expect_operands(0, 0);
    d.out.flow = Flow::trap;
  };
  table["brkpt"] = table["trap"];
  table["nanosleep"] = [](Decode& d) {
    if (!(d.take_type() == Decode::u32)) d.fail("this type isn't known here");
    d.expect_operands(1, 1);
    d.source(0, Decode::u32);
    d.out.execute = nothing;
  };
}

}  // namespace nampemu
