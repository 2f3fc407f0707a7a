// A device that a test runs on: the CPU, on every SIMD target and several thread counts, or a GPU:
// the emulated one, or the machine's own with NATIVEAMP_TEST_GPU=1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "elements.h"
#include "emulated_gpu.h"
#include "nativeamp.h"

namespace namp_test {

enum class Where { kCpu, kGpu };

// A setting of a device. A GPU has only one; it is run twice, for the same bits.
struct Setting {
  int32_t simd;
  int32_t threads;
};
inline std::ostream& operator<<(std::ostream& out, const Setting& setting) {
  return out << "SIMD " << setting.simd << ", threads " << setting.threads;
}

class Device {
 public:
  // Memory with a copy in the test (buffer.h).
  class Shared {
   public:
    virtual ~Shared() = default;
    // Before a call: uploads the test's data to the device, and marks the copy as old.
    virtual void hand_over() = 0;
  };

  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { EXPECT_EQ(handle_, nullptr) << "close() was not called"; }

  // The number of devices.
  static int32_t count(Where where) {
    emulated_gpu();
    int32_t count = 0;
    EXPECT_EQ(namp_device_count(&count, kind_of(where), nullptr, 0), NAMP_OK);
    return count;
  }

  void open(Where where, int32_t ordinal = 0) {
    emulated_gpu();
    where_ = where;
    ASSERT_EQ(namp_device_open(&handle_, kind_of(where), ordinal), NAMP_OK)
        << namp_last_error_message();
    if (where != Where::kCpu) return;
    for (int32_t simd :
         {NAMP_SIMD_BASELINE, NAMP_SIMD_AVX2, NAMP_SIMD_AVX512, NAMP_SIMD_NEON_DOTPROD}) {
      if (namp_device_set_simd(handle_, simd) == NAMP_OK) targets_.push_back(simd);
    }
    for (int32_t simd : {NAMP_SIMD_AVX512_BF16, NAMP_SIMD_AMX_BF16}) {
      if (namp_device_set_simd(handle_, simd) == NAMP_OK) product_targets_.push_back(simd);
    }
    ASSERT_EQ(namp_device_set_simd(handle_, NAMP_SIMD_BEST), NAMP_OK);
  }

  // Fails the test if something is left alive.
  void close() {
    EXPECT_TRUE(shared_.empty()) << "a buffer outlives its test";
    EXPECT_EQ(namp_device_close(handle_), NAMP_OK) << namp_last_error_message();
    handle_ = nullptr;
  }

  // The handle, for a call.
  operator namp_device*() {
    hand_over();
    return handle_;
  }
  void hand_over() {
    for (Shared* shared : shared_)
      shared->hand_over();
  }
  // The handle, without preparing a call.
  namp_device* handle() const { return handle_; }

  bool is_gpu() const { return where_ == Where::kGpu; }
  bool is_emulated() const { return is_gpu() && emulated_gpu() != nullptr; }

  // The settings to run a call with, one after the other. The targets that have only products of
  // their own (pair_tiles.h) are for those.
  std::vector<Setting> settings(std::initializer_list<int32_t> threads,
                                bool products = false) const {
    if (is_gpu()) return {{0, 0}, {0, 0}};
    std::vector<int32_t> targets = targets_;
    if (products) targets.insert(targets.end(), product_targets_.begin(), product_targets_.end());
    std::vector<Setting> all;
    for (int32_t simd : targets) {
      for (int32_t count : threads) {
        all.push_back({simd, count});
        // Single elements are slow there, and their sources are those of vectors.
        if (is_sanitized() && simd == NAMP_SIMD_BASELINE && targets.size() > 1) break;
      }
    }
    return all;
  }
  void use(const Setting& setting) {
    if (is_gpu()) return;
    ASSERT_EQ(namp_device_set_simd(handle_, setting.simd), NAMP_OK);
    ASSERT_EQ(namp_device_set_threads(handle_, setting.threads), NAMP_OK);
  }
  // The best SIMD target of the kernels.
  int32_t best() const { return targets_.back(); }

  void add(Shared* shared) { shared_.push_back(shared); }
  void remove(Shared* shared) { shared_.erase(std::find(shared_.begin(), shared_.end(), shared)); }

 private:
  static int32_t kind_of(Where where) {
    return where == Where::kGpu ? NAMP_DEVICE_CUDA : NAMP_DEVICE_CPU;
  }

  Where where_ = Where::kCpu;
  namp_device* handle_ = nullptr;
  std::vector<int32_t> targets_;
  std::vector<int32_t> product_targets_;
  std::vector<Shared*> shared_;
};

}  // namespace namp_test
