#include "abi/check.h"

#include <cmath>

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

}  // namespace

void fail(namp_status status, const std::string& message) { throw Error(status, message); }

int64_t dtype_size(int32_t dtype) noexcept {
  switch (dtype) {
    case NAMP_FLOAT32:
    case NAMP_INT32:
      return 4;
    case NAMP_FLOAT16:
    case NAMP_BFLOAT16:
      return 2;
    case NAMP_UINT8:
      return 1;
    default:
      return 0;
  }
}

std::string dtype_name(int32_t dtype) {
  switch (dtype) {
    case NAMP_DTYPE_NONE:
      return "NAMP_DTYPE_NONE";
    case NAMP_FLOAT32:
      return "NAMP_FLOAT32";
    case NAMP_FLOAT16:
      return "NAMP_FLOAT16";
    case NAMP_BFLOAT16:
      return "NAMP_BFLOAT16";
    case NAMP_INT32:
      return "NAMP_INT32";
    case NAMP_UINT8:
      return "NAMP_UINT8";
    default:
      return "unknown dtype " + std::to_string(dtype);
  }
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
  // Each by itself first: a 0 among them makes no other size right.
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

namp_dtype check_float_dtype(int32_t dtype, const char* name) {
  if (dtype != NAMP_FLOAT32 && dtype != NAMP_FLOAT16 && dtype != NAMP_BFLOAT16) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         std::string(name) + " is " + dtype_name(dtype) +
             "; it must be NAMP_FLOAT32, NAMP_FLOAT16 or NAMP_BFLOAT16.");
  }
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

void check_aligned(const void* pointer, int64_t alignment, const char* name) {
  check_not_null(pointer, name);
  if (alignment > 0 &&
      reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(alignment) != 0) {
    fail(NAMP_ERROR_MISALIGNED, std::string(name) + " is at " + hex(pointer) +
                                    "; it must be a multiple of " + std::to_string(alignment) +
                                    " bytes.");
  }
}

void check_struct_size(uint32_t given, uint64_t expected, const char* name) {
  if (given != expected) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         std::string(name) + "->struct_size is " + std::to_string(given) + "; this library has " +
             std::to_string(expected) + ". Set it to sizeof the struct, and use the nativeamp.h " +
             "that the library was built with.");
  }
}

}  // namespace namp
