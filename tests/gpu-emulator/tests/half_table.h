// All 65536 values of a 16-bit float, in order, by the definition of the format: the nearest is
// found by search.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace nampemu_test {

class HalfTable {
 public:
  static const HalfTable& binary16() {
    static const HalfTable table(5, 10);
    return table;
  }
  static const HalfTable& bfloat16() {
    static const HalfTable table(8, 7);
    return table;
  }

  long double value(uint16_t bits) const {
    const long double magnitude =
        (bits & 0x7fff) > infinity_    ? std::numeric_limits<long double>::quiet_NaN()
        : (bits & 0x7fff) == infinity_ ? std::numeric_limits<long double>::infinity()
                                       : values_[bits & 0x7fff];
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
  }

  // Ties go to the even one; beyond the greatest by half a step or more, to infinity.
  uint16_t nearest(long double x) const {
    if (std::isnan(x)) return 0x7fff;
    const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    const long double m = std::fabs(x);
    const auto above = static_cast<uint16_t>(std::lower_bound(values_.begin(), values_.end(), m) -
                                             values_.begin());
    if (above == 0) return sign;
    if (above >= infinity_) {
      const long double step = values_[infinity_ - 1] - values_[infinity_ - 2];
      return static_cast<uint16_t>(
          sign | (m >= values_[infinity_ - 1] + step / 2 ? infinity_ : infinity_ - 1));
    }
    const long double up = values_[above] - m;
    const long double down = m - values_[above - 1];
    const bool take_upper = up < down || (up == down && above % 2 == 0);
    return static_cast<uint16_t>(sign | (take_upper ? above : above - 1));
  }

  // The next value towards 0 (0), minus infinity (-1) or infinity (1).
  uint16_t toward(long double x, int direction) const {
    const bool negative = std::signbit(x);
    const uint16_t sign = negative ? 0x8000 : 0;
    const long double m = std::fabs(x);
    const bool away = direction != 0 && negative == (direction < 0);
    if (std::isinf(m)) return static_cast<uint16_t>(sign | infinity_);
    const auto above = static_cast<uint16_t>(std::lower_bound(values_.begin(), values_.end(), m) -
                                             values_.begin());
    if (above < infinity_ && values_[above] == m) return static_cast<uint16_t>(sign | above);
    return static_cast<uint16_t>(sign | (away ? above : above - 1));
  }

 private:
  HalfTable(int exponent_bits, int fraction_bits)
      : infinity_(static_cast<uint16_t>(((1 << exponent_bits) - 1) << fraction_bits)) {
    const int bias = (1 << (exponent_bits - 1)) - 1;
    for (int bits = 0; bits < infinity_; ++bits) {
      const int exponent = bits >> fraction_bits;
      const int fraction = bits & ((1 << fraction_bits) - 1);
      const int whole = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
      values_.push_back(std::ldexp(static_cast<long double>(whole),
                                   std::max(exponent, 1) - bias - fraction_bits));
    }
  }

  uint16_t infinity_;
  std::vector<long double> values_;
};

}  // namespace nampemu_test
