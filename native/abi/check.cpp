#include "abi/check.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace namp {
namespace {

std::string hex(const void* pointer) {
  static const char digits[] = "0123456789abcdef";
  auto value = reinterpret_cast<uintptr_t>(pointer);
  std::string text;
  do {
    text.insert(text.begin(), digits[value % 16]);
    value /= 16;
  } while (value != 0);
  return "0x" + text;
}

// Fails with a list of the valid dtypes.
[[noreturn]] void fail_dtype(int32_t dtype, const char* name, bool (*is_right)(int32_t)) {
  std::vector<std::string> right;
#define NAMP_ADD(DTYPE, ...) \
  if (is_right(DTYPE)) right.push_back(dtype_name(DTYPE));
  NAMP_FOR_EACH_STORED_FLOAT(NAMP_ADD)
  NAMP_FOR_EACH_BLOCK_CODE(NAMP_ADD)
#undef NAMP_ADD
  std::string list = right.front();
  for (size_t i = 1; i < right.size(); ++i)
    list += (i + 1 < right.size() ? ", " : " or ") + right[i];
  fail(NAMP_ERROR_INVALID_ARGUMENT,
       std::string(name) + " is " + dtype_name(dtype) + "; it must be " + list + ".");
}

}  // namespace

void fail(namp_status status, const std::string& message) { throw Error(status, message); }

std::string dtype_name(int32_t dtype) {
  switch (dtype) {
    case NAMP_DTYPE_NONE:
      return "NAMP_DTYPE_NONE";
#define NAMP_NAME(DTYPE, ...) \
  case DTYPE:                 \
    return #DTYPE;
      NAMP_FOR_EACH_STORED_FLOAT(NAMP_NAME)
      NAMP_FOR_EACH_BLOCK_CODE(NAMP_NAME)
      NAMP_FOR_EACH_INTEGER(NAMP_NAME)
#undef NAMP_NAME
  }
  return "unknown dtype " + std::to_string(dtype);
}

void check_not_null(const void* pointer, const char* name) {
  if (pointer == nullptr) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, std::string(name) + " is null; pass a valid pointer.");
  }
}

int64_t check_range(int64_t value, int64_t minimum, int64_t maximum, const char* name) {
  if (value < minimum || value > maximum) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, std::string(name) + " is " + std::to_string(value) +
                                          "; it must be from " + std::to_string(minimum) + " to " +
                                          std::to_string(maximum) + ".");
  }
  return value;
}

int64_t check_product(std::initializer_list<int64_t> sizes, const char* name) {
  // Check each by itself first: a 0 among them does not make another size valid.
  bool empty = false;
  for (int64_t size : sizes)
    empty = check_count(size, name) == 0 || empty;
  if (empty) return 0;
  int64_t product = 1;
  for (int64_t size : sizes) {
    if (product > kMaxElements / size) {
      fail(NAMP_ERROR_INVALID_ARGUMENT,
           std::string(name) + " together have more than 2^58 " + "elements; make them smaller.");
    }
    product *= size;
  }
  return product;
}

void check_period(int64_t period, int64_t count, const char* name) {
  check_count(period, name);
  if (count != 0 && (period == 0 || count % period != 0)) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, std::string(name) + " is " + std::to_string(period) +
                                          "; it must divide args->count, which is " +
                                          std::to_string(count) + ".");
  }
}

namp_dtype check_float_dtype(int32_t dtype, const char* name) {
  if (!is_float(dtype)) fail_dtype(dtype, name, is_float);
  return static_cast<namp_dtype>(dtype);
}

namp_dtype check_cast_dtype(int32_t dtype, const char* name) {
  if (!is_cast(dtype)) fail_dtype(dtype, name, is_cast);
  return static_cast<namp_dtype>(dtype);
}

namp_dtype check_stored_float_dtype(int32_t dtype, const char* name) {
  if (!is_stored_float(dtype)) fail_dtype(dtype, name, is_stored_float);
  return static_cast<namp_dtype>(dtype);
}

namp_dtype check_state_dtype(int32_t dtype, const char* name) {
  if (!is_state(dtype)) fail_dtype(dtype, name, is_state);
  return static_cast<namp_dtype>(dtype);
}

void check_same_dtype(int32_t dtype, int32_t needed, const char* name) {
  if (dtype != needed) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, std::string(name) + " is " + dtype_name(dtype) +
                                          "; it must be " + dtype_name(needed) + " here.");
  }
}

bool check_flag(int32_t value, const char* name) { return check_range(value, 0, 1, name) != 0; }

void check_epsilon(float epsilon) {
  require(std::isfinite(epsilon) && epsilon >= 0,
          "args->epsilon must be finite and 0 or more; 1e-5 is usual.");
}

void check_tensor(const void* pointer, int32_t dtype, int64_t count, const char* name) {
  if (pointer == nullptr && count == 0) return;
  check_aligned(pointer, dtype_size(dtype), name);
}

void check_cell_rest(const namp_cell& cell, const std::string& name) {
  if (cell.reserved != 0) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         name + ".reserved is " + std::to_string(cell.reserved) + "; set what is not used to 0.");
  }
  if (cell.scale == nullptr) {
    if (cell.data == nullptr || !is_block_code(cell.dtype)) return;
    fail(NAMP_ERROR_INVALID_ARGUMENT, name + ".scale is null; a tensor of " +
                                          dtype_name(cell.dtype) + " needs a scale for each " +
                                          std::to_string(NAMP_BLOCK_ELEMENTS) + " elements.");
  }
  if (!may_have_scale(cell.dtype)) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, name + ".scale is given; a tensor of " +
                                          dtype_name(cell.dtype) + " has none: set it to null.");
  }
  check_tensor(cell.scale, NAMP_FLOAT32, 1, (name + ".scale").c_str());
}

void check_aligned(const void* pointer, int64_t alignment, const char* name) {
  check_not_null(pointer, name);
  if (alignment > 0 &&
      reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(alignment) != 0) {
    fail(NAMP_ERROR_MISALIGNED, std::string(name) + " is at " + hex(pointer) +
                                    "; it must be a multiple of " + std::to_string(alignment) +
                                    " bytes.");
  }
}

void check_struct_size(const void* pointer, uint32_t given, uint64_t expected, const char* name) {
  constexpr uint32_t kLargest = 1 << 16;
  if (given >= expected && given <= kLargest) {
    const auto* bytes = static_cast<const char*>(pointer);
    if (pointer == nullptr ||
        std::all_of(bytes + expected, bytes + given, [](char byte) { return byte == 0; })) {
      return;
    }
    fail(NAMP_ERROR_UNSUPPORTED,
         std::string(name) + " has " + std::to_string(given) +
             " bytes. This library knows the first " + std::to_string(expected) +
             ", and a field after them is set. Only a newer library knows that field.");
  }
  fail(NAMP_ERROR_INVALID_ARGUMENT,
       std::string(name) + "->struct_size is " + std::to_string(given) + "; this library has " +
           std::to_string(expected) + ". Set it to sizeof the struct, and use the nativeamp.h " +
           "that the library was built with, or a newer one.");
}

void check_reserved(int64_t value, const char* name, const char* field) {
  if (value == 0) return;
  fail(NAMP_ERROR_INVALID_ARGUMENT, std::string(name) + "->" + field + " is " +
                                        std::to_string(value) + "; set what is not used to 0.");
}

}  // namespace namp
