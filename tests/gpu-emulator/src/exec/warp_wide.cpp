// shfl vote match redux activemask elect bar.warp: what lanes of a warp tell each other. The
// executor calls these when every lane named by the member mask has come; r[7] is that mask.
#include <algorithm>

#include "exec/block.h"
#include "exec/lanes.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

enum Shuffle : uint8_t { kUp, kDown, kButterfly, kIndex };

// r[0] value, r[1] predicate or none, r[2] source, r[3] lane operand, r[4] clamp and segment mask.
void shuffle(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  const uint32_t* b = warp.at<uint32_t>(i.r[3]);
  const uint32_t* c = warp.at<uint32_t>(i.r[4]);
  std::array<uint32_t, kLanes> a{};  // the destination may be the source
  std::copy_n(warp.at<uint32_t>(i.r[2]), kLanes, a.begin());
  uint32_t in_range = 0;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    const uint32_t value = b[lane] & 0x1f;
    const uint32_t clamp = c[lane] & 0x1f;
    const uint32_t segment = (c[lane] >> 8) & 0x1f;
    const uint32_t maximum = (lane & segment) | (clamp & ~segment);
    const uint32_t minimum = lane & segment;
    uint32_t from = lane;
    bool ok = false;
    switch (i.option) {
      case kUp:
        // Signed: a lane below 0 is out of range.
        from = lane - value;
        ok = static_cast<int32_t>(from) >= static_cast<int32_t>(maximum);
        break;
      case kDown:
        from = lane + value;
        ok = from <= maximum;
        break;
      case kButterfly:
        from = lane ^ value;
        ok = from <= maximum;
        break;
      default:
        from = minimum | (value & ~segment);
        ok = from <= maximum;
    }
    if (!ok) from = lane;
    if (((lanes >> from) & 1) == 0) {
      report(NAMPEMU_BARRIER, warp, i, lane, [&] {
        return "the shuffle takes from lane " + std::to_string(from) + ", which doesn't take part";
      });
    }
    d[lane] = a[from & 31];
    in_range |= static_cast<uint32_t>(ok) << lane;
  }
  if (i.r[1] != kNone) {
    uint32_t& p = warp.mask(i.r[1]);
    p = (p & ~lanes) | in_range;
  }
}

enum Vote : uint8_t { kAll, kAny, kUniform, kBallot };

// r[0] result, r[2] predicate; flags 1: inverted.
void vote(Warp& warp, const Instruction& i, uint32_t lanes) {
  const uint32_t p = (warp.mask(i.r[2]) ^ (i.flags != 0 ? kAllLanes : 0)) & lanes;
  if (i.option == kBallot) {
    uint32_t* d = warp.at<uint32_t>(i.r[0]);
    each_lane(lanes, [=](uint32_t l) { d[l] = p; });
    return;
  }
  const bool result = i.option == kAll   ? p == lanes
                      : i.option == kAny ? p != 0
                                         : p == lanes || p == 0;
  uint32_t& d = warp.mask(i.r[0]);
  d = (d & ~lanes) | (result ? lanes : 0);
}

// r[0] mask, r[1] predicate or none, r[2] value; flags 1: all.
template <class T>
void match(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  std::array<T, kLanes> a{};
  std::copy_n(warp.at<T>(i.r[2]), kLanes, a.begin());
  bool all = true;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    uint32_t same = 0;
    for (uint32_t others = lanes; others != 0; others &= others - 1) {
      const auto other = static_cast<uint32_t>(std::countr_zero(others));
      same |= static_cast<uint32_t>(a[other] == a[lane]) << other;
    }
    all = all && same == lanes;
    d[lane] = same;
  }
  if (i.flags == 0) return;
  each_lane(lanes, [=](uint32_t l) { d[l] = all ? lanes : 0; });
  if (i.r[1] != kNone) {
    uint32_t& p = warp.mask(i.r[1]);
    p = (p & ~lanes) | (all ? lanes : 0);
  }
}

enum Reduction : uint8_t { kAdd, kMin, kMax, kAnd, kOr, kXor };

template <class T>
void reduce(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[2]);
  T result = a[std::countr_zero(lanes)];
  for (uint32_t rest = lanes & (lanes - 1); rest != 0; rest &= rest - 1) {
    const T value = a[std::countr_zero(rest)];
    switch (i.option) {
      case kAdd:
        result = static_cast<T>(static_cast<uint32_t>(result) + static_cast<uint32_t>(value));
        break;
      case kMin:
        result = std::min(result, value);
        break;
      case kMax:
        result = std::max(result, value);
        break;
      case kAnd:
        result = result & value;
        break;
      case kOr:
        result = result | value;
        break;
      default:
        result = result ^ value;
    }
  }
  each_lane(lanes, [=](uint32_t l) { d[l] = result; });
}

void active_mask(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  each_lane(lanes, [=](uint32_t l) { d[l] = lanes; });
}

// r[0] the leader's number, r[1] who is it.
void elect(Warp& warp, const Instruction& i, uint32_t lanes) {
  const auto leader = static_cast<uint32_t>(std::countr_zero(lanes));
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  each_lane(lanes, [=](uint32_t l) { d[l] = leader; });
  uint32_t& p = warp.mask(i.r[1]);
  p = (p & ~lanes) | (1U << leader);
}

void take_members(Decode& d, size_t index) {
  d.out.flow = Flow::warp_sync;
  d.out.r[7] = d.source(index, Decode::b32);
}

void take_target(Decode& d, bool pair_allowed) {
  const Operand& target = d.operand(0);
  if (target.kind != Operand::Kind::pair) {
    d.out.r[0] = d.destination(0, Decode::b32);
    return;
  }
  if (!pair_allowed) d.fail("a pair isn't known here");
  d.out.r[0] = d.destination(target.parts[0], Decode::b32);
  d.out.r[1] = d.predicate(target.parts[1], true);
}

void decode_shfl(Decode& d) {
  if (!d.take("sync")) d.fail("only shfl.sync is known");
  const int mode = d.take_one({"up", "down", "bfly", "idx"});
  if (mode < 0 || !(d.take_type() == Decode::b32)) d.fail("the mode and .b32 are needed");
  d.expect_operands(5, 5);
  d.out.option = static_cast<uint8_t>(mode);
  take_target(d, true);
  d.out.r[2] = d.source(1, Decode::b32);
  d.out.r[3] = d.source(2, Decode::b32);
  d.out.r[4] = d.source(3, Decode::b32);
  take_members(d, 4);
  d.out.execute = shuffle;
}

void decode_vote(Decode& d) {
  if (!d.take("sync")) d.fail("only vote.sync is known");
  const int mode = d.take_one({"all", "any", "uni", "ballot"});
  if (mode < 0) d.fail("the mode is missing");
  const Type t = d.take_type();
  const Type wanted = mode == kBallot ? Decode::b32 : Decode::pred;
  if (!(t == wanted)) d.fail("this type isn't known here");
  d.expect_operands(3, 3);
  d.out.option = static_cast<uint8_t>(mode);
  d.out.r[0] = d.destination(0, t);
  d.out.r[2] = d.predicate(d.operand(1), false);
  d.out.flags = d.operand(1).negated ? 1 : 0;
  take_members(d, 2);
  d.out.execute = vote;
}

void decode_match(Decode& d) {
  const int mode = d.take_one({"any", "all"});
  if (mode < 0 || !d.take("sync")) d.fail(".any or .all and .sync are needed");
  const Type t = d.take_type();
  if (t.kind != Type::Kind::bits || t.bytes < 4) d.fail("this type isn't known here");
  d.expect_operands(3, 3);
  d.out.flags = static_cast<uint16_t>(mode);
  take_target(d, mode == 1);
  d.out.r[2] = d.source(1, t);
  take_members(d, 2);
  d.out.execute = t.bytes == 4 ? match<uint32_t> : match<uint64_t>;
}

void decode_redux(Decode& d) {
  if (!d.take("sync")) d.fail("only redux.sync is known");
  const int operation = d.take_one({"add", "min", "max", "and", "or", "xor"});
  const Type t = d.take_type();
  const bool logical = operation >= kAnd;
  if (operation < 0 || t.bytes != 4 || logical != (t.kind == Type::Kind::bits) || t.is_float() ||
      t.packed) {
    d.fail("this operation or type isn't known here");
  }
  d.expect_operands(3, 3);
  d.out.option = static_cast<uint8_t>(operation);
  d.out.r[0] = d.destination(0, t);
  d.out.r[2] = d.source(1, t);
  take_members(d, 2);
  d.out.execute = t.kind == Type::Kind::signed_ ? reduce<int32_t> : reduce<uint32_t>;
}

}  // namespace

void add_warp_decoders(DecodeTable& table) {
  table["shfl"] = decode_shfl;
  table["vote"] = decode_vote;
  table["match"] = decode_match;
  table["redux"] = decode_redux;
  table["activemask"] = [](Decode& d) {
    if (!(d.take_type() == Decode::b32)) d.fail("this type isn't known here");
    d.expect_operands(1, 1);
    d.out.r[0] = d.destination(0, Decode::b32);
    d.out.execute = active_mask;
  };
  table["elect"] = [](Decode& d) {
    if (!d.take("sync")) d.fail("only elect.sync is known");
    d.expect_operands(2, 2);
    const Operand& target = d.operand(0);
    if (target.kind != Operand::Kind::pair) d.fail("a register and a predicate are needed");
    d.out.r[0] = d.destination(target.parts[0], Decode::b32);
    d.out.r[1] = d.predicate(target.parts[1], true);
    take_members(d, 1);
    d.out.execute = elect;
  };
}

}  // namespace nampemu
