// Bits, shifts and fields against plain formulas.
#include <bitset>

#include "instruction_test.h"

namespace nampemu_test {
namespace {

using BitsTest = InstructionTest;
const std::vector<uint32_t> kWords = {0,          1,          2,          0x80000000, 0xffffffff,
                                      0x12345678, 0xdeadbeef, 0x00ff00ff, 0x7fffffff};
const std::vector<uint64_t> kLongs = {0, 1, 0x8000000000000000, ~0ULL, 0x123456789abcdef0, 0xff};
const std::vector<uint32_t> kCounts = {0, 1, 5, 16, 31, 32, 33, 63, 64, 100, 0xffffffff};

TEST_F(BitsTest, Logic) {
  const auto two = [&](const char* op, auto f) {
    check2<uint32_t, uint32_t>(std::string(op) + ".b32 %o, %x, %y;", kWords, kWords, f);
    check2<uint64_t, uint64_t>(std::string(op) + ".b64 %o, %x, %y;", kLongs, kLongs, f);
    check2<uint16_t, uint16_t>(std::string(op) + ".b16 %o, %x, %y;", {0, 0xffff, 0x1234},
                               {0, 0xffff, 0x4321}, f);
  };
  two("and", [](auto a, auto b) { return static_cast<decltype(a)>(a & b); });
  two("or", [](auto a, auto b) { return static_cast<decltype(a)>(a | b); });
  two("xor", [](auto a, auto b) { return static_cast<decltype(a)>(a ^ b); });
  check1<uint32_t, uint32_t>("not.b32 %o, %x;", kWords, [](uint32_t a) { return 0xffffffff - a; });
  check1<uint64_t, uint64_t>("not.b64 %o, %x;", kLongs, [](uint64_t a) { return ~0ULL - a; });
  check1<uint32_t, uint32_t>("cnot.b32 %o, %x;", kWords,
                             [](uint32_t a) { return a == 0 ? 1U : 0U; });
}

TEST_F(BitsTest, EveryTableOfLop3) {
  // Bit k of the table is the answer for the operands' bits k = 4a + 2b + c: operands 0xf0, 0xcc,
  // 0xaa give the table back.
  for (const int table : {0, 1, 0x80, 0x96, 0xe8, 0xca, 0x55, 0xfe, 0xff}) {
    check3<uint32_t, uint32_t>("lop3.b32 %o, %x, %y, %z, " + std::to_string(table) + ";", {0xf0},
                               {0xcc}, {0xaa}, [=](uint32_t, uint32_t, uint32_t) {
                                 return static_cast<uint32_t>(table) |
                                        ((table & 1) != 0 ? 0xffffff00U : 0U);
                               });
  }
}

TEST_F(BitsTest, ShiftsClampTheirCount) {
  check2<uint32_t, uint32_t>("shl.b32 %o, %x, %y;", kWords, kCounts,
                             [](uint32_t a, uint32_t n) { return n > 31 ? 0 : a << n; });
  check2<uint64_t, uint64_t, uint32_t>("shl.b64 %o, %x, %y;", kLongs, kCounts,
                                       [](uint64_t a, uint32_t n) { return n > 63 ? 0 : a << n; });
  check2<uint32_t, uint32_t>("shr.u32 %o, %x, %y;", kWords, kCounts,
                             [](uint32_t a, uint32_t n) { return n > 31 ? 0 : a >> n; });
  check2<uint32_t, uint32_t>("shr.s32 %o, %x, %y;", kWords, kCounts, [](uint32_t a, uint32_t n) {
    return static_cast<uint32_t>(static_cast<int64_t>(static_cast<int32_t>(a)) >> std::min(n, 40U));
  });
  check2<uint64_t, uint64_t, uint32_t>(
      "shr.s64 %o, %x, %y;", kLongs, kCounts, [](uint64_t a, uint32_t n) {
        return static_cast<uint64_t>(static_cast<int64_t>(a) >> std::min(n, 63U));
      });
  check2<uint16_t, uint16_t, uint32_t>(
      "shr.s16 %o, %x, %y;", {0x8000, 0x7fff, 1}, kCounts, [](uint16_t a, uint32_t n) {
        return static_cast<uint16_t>(static_cast<int16_t>(a) >> std::min(n, 15U));
      });
}

TEST_F(BitsTest, FunnelShifts) {
  const auto both = [](uint32_t a, uint32_t b) { return (uint64_t{b} << 32) | a; };
  check3<uint32_t, uint32_t>("shf.l.wrap.b32 %o, %x, %y, %z;", kWords, kWords, kCounts,
                             [=](uint32_t a, uint32_t b, uint32_t n) {
                               return static_cast<uint32_t>((both(a, b) << (n % 32)) >> 32);
                             });
  check3<uint32_t, uint32_t>("shf.r.wrap.b32 %o, %x, %y, %z;", kWords, kWords, kCounts,
                             [=](uint32_t a, uint32_t b, uint32_t n) {
                               return static_cast<uint32_t>(both(a, b) >> (n % 32));
                             });
  check3<uint32_t, uint32_t>("shf.l.clamp.b32 %o, %x, %y, %z;", kWords, kWords, kCounts,
                             [=](uint32_t a, uint32_t b, uint32_t n) {
                               return n >= 32 ? a : static_cast<uint32_t>((both(a, b) << n) >> 32);
                             });
  check3<uint32_t, uint32_t>("shf.r.clamp.b32 %o, %x, %y, %z;", kWords, kWords, kCounts,
                             [=](uint32_t a, uint32_t b, uint32_t n) {
                               return n >= 32 ? b : static_cast<uint32_t>(both(a, b) >> n);
                             });
}

TEST_F(BitsTest, Counts) {
  const auto leading = [](uint64_t a, int width) {
    uint32_t n = 0;
    for (int k = width - 1; k >= 0 && ((a >> k) & 1) == 0; --k)
      ++n;
    return n;
  };
  check1<uint32_t, uint32_t>("popc.b32 %o, %x;", kWords, [](uint32_t a) {
    return static_cast<uint32_t>(std::bitset<32>(a).count());
  });
  check1<uint32_t, uint64_t>("popc.b64 %o, %x;", kLongs, [](uint64_t a) {
    return static_cast<uint32_t>(std::bitset<64>(a).count());
  });
  check1<uint32_t, uint32_t>("clz.b32 %o, %x;", kWords, [=](uint32_t a) { return leading(a, 32); });
  check1<uint32_t, uint64_t>("clz.b64 %o, %x;", kLongs, [=](uint64_t a) { return leading(a, 64); });
  check1<uint32_t, uint32_t>("brev.b32 %o, %x;", kWords, [](uint32_t a) {
    std::string bits = std::bitset<32>(a).to_string();
    return static_cast<uint32_t>(
        std::bitset<32>(std::string(bits.rbegin(), bits.rend())).to_ulong());
  });
  check1<uint64_t, uint64_t>("brev.b64 %o, %x;", kLongs, [](uint64_t a) {
    std::string bits = std::bitset<64>(a).to_string();
    return std::bitset<64>(std::string(bits.rbegin(), bits.rend())).to_ullong();
  });
  check1<uint32_t, uint32_t>("bfind.u32 %o, %x;", kWords,
                             [=](uint32_t a) { return a == 0 ? ~0U : 31 - leading(a, 32); });
  check1<uint32_t, uint32_t>("bfind.s32 %o, %x;", kWords, [=](uint32_t a) {
    const uint32_t m = (a >> 31) != 0 ? ~a : a;
    return m == 0 ? ~0U : 31 - leading(m, 32);
  });
  check1<uint32_t, uint64_t>("bfind.shiftamt.u64 %o, %x;", kLongs,
                             [=](uint64_t a) { return a == 0 ? ~0U : leading(a, 64); });
}

TEST_F(BitsTest, Fields) {
  const std::vector<uint32_t> positions = {0, 1, 8, 30, 31, 32, 40, 255, 256};
  check3<uint32_t, uint32_t>(
      "bfe.u32 %o, %x, %y, %z;", kWords, positions, positions,
      [](uint32_t a, uint32_t p, uint32_t n) {
        p &= 255;
        n &= 255;
        const uint64_t rest = p > 31 ? 0 : a >> p;
        return static_cast<uint32_t>(n > 31 ? rest : rest & ((uint64_t{1} << n) - 1));
      });
  check3<uint32_t, uint32_t>("bfe.s32 %o, %x, %y, %z;", kWords, positions, positions,
                             [](uint32_t a, uint32_t p, uint32_t n) {
                               p &= 255;
                               n &= 255;
                               if (n == 0) return 0U;
                               // As if the word had its sign for ever.
                               const auto endless = static_cast<int64_t>(static_cast<int32_t>(a)) >>
                                                    std::min(p, 63U);
                               if (n > 32) return static_cast<uint32_t>(endless);
                               return static_cast<uint32_t>((endless << (64 - n)) >> (64 - n));
                             });
  check3<uint32_t, uint32_t>(
      "bfi.b32 %o, %x, %y, %z, 7;", kWords, kWords, positions,
      [](uint32_t a, uint32_t b, uint32_t p) {
        p &= 255;
        const auto mask = static_cast<uint32_t>(p > 31 ? 0 : uint64_t{0x7f} << p);
        return (b & ~mask) | (static_cast<uint32_t>(p > 31 ? 0 : uint64_t{a} << p) & mask);
      });
}

TEST_F(BitsTest, Permutes) {
  const uint64_t bytes = 0x7766554433221180;  // b, a with bytes 0x80 0x11 … 0x77
  const std::vector<uint32_t> a = {static_cast<uint32_t>(bytes)};
  const std::vector<uint32_t> b = {static_cast<uint32_t>(bytes >> 32)};
  const auto expect = [&](const char* mode, uint32_t control, uint32_t wanted) {
    check3<uint32_t, uint32_t>("prmt.b32" + std::string(mode) + " %o, %x, %y, %z;", a, b, {control},
                               [=](uint32_t, uint32_t, uint32_t) { return wanted; });
  };
  expect("", 0x3210, 0x33221180);
  expect("", 0x7654, 0x77665544);
  expect("", 0x0246, 0x80224466);
  expect("", 0x8989, 0xff00ff00);  // the sign of byte 0, of byte 1
  expect(".f4e", 1, 0x44332211);
  expect(".b4e", 1, 0x66778011);
  expect(".rc8", 2, 0x22222222);
  expect(".ecl", 1, 0x33221111);
  expect(".ecr", 1, 0x11111180);
  expect(".rc16", 1, 0x33223322);
}

TEST_F(BitsTest, DotProductOfBytes) {
  check3<uint32_t, uint32_t>("dp4a.s32.u32 %o, %x, %y, %z;", kWords, kWords, {0, 1000},
                             [](uint32_t a, uint32_t b, uint32_t c) {
                               int64_t sum = c;
                               for (int k = 0; k < 4; ++k)
                                 sum += int64_t{static_cast<int8_t>(a >> 8 * k)} *
                                        static_cast<uint8_t>(b >> 8 * k);
                               return static_cast<uint32_t>(sum);
                             });
}

}  // namespace
}  // namespace nampemu_test
