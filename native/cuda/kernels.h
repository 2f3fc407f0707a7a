// The kernels as host and device both see them: the struct that is a kernel's argument, the name
// that the driver finds it by, and the threads of its blocks. An image is a .cu file. Where the C
// interface's struct says all, it is the argument.
#pragma once

#include "nativeamp.h"
#include "table_view.h"

namespace namp::cuda {

// A kernel as the host knows it.
template <class Args>
struct Kernel {
  const char* image;
  const char* name;
  int threads;
};

// A zeroed counter on the device by which a launch knows its last block; one a stream.
using Ticket = uint32_t*;

// A tensor is cut in tasks of this many elements, one a block at a time.
inline constexpr int64_t kTaskElements = 16384;

constexpr int64_t task_count(int64_t elements) {
  return (elements + kTaskElements - 1) / kTaskElements;
}

// ---- cast.cu ----

inline constexpr int kCastThreads = 256;

struct CastArgs {
  void* destination;
  const void* source;
  int32_t destination_dtype;
  int32_t source_dtype;
  int64_t count;
  namp_cast_options options;
};
inline constexpr Kernel<CastArgs> kCast{"cast", "cast_kernel", kCastThreads};

struct CastTableArgs {
  TableView table;
  int32_t destination_column;
  int32_t source_column;
  namp_cast_options options;
};
inline constexpr Kernel<CastTableArgs> kCastTable{"cast", "cast_table_kernel", kCastThreads};

// ---- unscale_check.cu ----

inline constexpr int kCheckThreads = 128;  // of 8 elements: kSumLanes

struct UnscaleCheckArgs {
  TableView table;
  int32_t gradient_column;
  int32_t write_column;  // -1: check alone
  const namp_scaler_state* scaler;
  namp_optimizer_state* state;
  Ticket ticket;
  int32_t reset;
};
inline constexpr Kernel<UnscaleCheckArgs> kUnscaleCheck{"unscale_check", "unscale_check_kernel",
                                                        kCheckThreads};

inline constexpr int kMaxScalerStates = 64;
struct ScalerUpdateArgs {
  namp_scaler_state* scaler;
  namp_scaler_options options;
  int32_t count;
  const namp_optimizer_state* states[kMaxScalerStates];
};
inline constexpr Kernel<ScalerUpdateArgs> kScalerUpdate{"unscale_check", "scaler_update_kernel",
                                                        32};

// ---- adam.cu ----

inline constexpr int kAdamThreads = 256;

struct AdamArgs {
  TableView table;
  namp_adam_columns columns;
  int32_t group_count;
  int32_t half_copy_rounding;
  float max_norm;
  int32_t advance_step;
  uint64_t seed;
  const namp_scaler_state* scaler;
  namp_optimizer_state* state;
  Ticket ticket;
  namp_adam_group groups[NAMP_ADAM_MAX_GROUPS];
};
inline constexpr Kernel<AdamArgs> kAdam{"adam", "adam_step_kernel", kAdamThreads};

}  // namespace namp::cuda
