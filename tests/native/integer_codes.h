// What tests of integer codes share: bytes in a device's memory, and every SIMD target.
#pragma once

#include "backend_test.h"

namespace namp_test {

inline constexpr int kZeroPoints[] = {-128, -37, 0, 5, 127};

inline std::vector<uint8_t> random_bytes(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  for (uint8_t& byte : bytes)
    byte = static_cast<uint8_t>(generator() >> 13);
  return bytes;
}

inline int code_of(const std::vector<uint8_t>& bytes, int64_t i) {
  return static_cast<int8_t>(bytes[static_cast<size_t>(i)]);
}

// Bytes in a device's memory.
class Codes {
 public:
  Codes(Device& device, const std::vector<uint8_t>& bytes, int64_t shift)
      : buffer_(device, NAMP_UINT8, static_cast<int64_t>(bytes.size()), shift) {
    buffer_.set_bytes(bytes.data());
  }
  template <class T>
  T* as() const {
    return buffer_.as<T>();
  }

 private:
  Buffer buffer_;
};

class IntegerTest : public BackendTest {
 protected:
  // Every target, also those that have only products of their own.
  void run_targets(const std::function<int32_t()>& call, const std::vector<Buffer*>& outputs) {
    std::vector<std::vector<uint8_t>> first;
    for (const Setting& setting : device_.settings({1, 3}, true)) {
      device_.use(setting);
      run_once(call, outputs, setting, first);
      if (HasFatalFailure()) return;
    }
  }
};

}  // namespace namp_test
