// The checks of arguments, in one place for all functions of nativeamp.h. Each throws Error with a
// message that names the argument and its value and says what to do. A value that passes is safe to
// compute with.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "dtype.h"
#include "error.h"
#include "nativeamp.h"

namespace namp {

// Largest number of elements of a tensor: sizes in bytes, and sums of a few of them, stay far below
// the limit of int64_t.
inline constexpr int64_t kMaxElements = int64_t{1} << 58;

// "NAMP_FLOAT16" and so on; "unknown dtype 9" for other values.
std::string dtype_name(int32_t dtype);

[[noreturn]] void fail(namp_status status, const std::string& message);

// Fails with NAMP_ERROR_INVALID_ARGUMENT unless condition holds.
inline void require(bool condition, const char* message) {
  if (!condition) fail(NAMP_ERROR_INVALID_ARGUMENT, message);
}

void check_not_null(const void* pointer, const char* name);

// minimum <= value <= maximum.
int64_t check_range(int64_t value, int64_t minimum, int64_t maximum, const char* name);

// A number of elements, 0 to kMaxElements.
inline int64_t check_count(int64_t value, const char* name) {
  return check_range(value, 0, kMaxElements, name);
}

// The period of a tensor that repeats over count elements, of which it divides the number.
void check_period(int64_t period, int64_t count, const char* name);

// A size that may not be 0.
inline int64_t check_positive(int64_t value, const char* name) {
  return check_range(value, 1, kMaxElements, name);
}

// The product of sizes, each 0 or more, as a number of elements that is no more than kMaxElements.
int64_t check_product(std::initializer_list<int64_t> sizes, const char* name);

// float32, float16 or bfloat16.
namp_dtype check_float_dtype(int32_t dtype, const char* name);

// A dtype that a cast takes.
namp_dtype check_cast_dtype(int32_t dtype, const char* name);

// A dtype of a gradient that an optimizer reads.
namp_dtype check_stored_float_dtype(int32_t dtype, const char* name);

// A dtype of an optimizer's state.
namp_dtype check_state_dtype(int32_t dtype, const char* name);

// The one dtype that the function needs.
void check_same_dtype(int32_t dtype, int32_t needed, const char* name);

// The dtype of an optional tensor. It is float32 if the tensor is left out, for any value of the
// field: kernels are chosen by dtypes, and an invalid value must not become one.
inline int32_t dtype_of(const void* optional, int32_t dtype) {
  return optional == nullptr ? int32_t{NAMP_FLOAT32} : dtype;
}

// 0 or 1.
bool check_flag(int32_t value, const char* name);

// The epsilon of a norm: finite and 0 or more.
void check_epsilon(float epsilon);

// A tensor of count elements of a dtype that is known: not null unless count is 0, and aligned to
// its element.
void check_tensor(const void* pointer, int32_t dtype, int64_t count, const char* name);

// The same for a pointer that may be left out.
inline void check_optional_tensor(const void* pointer, int32_t dtype, const char* name) {
  if (pointer != nullptr) check_tensor(pointer, dtype, 1, name);
}

// The other fields of a cell: a scale only if its dtype may have one, and zeros. name is the
// cell's.
void check_cell_rest(const namp_cell& cell, const std::string& name);

// A pointer to a struct or scalar: not null, and aligned.
void check_aligned(const void* pointer, int64_t alignment, const char* name);

template <class T>
void check_object(const T* pointer, const char* name) {
  check_aligned(pointer, alignof(T), name);
}

// Checks a struct of given bytes. This library knows the first expected ones; the rest must be zero.
void check_struct_size(const void* pointer, uint32_t given, uint64_t expected, const char* name);

void check_reserved(int64_t value, const char* name, const char* field);

// A struct that the library fills: not null, and not smaller than this library's version of it.
template <class Struct>
void check_result(const Struct* pointer, const char* name) {
  check_object(pointer, name);
  check_struct_size(nullptr, pointer->struct_size, sizeof(Struct), name);
}

// An argument struct: not null, of this library's size or larger, and zero in the reserved fields.
template <class Struct>
void check_struct(const Struct* pointer, const char* name) {
  check_object(pointer, name);
  check_struct_size(pointer, pointer->struct_size, sizeof(Struct), name);
  if constexpr (requires { pointer->reserved; })
    check_reserved(pointer->reserved, name, "reserved");
  if constexpr (requires { pointer->reserved_rows; })
    check_reserved(pointer->reserved_rows, name, "reserved_rows");
}

}  // namespace namp
