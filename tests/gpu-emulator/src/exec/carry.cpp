// add.cc addc sub.cc subc mad.cc madc: sums longer than a register, through the carry flag of each
// lane.
#include <type_traits>

#include "exec/int128.h"
#include "exec/lanes.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

enum : uint16_t { kCarryIn = 1, kCarryOut = 2 };

// d = a + b (+ carry), for subtraction a + ~b + !borrow; the flag is the carry, inverted where it
// means borrow.
template <class T, bool kSubtract>
void add_carry(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const T* b = warp.at<T>(i.r[2]);
  uint32_t& flag = warp.mask(i.r[7]);
  const bool in = (i.flags & kCarryIn) != 0;
  uint32_t out = 0;
  each_lane(lanes, [&](uint32_t l) {
    const bool given = in && ((flag >> l) & 1) != 0;
    const UInt128 x = a[l];
    const UInt128 y = kSubtract ? static_cast<T>(~b[l]) : b[l];
    const UInt128 sum = x + y + (kSubtract ? !given : given);
    d[l] = static_cast<T>(sum);
    const bool carry = (sum >> (sizeof(T) * 8)) != 0;
    out |= static_cast<uint32_t>(carry != kSubtract) << l;
  });
  if ((i.flags & kCarryOut) != 0) flag = (flag & ~lanes) | out;
}

// d = half of a·b, + c (+ carry). T is unsigned for the sum, P signed or unsigned for the product.
template <class T, class P, bool kHigh>
void mad_carry(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const P* a = warp.at<P>(i.r[1]);
  const P* b = warp.at<P>(i.r[2]);
  const T* c = warp.at<T>(i.r[3]);
  uint32_t& flag = warp.mask(i.r[7]);
  const bool in = (i.flags & kCarryIn) != 0;
  uint32_t out = 0;
  using Product = std::conditional_t<std::is_signed_v<P>, Int128, UInt128>;
  each_lane(lanes, [&](uint32_t l) {
    const Product product = Product{a[l]} * Product{b[l]};
    const T half = static_cast<T>(kHigh ? product >> (sizeof(T) * 8) : product);
    const UInt128 sum = static_cast<UInt128>(half) + c[l] + (in && ((flag >> l) & 1) != 0);
    d[l] = static_cast<T>(sum);
    out |= static_cast<uint32_t>((sum >> (sizeof(T) * 8)) != 0) << l;
  });
  if ((i.flags & kCarryOut) != 0) flag = (flag & ~lanes) | out;
}

void prepare(Decode& d, bool carry_in, size_t sources, Type& t) {
  t = d.take_type();
  if (!t.is_integer() || t.bytes < 4) d.fail("this type isn't known here");
  const bool carry_out = d.take("cc");
  if (!carry_in && !carry_out) d.fail("neither takes nor gives a carry");
  d.out.flags = static_cast<uint16_t>((carry_in ? kCarryIn : 0) | (carry_out ? kCarryOut : 0));
  d.expect_operands(sources + 1, sources + 1);
  for (size_t k = 1; k <= sources; ++k)
    d.out.r[k] = d.source(k, t);
  d.out.r[0] = d.destination(0, t);
  d.out.r[7] = d.builder.kernel.carry;
}

template <bool kSubtract>
void decode_sum(Decode& d, bool carry_in) {
  Type t;
  prepare(d, carry_in, 2, t);
  d.out.execute = t.bytes == 4 ? add_carry<uint32_t, kSubtract> : add_carry<uint64_t, kSubtract>;
}

void decode_mad(Decode& d, bool carry_in) {
  const int half = d.take_one({"lo", "hi"});
  if (half < 0) d.fail(".lo or .hi is missing");
  Type t;
  prepare(d, carry_in, 3, t);
  const bool s = t.kind == Type::Kind::signed_;
  if (t.bytes == 4) {
    d.out.execute = half == 0 ? mad_carry<uint32_t, uint32_t, false>
                    : s       ? mad_carry<uint32_t, int32_t, true>
                              : mad_carry<uint32_t, uint32_t, true>;
  } else {
    d.out.execute = half == 0 ? mad_carry<uint64_t, uint64_t, false>
                    : s       ? mad_carry<uint64_t, int64_t, true>
                              : mad_carry<uint64_t, uint64_t, true>;
  }
}

// With .cc the name is shared with the plain instruction, whose decoder was registered before.
DecodeFunction plain_add, plain_sub, plain_mad;

}  // namespace

void add_carry_decoders(DecodeTable& table) {
  plain_add = table.at("add");
  plain_sub = table.at("sub");
  plain_mad = table.at("mad");
  table["add"] = [](Decode& d) { d.peek("cc") ? decode_sum<false>(d, false) : plain_add(d); };
  table["sub"] = [](Decode& d) { d.peek("cc") ? decode_sum<true>(d, false) : plain_sub(d); };
  table["mad"] = [](Decode& d) { d.peek("cc") ? decode_mad(d, false) : plain_mad(d); };
  table["addc"] = [](Decode& d) { decode_sum<false>(d, true); };
  table["subc"] = [](Decode& d) { decode_sum<true>(d, true); };
  table["madc"] = [](Decode& d) { decode_mad(d, true); };
}

}  // namespace nampemu
