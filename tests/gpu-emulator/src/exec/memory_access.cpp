// ld st prefetch: every space, width and vector; cache operators are accepted where they cannot
// change a result.
#include <cstring>

#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/race.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

// r[0] to r[3]: values; r[4]: address. M is what memory holds, R what a register does.
template <class M, class R, uint32_t kCount>
void load(Warp& warp, const Instruction& i, uint32_t lanes) {
  Access access;
  resolve(warp, i, lanes, i.r[4], sizeof(M) * kCount, "load", access);
  note_load(warp, i, access);
  for (uint32_t k = 0; k < kCount; ++k) {
    R* d = warp.at<R>(i.r[k]);
    if (access.contiguous) {
      const M* from = reinterpret_cast<const M*>(access.host[0]) + k;
      each_lane(kAllLanes, [=](uint32_t l) { d[l] = static_cast<R>(from[l * kCount]); });
    } else {
      std::byte* const* from = access.host.data();
      each_lane(lanes,
                [=](uint32_t l) { d[l] = static_cast<R>(reinterpret_cast<const M*>(from[l])[k]); });
    }
  }
  if (!warp.block->aged.empty()) restore_aged(*warp.block);
}

template <class M, class R, uint32_t kCount>
void store(Warp& warp, const Instruction& i, uint32_t lanes) {
  Access access;
  resolve(warp, i, lanes, i.r[4], sizeof(M) * kCount, "store", access);
  note_store(warp, i, access);
  for (uint32_t k = 0; k < kCount; ++k) {
    const R* a = warp.at<R>(i.r[k]);
    if (access.contiguous) {
      M* to = reinterpret_cast<M*>(access.host[0]) + k;
      each_lane(kAllLanes, [=](uint32_t l) { to[l * kCount] = static_cast<M>(a[l]); });
    } else {
      // In the order of lanes: where several write one address, the last wins, always.
      for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
        const auto l = static_cast<uint32_t>(std::countr_zero(rest));
        reinterpret_cast<M*>(access.host[l])[k] = static_cast<M>(a[l]);
      }
    }
  }
}

template <class M, class R>
Execute pick_count(bool loads, uint32_t count) {
  switch (count) {
    case 1:
      return loads ? load<M, R, 1> : store<M, R, 1>;
    case 2:
      return loads ? load<M, R, 2> : store<M, R, 2>;
    default:
      return loads ? load<M, R, 4> : store<M, R, 4>;
  }
}
template <class M>
Execute pick_register(bool loads, uint32_t count, uint32_t bytes) {
  // Registers wider than what is loaded are extended as the type says; stores take the low end.
  if (bytes == 2)
    return pick_count<M, std::conditional_t<std::is_signed_v<M>, int16_t, uint16_t>>(loads, count);
  if (bytes == 4)
    return pick_count<M, std::conditional_t<std::is_signed_v<M>, int32_t, uint32_t>>(loads, count);
  return pick_count<M, std::conditional_t<std::is_signed_v<M>, int64_t, uint64_t>>(loads, count);
}
Execute pick(bool loads, Type t, uint32_t count, uint32_t register_bytes) {
  const bool s = t.kind == Type::Kind::signed_;
  switch (t.bytes) {
    case 1:
      return s ? pick_register<int8_t>(loads, count, register_bytes)
               : pick_register<uint8_t>(loads, count, register_bytes);
    case 2:
      return s ? pick_register<int16_t>(loads, count, register_bytes)
               : pick_register<uint16_t>(loads, count, register_bytes);
    case 4:
      return s ? pick_register<int32_t>(loads, count, register_bytes)
               : pick_register<uint32_t>(loads, count, register_bytes);
    default:
      return pick_register<uint64_t>(loads, count, register_bytes);
  }
}

}  // namespace

// The space as written; generic where none is.
Space take_space(Decode& d) {
  static constexpr std::pair<const char*, Space> spaces[] = {
      {"global", Space::global},      {"shared", Space::shared},    {"shared::cta", Space::shared},
      {"local", Space::local},        {"const", Space::constant},   {"param", Space::param},
      {"param::entry", Space::param}, {"param::func", Space::param}};
  for (const auto& [word, space] : spaces) {
    if (d.take(word)) return space;
  }
  return Space::generic;
}

// An address operand into the register at a place, the offset and the flags.
void take_address(Decode& d, size_t index, size_t place) {
  const Operand& operand = d.operand(index);
  if (operand.kind != Operand::Kind::address) d.fail("an address is needed");
  const Operand& base = operand.parts[0];
  d.out.immediate = operand.offset;
  if (base.kind == Operand::Kind::integer) {
    d.out.immediate += static_cast<int64_t>(base.bits);
    d.out.r[place] = d.constant(0, 8);
  } else if (const Register* found = d.find_register(base)) {
    if (found->type.bytes != 8 && found->type.bytes != 4) d.fail("an address has 32 or 64 bits");
    if (found->type.bytes == 4) d.out.flags |= kAddress32;
    d.out.r[place] = d.builder.use(found->offset, false);
    // A parameter's address in a function is one of its frame.
    if (d.out.space == Space::param && !d.names.function->is_entry) d.out.space = Space::local;
  } else if (const Symbol* symbol = d.find_symbol(base)) {
    // Parameters of calls live in the thread's frame.
    if (d.out.space == Space::param && symbol->space == Space::local) {
      d.out.space = Space::local;
      d.out.flags |= kOfParameters;
    }
    if (d.out.space == Space::generic && symbol->space != Space::global &&
        symbol->space != Space::constant) {
      d.fail("the generic address of '" + base.text + "' needs cvta");
    }
    if (d.out.space != Space::generic && d.out.space != symbol->space) {
      d.fail("'" + base.text + "' isn't of this space");
    }
    d.out.immediate += static_cast<int64_t>(symbol->address);
    d.out.r[place] = d.constant(0, 8);
  } else {
    d.fail("'" + base.text + "' isn't known");
  }
  d.out.slot = d.builder.kernel.memory_slots++;
}

// Whom it concerns; the device where nothing is said. A cluster's blocks are others. False: nothing is said.
bool take_scope(Decode& d, const char* device) {
  const int scope = d.take_one({"cta", device, "sys", "cluster"});
  if (scope == 0) d.out.flags |= kBlockScope;
  return scope >= 0;
}

// .weak .volatile .relaxed.gpu .acquire.sys … : how much it orders.
void take_ordering(Decode& d, bool release_allowed, bool acquire_allowed) {
  const bool is_volatile = d.take("volatile");
  const bool relaxed = d.take("relaxed");
  const bool acquire = acquire_allowed && d.take("acquire");
  const bool release = release_allowed && d.take("release");
  d.take("weak");
  take_scope(d);
  if (is_volatile || relaxed || acquire || release) d.out.flags |= kAtomicAccess | kSynchronizes;
  if (release) d.out.flags |= kFenceBefore;
  if (acquire) d.out.flags |= kFenceAfter;
}

namespace {

void take_hints(Decode& d) {
  // Where and how long caches keep a line.
  d.take_one({"ca", "cg", "cs", "lu", "cv", "wb", "wt"});
  d.take_one({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last",
              "L1::no_allocate"});
  d.take_one({"L2::evict_normal", "L2::evict_first", "L2::evict_last"});
  d.take_one({"L2::64B", "L2::128B", "L2::256B"});
}

void decode_access(Decode& d, bool loads) {
  d.out.space = take_space(d);
  take_ordering(d, !loads, loads);
  if (loads && d.take("nc")) {
    if (d.out.space != Space::global) d.fail(".nc is for .global only");
    d.out.flags |= kConstantRead;
  }
  if (!loads && d.out.space == Space::constant) d.fail("constant memory can't be written");
  if (d.out.space != Space::shared && d.out.space != Space::local && d.out.space != Space::param) {
    take_hints(d);
  }
  const uint32_t count = d.take("v2") ? 2 : d.take("v4") ? 4 : 1;
  const Type t = d.take_type();
  if (t.kind == Type::Kind::predicate || t.bytes * count > 16) d.fail("this type isn't known here");
  d.expect_operands(2, 2);
  const Operand& values = d.operand(loads ? 0 : 1);
  std::vector<Operand> one = {values};
  const std::vector<Operand>& all = values.kind == Operand::Kind::vector ? values.parts : one;
  if (all.size() != count || (count > 1) != (values.kind == Operand::Kind::vector)) {
    d.fail("the number of values differs from the vector's");
  }
  uint32_t bytes = 0;
  for (uint32_t k = 0; k < count; ++k) {
    const uint32_t before = bytes;
    d.out.r[k] = d.wide_register(all[k], t, loads, bytes);
    bytes = std::max(bytes, 2U);
    if (loads && all[k].text == "_") {
      bytes = before != 0 ? before : std::max<uint32_t>(t.bytes, 2);
    } else if (k > 0 && bytes != before && all[k - 1].text != "_") {
      d.fail("values of different widths");
    }
  }
  d.out.width = t.bytes;
  d.out.count = static_cast<uint8_t>(count);
  take_address(d, loads ? 1 : 0, 4);
  if (!loads && d.out.space == Space::param) d.fail("a kernel's parameters can't be written");
  d.out.execute = pick(loads, t, count, bytes);
}

void nothing(Warp&, const Instruction&, uint32_t) {}

void decode_prefetch(Decode& d) {
  d.out.space = take_space(d);
  if (d.take_one({"L1", "L2", "L2::evict_last", "L2::evict_normal"}) < 0)
    d.fail("the cache is missing");
  d.expect_operands(1, 1);
  take_address(d, 0, 4);
  d.out.execute = nothing;
}

void fence_lanes(Warp& warp, const Instruction& i, uint32_t lanes) {
  fence(warp, lanes, (i.flags & kBlockScope) == 0);
}

void decode_fence(Decode& d, const char* device) {
  if (!take_scope(d, device)) d.fail("the scope is missing");
  d.expect_operands(0, 0);
  d.out.execute = fence_lanes;
}

}  // namespace

void add_memory_decoders(DecodeTable& table) {
  table["ld"] = [](Decode& d) { decode_access(d, true); };
  table["st"] = [](Decode& d) { decode_access(d, false); };
  // Uniform over the warp is a promise of the compiler; it loads as ld does.
  table["ldu"] = [](Decode& d) { decode_access(d, true); };
  table["prefetch"] = decode_prefetch;
  table["fence"] = [](Decode& d) {
    d.take_one({"sc", "acq_rel", "acquire", "release"});
    decode_fence(d, "gpu");
  };
  table["membar"] = [](Decode& d) { decode_fence(d, "gl"); };
}

}  // namespace nampemu
