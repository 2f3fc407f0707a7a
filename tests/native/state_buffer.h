// Columns of an optimizer's state in any format.
#pragma once

#include "backend_test.h"

namespace namp_test {

inline constexpr int64_t kBlock = NAMP_BLOCK_ELEMENTS;

// Elements of a tensor, and whether all columns are aligned: then a GPU has code of its own for whole
// blocks, where copies are not rounded stochastically and half-precision parameters have none.
inline constexpr std::pair<int64_t, bool> kLengths[] = {{1, false},
                                                        {300, false},
                                                        {300, true},
                                                        {kChunk + kBlock + 5, false},
                                                        {kChunk + kBlock + 5, true}};

inline bool in_blocks(int32_t dtype) {
  return dtype >= NAMP_INT8_DYNAMIC && dtype <= NAMP_UINT8_LINEAR;
}

// A rule, and the dtypes of its state.
struct StateLayout {
  int32_t rule;
  std::vector<int32_t> states;
};

// A column of state, with scales where its dtype has them.
class State {
 public:
  State(Device& device, int32_t dtype, int64_t n, int64_t shift)
      : dtype_(dtype),
        values_(device, in_blocks(dtype) ? int32_t{NAMP_UINT8} : dtype, zeros(n), shift),
        scales_(device, NAMP_FLOAT32, zeros((n + kBlock - 1) / kBlock), 1) {}

  namp_cell cell() const {
    return namp_test::cell(values_.data(), dtype_, in_blocks(dtype_) ? scales_.floats() : nullptr);
  }
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> all = values_.bytes();
    const auto scales = scales_.bytes();
    all.insert(all.end(), scales.begin(), scales.end());
    return all;
  }
  bool intact() const { return values_.intact() && scales_.intact(); }

 private:
  static std::vector<double> zeros(int64_t n) {
    return std::vector<double>(static_cast<size_t>(n), 0.0);
  }
  int32_t dtype_;
  Buffer values_;
  Buffer scales_;
};

}  // namespace namp_test
