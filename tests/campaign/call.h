// One call of the C interface: its arguments in blocks of exactly their size, their possible
// faults, and the conditions that must then hold.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../native/elements.h"
#include "nativeamp.h"
#include "random.h"

namespace namp_campaign {

using namp_test::element_size;

class Call {
 public:
  Call(Random& random_numbers, namp_device* opened) : random(random_numbers), device(opened) {
    wrong([this] {
      device = nullptr;
      return takes_device;
    });
  }

  // ---- The arguments of a call ----

  // An argument struct of exactly its size, zeroed; its struct_size can be wrong.
  template <class Args>
  Args& args() {
    auto* made = static_cast<Args*>(block(sizeof(Args)));
    *made = Args{};
    made->struct_size = sizeof(Args);
    wrong([this, made] {
      const auto size = static_cast<uint32_t>(sizeof(Args));
      made->struct_size = random.of({0u, 1u, size - 1, 1u << 20, UINT32_MAX});
      return true;
    });
    return *made;
  }

  // A pointer to a number of elements: null if there are none, or if an optional pointer is left
  // out.
  template <class T>
  void tensor(T*& field, int32_t dtype, int64_t count, bool required = true) {
    if (required ? count == 0 && random.one_in(2) : random.one_in(3)) {
      field = nullptr;
      return;
    }
    field = static_cast<T*>(elements(dtype, count));
    if (required && count > 0) {
      wrong([&field] {
        field = nullptr;
        return true;
      });
    }
    // Without elements it may be refused or accepted.
    if (element_size(dtype) > 1)
      wrong([this, &field, count] { return misalign(field) && count > 0; });
  }

  // A size that has its value; it can be negative, or too large for any memory.
  void size(int64_t& field, int64_t value, bool checked = true) {
    field = value;
    wrong([this, &field, checked] {
      field = random.of<int64_t>({-1, -7, -(int64_t{1} << 40), INT64_MIN, INT64_MAX,
                                  int64_t{1} << 62, (int64_t{1} << 58) + 1});
      return checked;
    });
  }

  // A value of an enumeration, or a flag; it can be invalid.
  void choice(int32_t& field, std::initializer_list<int32_t> values, bool checked = true) {
    field = random.of(values);
    spoil_choice(field, checked);
  }
  void spoil_choice(int32_t& field, bool checked = true) {
    wrong([this, &field, checked] {
      field = random.of<int32_t>({-1, 77, INT32_MAX, INT32_MIN});
      return checked;
    });
  }
  int32_t float_dtype(int32_t& field, bool checked = true) {
    field = random.of<int32_t>({NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16});
    wrong([this, &field, checked] {
      field = random.of<int32_t>(
          {NAMP_DTYPE_NONE, NAMP_INT32, NAMP_UINT8, NAMP_FLOAT8_E4M3, NAMP_FLOAT8_E5M2, -1, 99});
      return checked;
    });
    return field;
  }
  // The dtype of a cast.
  int32_t stored_dtype(int32_t& field) {
    field = random.of<int32_t>(
        {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16, NAMP_FLOAT8_E4M3, NAMP_FLOAT8_E5M2});
    wrong([this, &field] {
      field = random.of<int32_t>({NAMP_DTYPE_NONE, NAMP_INT32, NAMP_UINT8, -1, 99});
      return true;
    });
    return field;
  }

  // Any other fault. It returns whether the call must then fail.
  void wrong(std::function<bool()> fault) { faults_.push_back(std::move(fault)); }

  template <class T>
  bool misalign(T*& field) {
    if (field == nullptr) return false;
    field = reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(field) | 1);
    return true;
  }

  // Memory of exactly this size. Values are usual ones, and sometimes any bits.
  void* block(size_t bytes);
  void* elements(int32_t dtype, int64_t count);

  // A number of elements, sometimes 0.
  int64_t small(int64_t most) { return random.one_in(12) ? 0 : random.between(1, most); }

  // ---- The result ----

  void make(const char* function, std::function<int32_t()> body) {
    name = function;
    invoke = std::move(body);
  }
  // Cleans up an object that was made only for the call, such as a table.
  void afterwards(std::function<void()> body) { cleanups_.push_back(std::move(body)); }

  // Makes the call with a number of faults. Returns "", or the condition that did not hold.
  std::string run(int fault_count);

  Random& random;
  namp_device* device;
  const char* name = "";
  std::function<int32_t()> invoke;
  int32_t status = NAMP_OK;
  bool takes_device = true;
  // The call may be refused without a fault: it depends on more than its arguments.
  bool may_fail = false;

 private:
  struct Block {
    std::unique_ptr<uint8_t[]> memory;
    size_t bytes;
    std::vector<uint8_t> before;
  };

  static size_t guard() { return namp_test::is_sanitized() ? 0 : 64; }

  bool guards_hold() const;
  bool unchanged() const;

  std::vector<Block> blocks_;
  std::vector<std::function<bool()>> faults_;
  std::vector<std::function<void()>> cleanups_;
};

// Each fills a call of one function, drawn at random.
using Maker = void (*)(Call&);
struct Function {
  const char* name;
  Maker make;
};
extern const std::vector<Function>
    kObjects;  // objects.cpp: library, devices, streams, memory, tables
extern const std::vector<Function> kFamilies;  // families.cpp: the four kernel families
extern const std::vector<Function> kNetworks;  // networks.cpp: operators of networks
extern const std::vector<Function> kIntegers;  // integers.cpp: products of integers

}  // namespace namp_campaign
