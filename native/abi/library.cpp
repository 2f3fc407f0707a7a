// The library itself: version, errors, layouts.
#include <cstring>

#include "abi/wall.h"
#include "lists/operators.h"

namespace namp {
namespace {

// A plain buffer: storing a message cannot fail.
thread_local char last_error[1024] = "";

struct StructSize {
  const char* name;
  int64_t size;
};

// A line each.
// clang-format off
#define NAMP_STRUCT(name) { #name, static_cast<int64_t>(sizeof(name)) }
constexpr StructSize kStructs[] = {
    NAMP_STRUCT(namp_profile_entry),
    NAMP_STRUCT(namp_device_info),
    NAMP_STRUCT(namp_library_attempt),
    NAMP_STRUCT(namp_memory_statistics),
    NAMP_STRUCT(namp_index_fact),
    NAMP_STRUCT(namp_cell),
    NAMP_STRUCT(namp_table_description),
    NAMP_STRUCT(namp_overflow_facts),
    NAMP_STRUCT(namp_scaler_state),
    NAMP_STRUCT(namp_scaler_options),
    NAMP_STRUCT(namp_optimizer_state),
    NAMP_STRUCT(namp_cast_options),
    NAMP_STRUCT(namp_mse_args),
    NAMP_STRUCT(namp_optimizer_columns),
    NAMP_STRUCT(namp_optimizer_group),
    NAMP_STRUCT(namp_optimizer_rows),
    NAMP_STRUCT(namp_optimizer_args),
#define NAMP_OPERATOR_STRUCT(name, Args) NAMP_STRUCT(Args),
    NAMP_FOR_EACH_OPERATOR(NAMP_OPERATOR_STRUCT)
#undef NAMP_OPERATOR_STRUCT
};
// clang-format on

#undef NAMP_STRUCT

}  // namespace

void set_last_error(const char* message) noexcept {
  std::strncpy(last_error, message, sizeof(last_error) - 1);
  last_error[sizeof(last_error) - 1] = '\0';
}

}  // namespace namp

int32_t namp_abi_version(void) { return NAMP_ABI_VERSION; }

const char* namp_version(void) { return NAMP_VERSION; }

const char* namp_last_error_message(void) { return namp::last_error; }

const char* namp_status_name(int32_t status) {
  switch (status) {
    case NAMP_OK:
      return "NAMP_OK";
    case NAMP_ERROR_INVALID_ARGUMENT:
      return "NAMP_ERROR_INVALID_ARGUMENT";
    case NAMP_ERROR_MISALIGNED:
      return "NAMP_ERROR_MISALIGNED";
    case NAMP_ERROR_OUT_OF_MEMORY:
      return "NAMP_ERROR_OUT_OF_MEMORY";
    case NAMP_ERROR_UNSUPPORTED:
      return "NAMP_ERROR_UNSUPPORTED";
    case NAMP_ERROR_UNAVAILABLE:
      return "NAMP_ERROR_UNAVAILABLE";
    case NAMP_ERROR_DEVICE:
      return "NAMP_ERROR_DEVICE";
    case NAMP_ERROR_CAPTURE:
      return "NAMP_ERROR_CAPTURE";
    case NAMP_ERROR_INTERNAL:
      return "NAMP_ERROR_INTERNAL";
    default:
      return "unknown status";
  }
}

int64_t namp_struct_size(const char* name) {
  if (name == nullptr) return -1;
  for (const auto& entry : namp::kStructs) {
    if (std::strcmp(entry.name, name) == 0) return entry.size;
  }
  return -1;
}
