// Memory of a device between canaries, with the copy that the test reads and writes. On the CPU
// both are the same. On a GPU the test's data is uploaded when the handle is taken for a call, and
// downloaded when the test next reads it.
//
// On the emulated GPU the canaries and outputs without data count as never written: a kernel that
// reads them is found.
#pragma once

#include <cstring>
#include <vector>

#include "cells.h"
#include "device.h"
#include "numbers.h"

namespace namp_test {

// Elements, the first of them `shift` elements after a 64-byte border.
class Buffer final : public Device::Shared {
 public:
  // Elements that a call writes.
  Buffer(Device& device, int32_t dtype, int64_t count, int64_t shift = 0)
      : device_(device),
        dtype_(dtype),
        count_(count),
        bytes_(static_cast<size_t>(count * element_size(dtype))) {
    const auto shifted = static_cast<size_t>(shift * element_size(dtype));
    size_ = 2 * kGuard + shifted + bytes_ + 64;
    host_.assign(size_ + 64, kCanary);
    const auto address = reinterpret_cast<uintptr_t>(host_.data());
    base_ = host_.data() + (64 - address % 64) % 64;
    begin_ = kGuard + shifted;
    if (device_.is_gpu()) {
      EXPECT_EQ(namp_memory_allocate(&memory_, device_.handle(), static_cast<int64_t>(size_),
                                     NAMP_MEMORY_OTHER, nullptr),
                NAMP_OK)
          << namp_last_error_message();
    }
    device_.add(this);
    snapshot();
  }

  Buffer(Device& device, int32_t dtype, const std::vector<double>& values, int64_t shift = 0)
      : Buffer(device, dtype, static_cast<int64_t>(values.size()), shift) {
    set(values);
    snapshot();
  }

  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() override {
    device_.remove(this);
    if (memory_ != nullptr) {
      EXPECT_EQ(namp_memory_free(device_.handle(), memory_, nullptr), NAMP_OK);
    }
  }

  // The device's pointer.
  void* data() const {
    return memory_ != nullptr ? static_cast<unsigned char*>(memory_) + begin_ : base_ + begin_;
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }
  float* floats() const { return as<float>(); }
  int32_t* ints() const { return as<int32_t>(); }
  namp_cell cell() const { return namp_test::cell(data(), dtype_); }
  int64_t size() const { return count_; }
  int32_t dtype() const { return dtype_; }

  uint32_t bits(int64_t i) const {
    fetch();
    return word(at(i));
  }
  // Oracles read each of them many times: by a pointer, for sanitizers' builds inline nothing of a vector.
  double operator[](int64_t i) const {
    return (numbers_ != nullptr ? numbers_ : values().data())[i];
  }
  // Decoded once for all reads between two changes.
  const std::vector<double>& values() const {
    fetch();
    if (numbers_ != nullptr) return decoded_;
    decoded_.resize(static_cast<size_t>(count_));
    const uint8_t* element = at(0);
    for (double& number : decoded_) {
      number = decode(word(element), dtype_);
      element += element_size(dtype_);
    }
    numbers_ = decoded_.data();
    return decoded_;
  }
  std::vector<uint8_t> bytes() const {
    fetch();
    return {at(0), at(0) + bytes_};
  }
  bool has(const std::vector<uint8_t>& bytes) const {
    fetch();
    return std::equal(bytes.begin(), bytes.end(), at(0), at(0) + bytes_);
  }

  void set_bits(int64_t i, uint32_t value) {
    std::memcpy(change() + i * element_size(dtype_), &value,
                static_cast<size_t>(element_size(dtype_)));
  }
  void set(int64_t i, double x) { set_bits(i, encode(x, dtype_)); }
  void set(const std::vector<double>& values) {
    uint8_t* element = change();
    for (const double value : values) {
      const uint32_t bits = encode(value, dtype_);
      std::memcpy(element, &bits, static_cast<size_t>(element_size(dtype_)));
      element += element_size(dtype_);
    }
  }
  void set_bytes(const void* from) {
    if (bytes_ != 0) std::memcpy(change(), from, bytes_);
  }

  // Whether nothing outside of the elements was written.
  bool intact() const {
    fetch();
    const auto canary = [](uint8_t byte) { return byte == kCanary; };
    return std::all_of(base_, base_ + begin_, canary) &&
           std::all_of(base_ + begin_ + bytes_, base_ + size_, canary);
  }

  // Saves the contents, canaries included, to restore them before each run, and to check whether
  // they changed.
  void snapshot() { initial_ = bytes(); }
  void restore() {
    if (bytes_ != 0) std::memcpy(base_ + begin_, initial_.data(), bytes_);
    undefined_ = !defined_;
    written_ = true;
    old_ = false;
    numbers_ = nullptr;
  }
  bool unchanged() const { return has(initial_) && intact(); }

  void hand_over() override {
    numbers_ = nullptr;
    if (memory_ == nullptr) return;
    if (written_) {
      EXPECT_EQ(namp_memory_copy(device_.handle(), memory_, base_, static_cast<int64_t>(size_),
                                 NAMP_COPY_HOST_TO_DEVICE, nullptr),
                NAMP_OK)
          << namp_last_error_message();
      if (device_.is_emulated()) {
        const auto forget = [&](size_t from, size_t bytes) {
          const auto address = reinterpret_cast<uint64_t>(memory_) + from;
          if (bytes != 0) emulated_gpu()->forget_writes(address, bytes);
        };
        forget(0, begin_);
        forget(begin_ + bytes_, size_ - begin_ - bytes_);
        if (undefined_) forget(begin_, bytes_);
      }
    }
    written_ = undefined_ = false;
    old_ = true;
  }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr uint8_t kCanary = 0xA5;

  // An element's bits.
  uint32_t word(const uint8_t* element) const {
    uint32_t word = 0;
    uint16_t half = 0;
    switch (element_size(dtype_)) {
      case 1:
        return *element;
      case 2:
        std::memcpy(&half, element, sizeof(half));
        return half;
      default:
        std::memcpy(&word, element, sizeof(word));
        return word;
    }
  }

  const uint8_t* at(int64_t i) const { return base_ + begin_ + i * element_size(dtype_); }

  // The copy, for a change.
  uint8_t* change() {
    fetch();
    defined_ = written_ = true;
    numbers_ = nullptr;
    return base_ + begin_;
  }

  void fetch() const {
    if (!old_) return;
    old_ = false;
    const auto copy = [&](size_t from, size_t bytes) {
      EXPECT_EQ(namp_memory_copy(device_.handle(), base_ + from,
                                 static_cast<unsigned char*>(memory_) + from,
                                 static_cast<int64_t>(bytes), NAMP_COPY_DEVICE_TO_HOST, nullptr),
                NAMP_OK)
          << namp_last_error_message();
    };
    if (!device_.is_emulated()) return copy(0, size_);
    // A normal copy of the canaries would be a read of memory that was never written.
    emulated_gpu()->peek(reinterpret_cast<uint64_t>(memory_), size_, base_);
    copy(begin_, bytes_);
  }

  Device& device_;
  int32_t dtype_;
  int64_t count_;
  size_t bytes_;
  size_t size_ = 0;   // with the canaries
  size_t begin_ = 0;  // of the elements
  std::vector<uint8_t> host_;
  std::vector<uint8_t> initial_;
  uint8_t* base_ = nullptr;  // the test's copy
  void* memory_ = nullptr;   // the GPU's memory
  bool defined_ = false;     // by the test
  bool written_ = true;      // the copy is newer
  bool undefined_ = false;   // and its elements must not be read
  mutable std::vector<double> decoded_;
  mutable const double* numbers_ = nullptr;  // of decoded_, until the next change
  mutable bool old_ = false;                 // the device's memory is newer
};

// A struct in a device's memory.
template <class T>
class Value {
 public:
  explicit Value(Device& device, const T& value = T{})
      : buffer_(device, NAMP_UINT8, static_cast<int64_t>(sizeof(T))) {
    set(value);
  }

  T* data() const { return buffer_.as<T>(); }
  void set(const T& value) { buffer_.set_bytes(&value); }
  T get() const {
    T value;
    std::memcpy(&value, buffer_.bytes().data(), sizeof(T));
    return value;
  }
  const T* operator->() const {
    seen_ = get();
    return &seen_;
  }

 private:
  Buffer buffer_;
  mutable T seen_{};
};

// The number of updates of each of a table's tensors, in a device's memory.
class Steps {
 public:
  explicit Steps(Device& device, const std::vector<int64_t>& steps)
      : buffer_(device, NAMP_UINT8, static_cast<int64_t>(steps.size() * sizeof(int64_t))),
        count_(steps.size()) {
    buffer_.set_bytes(steps.data());
  }

  int64_t* data() const { return buffer_.as<int64_t>(); }
  std::vector<int64_t> get() const {
    std::vector<int64_t> steps(count_);
    std::memcpy(steps.data(), buffer_.bytes().data(), count_ * sizeof(int64_t));
    return steps;
  }

 private:
  Buffer buffer_;
  size_t count_;
};

// A table of tensors, each a row of cells.
class Table {
 public:
  Table(Device& device, const std::vector<int64_t>& counts,
        const std::vector<std::vector<namp_cell>>& rows, const std::vector<int32_t>& groups = {})
      : device_(device) {
    std::vector<namp_cell> cells;
    for (const auto& row : rows)
      cells.insert(cells.end(), row.begin(), row.end());
    namp_table_description description{};
    description.struct_size = sizeof(description);
    description.column_count = rows.empty() ? 1 : static_cast<int32_t>(rows[0].size());
    description.tensor_count = static_cast<int64_t>(counts.size());
    description.counts = counts.data();
    description.cells = cells.data();
    description.groups = groups.empty() ? nullptr : groups.data();
    EXPECT_EQ(namp_table_create(&handle_, device, &description), NAMP_OK)
        << namp_last_error_message();
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() { EXPECT_EQ(namp_table_destroy(handle_), NAMP_OK); }

  // The handle, for a call.
  operator namp_table*() const {
    device_.hand_over();
    return handle_;
  }

  namp_overflow_facts facts(int64_t tensor) const {
    namp_overflow_facts* facts = nullptr;
    EXPECT_EQ(namp_table_get_facts(&facts, handle_), NAMP_OK);
    namp_overflow_facts copy{};
    EXPECT_EQ(namp_memory_copy(device_.handle(), &copy, facts + tensor, sizeof(copy),
                               NAMP_COPY_DEVICE_TO_HOST, nullptr),
              NAMP_OK);
    return copy;
  }

 private:
  Device& device_;
  namp_table* handle_ = nullptr;
};

}  // namespace namp_test
