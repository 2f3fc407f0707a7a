// mma ldmatrix movmatrix: a warp's 32 lanes hold the parts of a matrix. In a lane's number, group is the upper three bits and member the lower two.
//
// A word of a register holds consecutive elements along k: one of 32 bits, two of 16, four of 8. Word j of A (16 rows, k columns) is of row group +
// 8 (j mod 2), and of the columns that member has in half j / 2 of k; word j of B (k rows, 8 columns) is of column group, and of the rows that
// member has in half j; element j of C and D (16 rows, 8 columns) is of row group + 8 (j / 2) and of column 2 member + j mod 2. So it is for every
// shape and type here; that of 8 rows has one word of A, one of B, and the first two elements of C and D.
//
// Products are of the elements as they are, which FP32 holds exactly but where their exponent leaves its range; to C they are added in FP32, k
// upwards, each sum rounded to nearest. A device's order and rounding are its own: nobody may depend on the bits.
#include <algorithm>
#include <cstring>

#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/rounding.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

constexpr uint32_t kRows = 16;    // of A, C and D
constexpr uint32_t kColumns = 8;  // of B, C and D
constexpr uint32_t kMostK = 32;
constexpr uint32_t kMembers = 4;

constexpr uint32_t group_of(uint32_t lane) { return lane / kMembers; }
constexpr uint32_t member_of(uint32_t lane) { return lane % kMembers; }

// The elements in a word of A or B; Sum is the type of C, Part the type in which products are added.
struct Half {
  static constexpr uint32_t kPerWord = 2;
  using Sum = float;
  using Part = float;
  static Part element(uint32_t word, uint32_t k) {
    return half_to_float(static_cast<uint16_t>(word >> (16 * k)));
  }
};
struct Bfloat {
  static constexpr uint32_t kPerWord = 2;
  using Sum = float;
  using Part = float;
  static Part element(uint32_t word, uint32_t k) {
    return bfloat_to_float(static_cast<uint16_t>(word >> (16 * k)));
  }
};
// A float of which the lower 13 bits count for nothing.
struct Tf32 {
  static constexpr uint32_t kPerWord = 1;
  using Sum = float;
  using Part = float;
  static Part element(uint32_t word, uint32_t) { return std::bit_cast<float>(word & ~0x1fffU); }
};
template <class T>
struct Byte {
  static constexpr uint32_t kPerWord = 4;
  using Sum = int32_t;
  using Part = int64_t;
  static Part element(uint32_t word, uint32_t k) { return static_cast<T>(word >> (8 * k)); }
};

float narrow(float sum, bool) { return canonical(sum); }
int32_t narrow(int64_t sum, bool saturates) {
  if (saturates) sum = std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX);
  return static_cast<int32_t>(sum);
}

// A lane that is missing has no part of the matrix to give.
void expect_whole_warp(const Warp& warp, const Instruction& i, uint32_t lanes) {
  if (lanes == kAllLanes) return;
  const auto lane = static_cast<uint32_t>(std::countr_zero(lanes));
  report(NAMPEMU_BARRIER, warp, i, lane, [=] {
    return "only " + std::to_string(std::popcount(lanes)) + " of the warp's 32 lanes are here";
  });
}

// Words of B beside those of A, and elements of C and D.
constexpr uint32_t words_of_b(uint32_t words) { return words == 1 ? 1 : words / 2; }
constexpr uint32_t sums_of(uint32_t words) { return words == 1 ? 2 : 4; }

// r[0] to r[3] D, r[4] and r[5] B; the second instruction's r[0] to r[3] A, r[4] to r[7] C. count: words of A. flags 1: sums of integers are clamped.
template <class A, class B>
void multiply(Warp& warp, const Instruction& i, uint32_t lanes) {
  using Sum = typename A::Sum;
  using Part = typename A::Part;
  constexpr uint32_t kPerWord = A::kPerWord;
  expect_whole_warp(warp, i, lanes);
  const Instruction& second = warp.block->launch->kernel->seconds[i.second];
  const uint32_t words = i.count;
  const uint32_t rows = words == 1 ? kRows / 2 : kRows;
  const uint32_t depth = words_of_b(words) * kMembers * kPerWord;
  LaunchCounters& counters = warp.block->launch->counters;
  ++counters.matrix_instructions;
  counters.matrix_products += uint64_t{rows} * kColumns * depth;
  Part a[kRows][kMostK];
  Part b[kMostK][kColumns];
  Part c[kRows][kColumns];
  for (uint32_t j = 0; j < words; ++j) {
    const uint32_t* from = warp.at<uint32_t>(second.r[j]);
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      const uint32_t k = (j / 2 * kMembers + member_of(lane)) * kPerWord;
      for (uint32_t x = 0; x < kPerWord; ++x)
        a[group_of(lane) + 8 * (j % 2)][k + x] = A::element(from[lane], x);
    }
  }
  for (uint32_t j = 0; j < words_of_b(words); ++j) {
    const uint32_t* from = warp.at<uint32_t>(i.r[4 + j]);
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      const uint32_t k = (j * kMembers + member_of(lane)) * kPerWord;
      for (uint32_t x = 0; x < kPerWord; ++x)
        b[k + x][group_of(lane)] = B::element(from[lane], x);
    }
  }
  const auto each_sum = [&](auto f) {
    for (uint32_t j = 0; j < sums_of(words); ++j) {
      for (uint32_t lane = 0; lane < kLanes; ++lane)
        f(j, lane, c[group_of(lane) + 8 * (j / 2)][2 * member_of(lane) + j % 2]);
    }
  };
  each_sum([&](uint32_t j, uint32_t lane, Part& sum) {
    sum = static_cast<Part>(warp.at<Sum>(second.r[4 + j])[lane]);
  });
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t k = 0; k < depth; ++k) {
      for (uint32_t column = 0; column < kColumns; ++column)
        c[row][column] += a[row][k] * b[k][column];
    }
  }
  const bool saturates = i.flags != 0;
  each_sum([&](uint32_t j, uint32_t lane, const Part& sum) {
    if (((lanes >> lane) & 1) != 0) warp.at<Sum>(i.r[j])[lane] = narrow(sum, saturates);
  });
}

// The two elements that a lane has of a matrix of 8 rows of 8 elements of 16 bits; transposed: of the matrix whose columns the rows are.
template <class F>
uint32_t pair_of(uint32_t lane, bool transposed, F element) {
  const uint32_t line = group_of(lane);
  const uint32_t first = 2 * member_of(lane);
  const auto at = [&](uint32_t k) -> uint32_t {
    return transposed ? element(first + k, line) : element(line, first + k);
  };
  return at(0) | (at(1) << 16);
}

// r[0] to r[3]: the matrices; r[4]: the address of a row, of matrix lane / 8. flags kTransposed. option: lanes whose addresses must be good.
constexpr uint16_t kTransposed = 0x8000;
void load_matrices(Warp& warp, const Instruction& i, uint32_t lanes) {
  constexpr uint32_t kRowBytes = 16;
  constexpr uint32_t kMatrixRows = 8;
  expect_whole_warp(warp, i, lanes);
  const auto of_first = [=](uint32_t count) {
    return lanes & (count == kLanes ? kAllLanes : (1U << count) - 1);
  };
  std::array<std::array<uint16_t, 8>, kLanes> rows{};
  const uint32_t givers = of_first(i.count * kMatrixRows);
  if (givers == 0) return;
  Access access;
  resolve(warp, i, of_first(i.option), i.r[4], kRowBytes, "load", access);
  access = only(access, givers);
  note_load(warp, i, access);
  for (uint32_t rest = givers; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    std::memcpy(rows[lane].data(), access.at(lane), kRowBytes);
  }
  for (uint32_t m = 0; m < i.count; ++m) {
    uint32_t* d = warp.at<uint32_t>(i.r[m]);
    each_lane(lanes, [&](uint32_t lane) {
      d[lane] = pair_of(lane, (i.flags & kTransposed) != 0, [&](uint32_t row, uint32_t column) {
        return rows[m * kMatrixRows + row][column];
      });
    });
  }
}

void transpose(Warp& warp, const Instruction& i, uint32_t lanes) {
  expect_whole_warp(warp, i, lanes);
  std::array<uint32_t, kLanes> a{};
  std::copy_n(warp.at<uint32_t>(i.r[1]), kLanes, a.begin());
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  each_lane(lanes, [&](uint32_t lane) {
    d[lane] = pair_of(lane, true, [&](uint32_t row, uint32_t column) {
      return (a[row * kMembers + column / 2] >> (16 * (column % 2))) & 0xffff;
    });
  });
}

// All lanes of the warp, or those that have not exited: then it is a finding.
void take_whole_warp(Decode& d) {
  if (!d.take("sync") || !d.take("aligned")) d.fail(".sync.aligned is missing");
  d.out.flow = Flow::warp_sync;
  d.out.r[7] = d.constant(kAllLanes, 4);
}

const std::vector<Operand>& parts_of(const Decode& d, size_t index, size_t count) {
  const Operand& vector = d.operand(index);
  if (vector.kind != Operand::Kind::vector || vector.parts.size() != count) {
    d.fail("operand " + std::to_string(index) + " has to be a vector of " + std::to_string(count));
  }
  return vector.parts;
}

enum class Element : uint8_t { half, bfloat, tf32, s8, u8 };

Element take_element(Decode& d) {
  if (d.take("tf32")) return Element::tf32;
  const Type t = d.take_type();
  if (t.packed || (t.bytes != 2) != t.is_integer()) d.fail("this type isn't known here");
  if (t.kind == Type::Kind::float_) return Element::half;
  if (t.kind == Type::Kind::bfloat) return Element::bfloat;
  if (t.bytes != 1) d.fail("this type isn't known here");
  return t.kind == Type::Kind::signed_ ? Element::s8 : Element::u8;
}

Execute pick(const Decode& d, Element a, Element b) {
  using S8 = Byte<int8_t>;
  using U8 = Byte<uint8_t>;
  if (a == Element::s8 && b == Element::u8) return multiply<S8, U8>;
  if (a == Element::u8 && b == Element::s8) return multiply<U8, S8>;
  if (a != b) d.fail("A and B are of different types");
  switch (a) {
    case Element::half:
      return multiply<Half, Half>;
    case Element::bfloat:
      return multiply<Bfloat, Bfloat>;
    case Element::tf32:
      return multiply<Tf32, Tf32>;
    case Element::s8:
      return multiply<S8, S8>;
    default:
      return multiply<U8, U8>;
  }
}

void decode_mma(Decode& d) {
  take_whole_warp(d);
  const bool of_8_rows = d.take("m8n8k16");
  const int shape = of_8_rows ? 2 : d.take_one({"m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32"});
  if (shape < 0) d.fail("this shape isn't known here");
  if (!d.take("row") || !d.take("col")) d.fail(".row.col is missing");
  const Type to = d.take_type();
  const Element a = take_element(d);
  const Element b = take_element(d);
  const Type from = d.take_type();
  const bool integers = a == Element::s8 || a == Element::u8;
  constexpr Type s32 = {Type::Kind::signed_, 4, false};
  const Type sums = integers ? s32 : Decode::f32;
  if (!(to == sums) || !(from == sums)) d.fail("this type of sums isn't known here");
  if (integers && d.take("satfinite")) d.out.flags = 1;
  const size_t bytes = integers ? 1 : a == Element::tf32 ? 4 : 2;
  const size_t words = (size_t{4} << shape) * bytes / (of_8_rows ? 16 : 8);
  const bool known = of_8_rows ? integers : words == 2 || words == 4;
  if (!known) d.fail("this shape isn't known for this type");
  d.out.execute = pick(d, a, b);
  const bool oldest = of_8_rows || (a == Element::half && words == 2);
  oldest ? d.needs(65, 75) : d.needs(70, 80);
  d.expect_operands(4, 4);
  d.out.count = static_cast<uint8_t>(words);
  const auto b_words = words_of_b(static_cast<uint32_t>(words));
  const auto sum_count = sums_of(static_cast<uint32_t>(words));
  for (size_t k = 0; k < b_words; ++k)
    d.out.r[4 + k] = d.source(parts_of(d, 2, b_words)[k], Decode::b32);
  for (size_t k = 0; k < sum_count; ++k)
    d.out.r[k] = d.destination(parts_of(d, 0, sum_count)[k], sums);
  d.decode_second([&](Decode& second) {
    for (size_t k = 0; k < words; ++k)
      second.out.r[k] = second.source(parts_of(d, 1, words)[k], Decode::b32);
    for (size_t k = 0; k < sum_count; ++k)
      second.out.r[4 + k] = second.source(parts_of(d, 3, sum_count)[k], sums);
  });
}

void decode_ldmatrix(Decode& d) {
  take_whole_warp(d);
  d.needs(65, 75);
  const int number = d.take_one({"x1", "x2", "x4"});
  if (!d.take("m8n8") || number < 0) d.fail(".m8n8 and .x1, .x2 or .x4 are needed");
  if (d.take("trans")) d.out.flags |= kTransposed;
  d.out.space = take_space(d);
  if (d.out.space != Space::shared) d.fail("only .shared is known");
  if (!(d.take_type() == Decode::bits(2))) d.fail("only .b16 is known");
  d.expect_operands(2, 2);
  const size_t count = size_t{1} << number;
  d.out.count = static_cast<uint8_t>(count);
  // Devices before sm_80 look at the other lanes' addresses too.
  d.out.option = static_cast<uint8_t>(d.names.module->target < 80 ? kLanes : count * 8);
  for (size_t k = 0; k < count; ++k)
    d.out.r[k] = d.destination(parts_of(d, 0, count)[k], Decode::b32);
  take_address(d, 1, 4);
  d.out.execute = load_matrices;
}

void decode_movmatrix(Decode& d) {
  take_whole_warp(d);
  d.needs(78, 75);
  if (!d.take("m8n8") || !d.take("trans") || !(d.take_type() == Decode::bits(2))) {
    d.fail("only .m8n8.trans.b16 is known");
  }
  d.expect_operands(2, 2);
  d.out.r[1] = d.source(1, Decode::b32);
  d.out.r[0] = d.destination(0, Decode::b32);
  d.out.execute = transpose;
}

}  // namespace

void add_matrix_decoders(DecodeTable& table) {
  table["mma"] = decode_mma;
  table["ldmatrix"] = decode_ldmatrix;
  table["movmatrix"] = decode_movmatrix;
}

}  // namespace nampemu
