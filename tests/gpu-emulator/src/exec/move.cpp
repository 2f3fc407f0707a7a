// mov cvta isspacep: registers, constants, addresses, special registers, and halves packed or taken
// apart.
#include <chrono>
#include <type_traits>

#include "exec/block.h"
#include "exec/lanes.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

struct Same {
  template <class T>
  T operator()(T a) const {
    return a;
  }
};

void move_predicate(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t& d = warp.mask(i.r[0]);
  const uint32_t a = warp.mask(i.r[1]) ^ (i.flags != 0 ? kAllLanes : 0);
  d = (d & ~lanes) | (a & lanes);
}

// r[0] = parts r[1]…, the first in the low bits.
template <class W, class P>
void pack_parts(Warp& warp, const Instruction& i, uint32_t lanes) {
  W* d = warp.at<W>(i.r[0]);
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto l = static_cast<uint32_t>(std::countr_zero(lanes));
    W value = 0;
    for (size_t k = 0; k < sizeof(W) / sizeof(P); ++k) {
      value |= static_cast<W>(warp.at<P>(i.r[1 + k])[l]) << (k * sizeof(P) * 8);
    }
    d[l] = value;
  }
}
// Parts r[1]… of r[0].
template <class W, class P>
void take_parts(Warp& warp, const Instruction& i, uint32_t lanes) {
  const W* a = warp.at<W>(i.r[0]);
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto l = static_cast<uint32_t>(std::countr_zero(lanes));
    const W value = a[l];
    for (size_t k = 0; k < sizeof(W) / sizeof(P); ++k) {
      warp.at<P>(i.r[1 + k])[l] = static_cast<P>(value >> (k * sizeof(P) * 8));
    }
  }
}

template <class T>
void read_clock(Warp& warp, const Instruction& i, uint32_t lanes) {
  // Instructions executed so far: it only ever grows, which is all that a clock promises.
  T* d = warp.at<T>(i.r[0]);
  const uint64_t now = warp.block->launch->counters.warp_instructions >> i.option;
  each_lane(lanes, [=](uint32_t l) { d[l] = static_cast<T>(now); });
}
template <class T>
void read_timer(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const auto now = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                             std::chrono::system_clock::now().time_since_epoch())
                                             .count());
  each_lane(lanes, [=](uint32_t l) { d[l] = static_cast<T>(now >> i.option); });
}

const std::map<std::string, Special>& specials() {
  static const std::map<std::string, Special> all = {{"%tid.x", Special::tid_x},
                                                     {"%tid.y", Special::tid_y},
                                                     {"%tid.z", Special::tid_z},
                                                     {"%ntid.x", Special::ntid_x},
                                                     {"%ntid.y", Special::ntid_y},
                                                     {"%ntid.z", Special::ntid_z},
                                                     {"%ctaid.x", Special::ctaid_x},
                                                     {"%ctaid.y", Special::ctaid_y},
                                                     {"%ctaid.z", Special::ctaid_z},
                                                     {"%nctaid.x", Special::nctaid_x},
                                                     {"%nctaid.y", Special::nctaid_y},
                                                     {"%nctaid.z", Special::nctaid_z},
                                                     {"%laneid", Special::laneid},
                                                     {"%warpid", Special::warpid},
                                                     {"%nwarpid", Special::nwarpid},
                                                     {"%smid", Special::smid},
                                                     {"%nsmid", Special::nsmid},
                                                     {"%gridid", Special::gridid},
                                                     {"%lanemask_eq", Special::mask_eq},
                                                     {"%lanemask_le", Special::mask_le},
                                                     {"%lanemask_lt", Special::mask_lt},
                                                     {"%lanemask_ge", Special::mask_ge},
                                                     {"%lanemask_gt", Special::mask_gt},
                                                     {"%total_smem_size", Special::total_smem},
                                                     {"%dynamic_smem_size", Special::dynamic_smem},
                                                     {"WARP_SZ", Special::warp_size}};
  return all;
}

bool decode_clock(Decode& d, Type t, const std::string& name) {
  const bool timer = name.rfind("%globaltimer", 0) == 0;
  if (!timer && name != "%clock" && name != "%clock64" && name != "%clock_hi") return false;
  const bool wide = name == "%clock64" || name == "%globaltimer";
  if (t.bytes != (wide ? 8 : 4)) d.fail("'" + name + "' has another width");
  d.out.option = name == "%clock_hi" || name == "%globaltimer_hi" ? 32 : 0;
  d.out.r[0] = d.destination(0, t);
  d.out.execute = timer ? (wide ? read_timer<uint64_t> : read_timer<uint32_t>)
                        : (wide ? read_clock<uint64_t> : read_clock<uint32_t>);
  return true;
}

Execute move_of(Type t) {
  return t.bytes == 2   ? unary<uint16_t, uint16_t, Same>
         : t.bytes == 4 ? unary<uint32_t, uint32_t, Same>
                        : unary<uint64_t, uint64_t, Same>;
}

void decode_vector(Decode& d, Type t, bool packs) {
  const Operand& vector = d.operand(packs ? 1 : 0);
  const size_t parts = vector.parts.size();
  const auto bytes = static_cast<uint8_t>(parts != 0 ? t.bytes / parts : 0);
  if (t.kind != Type::Kind::bits || (parts != 2 && parts != 4) || bytes < 2) {
    d.fail("this vector isn't known here");
  }
  for (size_t k = 0; k < parts; ++k) {
    d.out.r[1 + k] = packs ? d.source(vector.parts[k], Decode::bits(bytes))
                           : d.destination(vector.parts[k], Decode::bits(bytes));
  }
  d.out.r[0] = packs ? d.destination(0, t) : d.source(1, t);
  if (t.bytes == 4) {
    d.out.execute = packs ? pack_parts<uint32_t, uint16_t> : take_parts<uint32_t, uint16_t>;
  } else if (bytes == 4) {
    d.out.execute = packs ? pack_parts<uint64_t, uint32_t> : take_parts<uint64_t, uint32_t>;
  } else {
    d.out.execute = packs ? pack_parts<uint64_t, uint16_t> : take_parts<uint64_t, uint16_t>;
  }
}

void decode_mov(Decode& d) {
  const Type t = d.take_type();
  d.expect_operands(2, 2);
  if (d.operand(0).kind == Operand::Kind::vector) return decode_vector(d, t, false);
  const Operand& from = d.operand(1);
  if (from.kind == Operand::Kind::vector) return decode_vector(d, t, true);
  if (t.kind == Type::Kind::predicate) {
    d.out.r[1] = d.predicate(from, false);
    d.out.flags = from.negated ? 1 : 0;
    d.out.r[0] = d.predicate(d.operand(0), true);
    d.out.execute = move_predicate;
    return;
  }
  if (t.bytes < 2 || t.packed) d.fail("this type isn't known here");
  if (decode_clock(d, t, from.text)) return;
  d.out.execute = move_of(t);
  d.out.r[0] = d.destination(0, t);
  const auto special = specials().find(from.text);
  if (special != specials().end()) {
    if (t.bytes != 4 || t.is_float()) {
      d.fail("'" + from.text + "' has 32 bits");
    }
    d.out.r[1] = special_offset(special->second);
    return;
  }
  if (const Symbol* symbol = d.find_symbol(from)) {
    const uint64_t value = symbol->address + static_cast<uint64_t>(from.offset);
    const bool narrow = symbol->space == Space::shared || symbol->space == Space::local ||
                        symbol->space == Space::param;
    if (t.is_float() || (t.bytes != 8 && !(t.bytes == 4 && narrow))) {
      d.fail("an address has another width");
    }
    d.out.r[1] = d.constant(value, t.bytes);
    return;
  }
  d.out.r[1] = d.source(1, t);
}

// A window's base is added to an offset, or taken away; r[2] tells the space.
template <class T>
void convert_address(Warp& warp, const Instruction& i, uint32_t lanes) {
  const Block& block = *warp.block;
  const bool to_window = i.flags != 0;
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto l = static_cast<uint32_t>(std::countr_zero(lanes));
    const uint64_t base = i.space == Space::shared  ? block.shared.base
                          : i.space == Space::local ? block.local_base(warp.thread(l))
                          : i.space == Space::param ? block.parameters.base
                                                    : 0;
    const uint64_t a = warp.at<T>(i.r[1])[l];
    warp.at<T>(i.r[0])[l] = static_cast<T>(to_window ? a - base : a + base);
  }
}

void decode_cvta(Decode& d) {
  d.out.flags = d.take("to") ? 1 : 0;
  d.out.space = take_space(d);
  if (d.out.space == Space::generic) d.fail("the space is missing");
  const Type t = d.take_type();
  if (t.kind != Type::Kind::unsigned_ || t.bytes != 8) d.fail("an address has 64 bits");
  d.expect_operands(2, 2);
  d.out.r[0] = d.destination(0, t);
  if (const Symbol* symbol = d.find_symbol(d.operand(1))) {
    if (symbol->space != d.out.space || d.out.flags != 0) d.fail("the symbol isn't of this space");
    d.out.r[1] = d.constant(symbol->address + static_cast<uint64_t>(d.operand(1).offset), 8);
  } else {
    d.out.r[1] = d.source(1, t);
  }
  // A parameter's address in a function is one of its frame.
  if (d.out.space == Space::param && !d.names.function->is_entry) d.out.space = Space::local;
  const bool same = d.out.space == Space::global || d.out.space == Space::constant;
  d.out.execute = same ? unary<uint64_t, uint64_t, Same> : convert_address<uint64_t>;
}

void is_space(Warp& warp, const Instruction& i, uint32_t lanes) {
  const Block& block = *warp.block;
  const uint64_t* a = warp.at<uint64_t>(i.r[1]);
  set_predicate(warp.mask(i.r[0]), lanes, [&](uint32_t l) {
    const bool shared = block.shared.holds(a[l], 1);
    const bool local = block.local.holds(a[l], 1);
    const bool param = block.parameters.holds(a[l], 1);
    switch (i.space) {
      case Space::shared:
        return shared;
      case Space::local:
        return local;
      case Space::param:
        return param;
      default:
        break;
    }
    const Region* region = block.launch->memory->find(a[l]);
    const bool constant = region != nullptr && region->space == Space::constant;
    return i.space == Space::constant ? constant : !shared && !local && !param && !constant;
  });
}

void decode_isspacep(Decode& d) {
  d.out.space = take_space(d);
  if (d.out.space == Space::generic) d.fail("the space is missing");
  d.expect_operands(2, 2);
  d.out.r[1] = d.source(1, Decode::bits(8));
  d.out.r[0] = d.destination(0, Decode::pred);
  d.out.execute = is_space;
}

}  // namespace

void add_move_decoders(DecodeTable& table) {
  table["mov"] = decode_mov;
  table["cvta"] = decode_cvta;
  table["isspacep"] = decode_isspacep;
}

}  // namespace nampemu
