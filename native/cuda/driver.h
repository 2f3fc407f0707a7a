// The CUDA driver, found at run time: a typed table of its functions. A call through the table
// throws an Error where the driver reports a failure.
#pragma once

#include <string>

#include "cuda/driver_types.h"
#include "error.h"

namespace namp::cuda {

// The driver's name of an error, such as "CUDA_ERROR_LAUNCH_FAILED", and what it says about it.
std::string describe(Result result);

// Memory of the current context's device. Where there is not enough, the error says how much was
// asked for and how much is free.
DevicePointer allocate_memory(size_t bytes);

// How much memory the current context's device has, and how much of it is free; empty where the
// driver does not say.
std::string describe_free_memory();

// Throws the error of page-locked memory that there is not enough of.
[[noreturn]] void throw_out_of_pinned_memory(int64_t bytes, Result result);

// Throws the error of a call: its name, the driver's name and text, what else is known of it, and
// what to do.
[[noreturn]] void throw_driver_error(Result result, const char* call,
                                     const std::string& detail = {});

// One function of the driver.
template <class... Args>
class DriverFunction {
 public:
  using Pointer = Result(NAMP_DRIVER_CALL*)(Args...);

  explicit DriverFunction(const char* name) : name_(name) {}

  void operator()(Args... args) const {
    const Result result = pointer_(args...);
    if (result != kSuccess) throw_driver_error(result, name_);
  }

  // For callers that have something to do about a failure.
  Result attempt(Args... args) const noexcept { return pointer_(args...); }

  const char* name() const { return name_; }
  void bind(void* pointer) { pointer_ = reinterpret_cast<Pointer>(pointer); }

 private:
  const char* name_;
  Pointer pointer_ = nullptr;
};

// Every function that is used, with the types of its parameters.
// clang-format off
#define NAMP_DRIVER_FUNCTIONS(X) \
  X(cuInit, unsigned) \
  X(cuDriverGetVersion, int*) \
  X(cuGetErrorName, Result, const char**) \
  X(cuGetErrorString, Result, const char**) \
  X(cuDeviceGetCount, int*) \
  X(cuDeviceGet, DeviceId*, int) \
  X(cuDeviceGetName, char*, int, DeviceId) \
  X(cuDeviceGetAttribute, int*, int, DeviceId) \
  X(cuDeviceTotalMem, size_t*, DeviceId) \
  X(cuDevicePrimaryCtxRetain, Context*, DeviceId) \
  X(cuDevicePrimaryCtxRelease, DeviceId) \
  X(cuDevicePrimaryCtxGetState, DeviceId, unsigned*, int*) \
  X(cuCtxGetDevice, DeviceId*) \
  X(cuCtxPushCurrent, Context) \
  X(cuCtxPopCurrent, Context*) \
  X(cuCtxSynchronize) \
  X(cuMemGetInfo, size_t*, size_t*) \
  X(cuMemAlloc, DevicePointer*, size_t) \
  X(cuMemFree, DevicePointer) \
  X(cuMemHostAlloc, void**, size_t, unsigned) \
  X(cuMemFreeHost, void*) \
  X(cuMemcpyHtoDAsync, DevicePointer, const void*, size_t, Stream) \
  X(cuMemcpyDtoHAsync, void*, DevicePointer, size_t, Stream) \
  X(cuMemcpyDtoDAsync, DevicePointer, DevicePointer, size_t, Stream) \
  X(cuMemsetD8Async, DevicePointer, unsigned char, size_t, Stream) \
  X(cuStreamCreate, Stream*, unsigned) \
  X(cuStreamDestroy, Stream) \
  X(cuStreamSynchronize, Stream) \
  X(cuStreamWaitEvent, Stream, Event, unsigned) \
  X(cuStreamBeginCapture, Stream, int) \
  X(cuStreamEndCapture, Stream, Graph*) \
  X(cuGraphInstantiateWithFlags, GraphExecutable*, Graph, unsigned long long) \
  X(cuGraphLaunch, GraphExecutable, Stream) \
  X(cuGraphExecDestroy, GraphExecutable) \
  X(cuGraphDestroy, Graph) \
  X(cuEventCreate, Event*, unsigned) \
  X(cuEventRecord, Event, Stream) \
  X(cuEventQuery, Event) \
  X(cuEventSynchronize, Event) \
  X(cuEventElapsedTime, float*, Event, Event) \
  X(cuEventDestroy, Event) \
  X(cuModuleLoadDataEx, Module*, const void*, unsigned, int*, void**) \
  X(cuModuleUnload, Module) \
  X(cuModuleGetFunction, Function*, Module, const char*) \
  X(cuFuncGetAttribute, int*, int, Function) \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, int*, Function, int, size_t) \
  X(cuLaunchKernel, Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream, void**, void**)
// clang-format on

struct Driver {
#define NAMP_DRIVER_MEMBER(name, ...) DriverFunction<__VA_ARGS__> name{#name};
  NAMP_DRIVER_FUNCTIONS(NAMP_DRIVER_MEMBER)
#undef NAMP_DRIVER_MEMBER

  std::string library;  // the file that was opened
};

// The driver of this process, opened and initialised at the first call; null where there is none,
// and then reason says why in a sentence.
const Driver* find_driver(std::string& reason);

// The driver, which was found before: a device is open.
const Driver& driver();

}  // namespace namp::cuda
