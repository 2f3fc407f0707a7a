// The few types and constants of the CUDA driver API that are used here, declared by hand from its
// documentation ("CUDA Driver API", modules Data Types and Error Handling), so that no NVIDIA
// header is needed.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#define NAMP_DRIVER_CALL __stdcall
#else
#define NAMP_DRIVER_CALL
#endif

namespace namp::cuda {

using Result = int;              // CUresult
using DeviceId = int;            // CUdevice
using DevicePointer = uint64_t;  // CUdeviceptr
using Context = struct ContextTag*;
using Module = struct ModuleTag*;
using Function = struct FunctionTag*;
using Stream = struct StreamTag*;
using Event = struct EventTag*;
using Graph = struct GraphTag*;
using GraphExecutable = struct GraphExecutableTag*;

// cuGetProcAddress of CUDA 12 and newer, and of 11.
using GetProcAddress = Result(NAMP_DRIVER_CALL*)(const char*, void**, int, uint64_t, int*);
using GetProcAddress11 = Result(NAMP_DRIVER_CALL*)(const char*, void**, int, uint64_t);

// CUresult
inline constexpr Result kSuccess = 0;
inline constexpr Result kErrorInvalidValue = 1;
inline constexpr Result kErrorOutOfMemory = 2;
inline constexpr Result kErrorDeinitialized = 4;
inline constexpr Result kErrorDevicesUnavailable = 46;
inline constexpr Result kErrorNoDevice = 100;
inline constexpr Result kErrorInvalidImage = 200;
inline constexpr Result kErrorNoBinaryForGpu = 209;
inline constexpr Result kErrorInvalidPtx = 218;
inline constexpr Result kErrorJitCompilerNotFound = 221;
inline constexpr Result kErrorUnsupportedPtxVersion = 222;
inline constexpr Result kErrorJitDisabled = 223;
inline constexpr Result kErrorOperatingSystem = 304;
inline constexpr Result kErrorNotReady = 600;
inline constexpr Result kErrorIllegalAddress = 700;
inline constexpr Result kErrorLaunchTimeout = 702;
inline constexpr Result kErrorMisalignedAddress = 716;
inline constexpr Result kErrorLaunchFailed = 719;
inline constexpr Result kErrorSystemDriverMismatch = 803;
inline constexpr Result kErrorCaptureUnsupported = 900;  // the first of those about captures
inline constexpr Result kErrorCaptureWrongThread = 908;  // the last

// CUdevice_attribute
inline constexpr int kMultiprocessorCount = 16;
inline constexpr int kComputeCapabilityMajor = 75;
inline constexpr int kComputeCapabilityMinor = 76;

// CUstream_flags, CUevent_flags
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr unsigned kEventDisableTiming = 2;

// CUstreamCaptureMode
inline constexpr int kCaptureThreadLocal = 1;

// CUfunction_attribute
inline constexpr int kFunctionPtxVersion = 5;
inline constexpr int kFunctionBinaryVersion = 6;

// CUjit_option
inline constexpr int kJitErrorLog = 5;
inline constexpr int kJitErrorLogBytes = 6;

}  // namespace namp::cuda
