// native/cuda declares of the driver the same as NVIDIA's cuda.h.
#include "cuda/driver.h"

#include <cuda.h>

#include "same.h"

namespace namp::cuda {
namespace {

// cuda.h gives the names their versions (cuMemAlloc is cuMemAlloc_v2), as cuGetProcAddress does.
#define NAMP_SAME_FUNCTION(name, ...)                                                         \
  static_assert(SameFunction<DriverFunction<__VA_ARGS__>::Pointer, decltype(&::name)>::value, \
                #name);
NAMP_DRIVER_FUNCTIONS(NAMP_SAME_FUNCTION)
static_assert(SameFunction<GetProcAddress, decltype(&::cuGetProcAddress)>::value);

#define NAMP_SAME(ours, theirs) static_assert(same_number(ours, theirs), #theirs)
static_assert(same_value<Result, CUresult>());
NAMP_SAME(kSuccess, CUDA_SUCCESS);
NAMP_SAME(kErrorInvalidValue, CUDA_ERROR_INVALID_VALUE);
NAMP_SAME(kErrorOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
NAMP_SAME(kErrorDeinitialized, CUDA_ERROR_DEINITIALIZED);
NAMP_SAME(kErrorDevicesUnavailable, CUDA_ERROR_DEVICE_UNAVAILABLE);
NAMP_SAME(kErrorNoDevice, CUDA_ERROR_NO_DEVICE);
NAMP_SAME(kErrorInvalidImage, CUDA_ERROR_INVALID_IMAGE);
NAMP_SAME(kErrorNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
NAMP_SAME(kErrorInvalidPtx, CUDA_ERROR_INVALID_PTX);
NAMP_SAME(kErrorJitCompilerNotFound, CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
NAMP_SAME(kErrorUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
NAMP_SAME(kErrorJitDisabled, CUDA_ERROR_JIT_COMPILATION_DISABLED);
NAMP_SAME(kErrorOperatingSystem, CUDA_ERROR_OPERATING_SYSTEM);
NAMP_SAME(kErrorNotReady, CUDA_ERROR_NOT_READY);
NAMP_SAME(kErrorIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS);
NAMP_SAME(kErrorLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT);
NAMP_SAME(kErrorMisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS);
NAMP_SAME(kErrorLaunchFailed, CUDA_ERROR_LAUNCH_FAILED);
NAMP_SAME(kErrorSystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
NAMP_SAME(kMultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
NAMP_SAME(kComputeCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
NAMP_SAME(kComputeCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
NAMP_SAME(kStreamNonBlocking, CU_STREAM_NON_BLOCKING);
NAMP_SAME(kEventDisableTiming, CU_EVENT_DISABLE_TIMING);
NAMP_SAME(kErrorCaptureUnsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
NAMP_SAME(kErrorCaptureWrongThread, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
NAMP_SAME(kCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
NAMP_SAME(kFunctionPtxVersion, CU_FUNC_ATTRIBUTE_PTX_VERSION);
NAMP_SAME(kFunctionBinaryVersion, CU_FUNC_ATTRIBUTE_BINARY_VERSION);
NAMP_SAME(kJitErrorLog, CU_JIT_ERROR_LOG_BUFFER);
NAMP_SAME(kJitErrorLogBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);

}  // namespace
}  // namespace namp::cuda
