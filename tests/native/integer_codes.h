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

// A weight's sizes for namp_int8_pack.
struct WeightSizes {
  int64_t n;
  int64_t k;
  int64_t kernel_h = 0;  // of a convolution
  int64_t kernel_w = 0;
};

// A weight [n, k] of codes as namp_int8_pack lays it out.
class PackedCodes {
 public:
  PackedCodes(Device& device, const std::vector<uint8_t>& bytes, const WeightSizes& sizes,
              int64_t shift)
      : plain_(device, bytes, shift + 1),
        bytes_(bytes_of(device, sizes)),
        packed_(device, NAMP_UINT8, bytes_, shift) {
    const auto args = arguments(plain_, packed_, sizes, bytes_);
    EXPECT_EQ(namp_int8_pack(device, &args, nullptr), NAMP_OK) << namp_last_error_message();
  }
  void set(namp_int8_gemm_args& args) const {
    args.b = packed_.data();
    args.b_bytes = bytes_;
  }
  void set(namp_int8_conv2d_args& args) const {
    args.weight = packed_.data();
    args.weight_bytes = bytes_;
  }
  const Buffer& packed() const { return packed_; }

  static namp_int8_pack_args arguments(const WeightSizes& sizes) {
    auto args = make_args<namp_int8_pack_args>();
    args.n = sizes.n;
    args.k = sizes.k;
    args.kernel_h = sizes.kernel_h;
    args.kernel_w = sizes.kernel_w;
    return args;
  }
  static namp_int8_pack_args arguments(const Codes& weight, const Buffer& packed,
                                       const WeightSizes& sizes, int64_t bytes) {
    auto args = arguments(sizes);
    args.weight = weight.as<int8_t>();
    args.packed = packed.data();
    args.packed_bytes = bytes;
    return args;
  }
  static int64_t bytes_of(Device& device, const WeightSizes& sizes) {
    int64_t bytes = -1;
    const auto args = arguments(sizes);
    EXPECT_EQ(namp_int8_packed_bytes(&bytes, device, &args), NAMP_OK) << namp_last_error_message();
    return bytes;
  }

 private:
  Codes plain_;
  int64_t bytes_;
  Buffer packed_;
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
