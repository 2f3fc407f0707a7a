#include "cuda/driver.h"

#include <algorithm>
#include <memory>

#include "forked.h"
#include "libraries/search.h"

namespace namp::cuda {
namespace {

// The version of the driver API whose functions are asked for: CUDA 11.5, the first that takes the
// embedded PTX.
constexpr int kApiVersion = 11050;

// Gives the functions of kApiVersion: by cuGetProcAddress, whose signature changed in CUDA 12; by
// the exported names where a driver is older than that function.
class Symbols {
 public:
  explicit Symbols(const DynamicLibrary& library)
      : library_(library),
        newer_(reinterpret_cast<GetProcAddress>(library.symbol("cuGetProcAddress_v2"))),
        older_(reinterpret_cast<GetProcAddress11>(library.symbol("cuGetProcAddress"))) {}

  void* find(const char* name) const {
    void* pointer = nullptr;
    if (newer_ != nullptr) {
      int status = 0;
      if (newer_(name, &pointer, kApiVersion, 0, &status) == kSuccess && pointer != nullptr) {
        return pointer;
      }
    } else if (older_ != nullptr) {
      if (older_(name, &pointer, kApiVersion, 0) == kSuccess && pointer != nullptr) return pointer;
    }
    pointer = library_.symbol((std::string(name) + "_v2").c_str());
    return pointer != nullptr ? pointer : library_.symbol(name);
  }

 private:
  const DynamicLibrary& library_;
  GetProcAddress newer_;
  GetProcAddress11 older_;
};

struct Found {
  std::unique_ptr<Driver> driver;
  std::string reason;
};

// Fills the table; gives the names of what is missing.
std::string bind(Driver& driver, const Symbols& symbols) {
  std::string missing;
  const auto bind_one = [&](auto& function) {
    void* pointer = symbols.find(function.name());
    if (pointer == nullptr) missing += (missing.empty() ? "" : ", ") + std::string(function.name());
    function.bind(pointer);
  };
#define NAMP_DRIVER_BIND(name, ...) bind_one(driver.name);
  NAMP_DRIVER_FUNCTIONS(NAMP_DRIVER_BIND)
#undef NAMP_DRIVER_BIND
  return missing;
}

// Why the library does not do as a driver; "" where it does, and then driver is it, started.
std::string start(const DynamicLibrary& library, std::unique_ptr<Driver>& driver) {
  auto candidate = std::make_unique<Driver>();
  candidate->library = library.name();
  const std::string missing = bind(*candidate, Symbols(library));
  if (!missing.empty()) {
    return "it lacks " + missing +
           ", so it is older than CUDA 11.5; update NVIDIA's driver, or use the CPU";
  }
  const Result result = candidate->cuInit.attempt(0);
  if (result != kSuccess) {
    const char* name = nullptr;
    candidate->cuGetErrorName.attempt(result, &name);
    return std::string("cuInit gave ") + (name != nullptr ? name : std::to_string(result)) +
           (result == kErrorNoDevice
                ? ": no NVIDIA GPU is visible to this process; CUDA_VISIBLE_DEVICES may hide it"
                : "; check it with nvidia-smi, or use the CPU");
  }
  driver = std::move(candidate);
  return "";
}

Found find() {
  Found found;
  const LibraryFound search = find_library(cuda_library(), 0, [&](const DynamicLibrary& library) {
    return start(library, found.driver);
  });
  if (found.driver != nullptr) return found;
  const bool any = std::any_of(search.attempts.begin(), search.attempts.end(),
                               [](const LibraryAttempt& each) { return each.opened; });
  found.reason =
      (any ? "The CUDA driver does not start: "
           : "No CUDA driver was found; use the CPU, or install NVIDIA's driver. Tried: ") +
      search.describe_failures() + ".";
  return found;
}

// Never destroyed: finalizers may free memory while the process ends.
const Found& found() {
  static const Found& once = *new Found(find());
  return once;
}

bool is_of_capture(Result result) {
  return result >= kErrorCaptureUnsupported && result <= kErrorCaptureWrongThread;
}

// Advice to the caller of a failed function.
const char* advice(Result result) {
  if (is_of_capture(result)) {
    return "A stream is captured for a graph, and meanwhile something waited, asked for memory of "
           "the driver on that thread, or used a stream that is not ordered with it. Do that "
           "before "
           "or after the capture.";
  }
  switch (result) {
    case kErrorOutOfMemory:
      return "Free memory of the device, or use a smaller batch.";
    case kErrorDevicesUnavailable:
      return "The device is in use by another process alone (compute mode exclusive), or "
             "prohibited; "
             "nvidia-smi shows its compute mode.";
    case kErrorInvalidImage:
      return "The driver cannot read the kernels' image: it is older than the toolkit that made "
             "it. "
             "Update NVIDIA's driver, or build with clang's PTX (NATIVEAMP_CUDA=clang).";
    case kErrorInvalidPtx:
      return "The driver's compiler refused the kernels' PTX: a defect of NativeAmp or of the "
             "driver; "
             "please report it with the log.";
    case kErrorJitCompilerNotFound:
      return "The driver's PTX compiler (libnvidia-ptxjitcompiler) is not there. In a container, "
             "ask "
             "for the capability \"compute\": NVIDIA_DRIVER_CAPABILITIES=compute,utility.";
    case kErrorJitDisabled:
      return "Compiling PTX is switched off by CUDA_DISABLE_PTX_JIT; unset it.";
    case kErrorOperatingSystem:
      return "The operating system refused the driver something: look for limits of the container, "
             "such as locked memory, or missing device files.";
    case kErrorLaunchTimeout:
      return "A kernel ran longer than the system lets one on a GPU with a display (on Windows two "
             "seconds, TdrDelay). End the process; use smaller work or another GPU.";
    case kErrorNoBinaryForGpu:
      return "NativeAmp's kernels need a GPU of compute capability 7.5 or more.";
    case kErrorUnsupportedPtxVersion:
      return "The driver is older than the compiler of the kernels; update NVIDIA's driver to 495 "
             "or newer.";
    case kErrorIllegalAddress:
    case kErrorMisalignedAddress:
    case kErrorLaunchFailed:
      return "A kernel failed, and the device's context with it: end the process. Memory that was "
             "freed while in use, or a pointer that is not the device's, is the usual cause; "
             "NVIDIA's compute-sanitizer names the access.";
    case kErrorSystemDriverMismatch:
      return "The driver's library and kernel module differ; reboot after an update of the driver.";
    case kErrorInvalidValue:
      return "Check that pointers belong to this device and that its memory is still allocated.";
    default:
      return "Check the device with nvidia-smi; an error of earlier work on the device may be "
             "reported late.";
  }
}

}  // namespace

const Driver* find_driver(std::string& reason) {
  static const int32_t generation = fork_generation();  // in which the driver was started
  const Found& result = found();
  if (result.driver == nullptr) reason = result.reason;
  if (result.driver != nullptr && generation != fork_generation()) {
    reason =
        "CUDA was started in the process that this one was forked from, and does not work in a "
        "forked child. Fork before CUDA is used, start the child with exec, or use the CPU.";
    return nullptr;
  }
  return result.driver.get();
}

const Driver& driver() { return *found().driver; }

std::string describe(Result result) {
  const char* name = nullptr;
  const char* text = nullptr;
  driver().cuGetErrorName.attempt(result, &name);
  driver().cuGetErrorString.attempt(result, &text);
  std::string description = name != nullptr ? name : "an unknown error";
  description += " (" + std::to_string(result);
  if (text != nullptr) description += std::string(", ") + text;
  return description + ")";
}

DevicePointer allocate_memory(size_t bytes) {
  DevicePointer pointer = 0;
  const auto& allocate = driver().cuMemAlloc;
  const Result result = allocate.attempt(&pointer, bytes);
  if (result == kErrorOutOfMemory) {
    throw Error(NAMP_ERROR_OUT_OF_MEMORY,
                "The CUDA device cannot give " + std::to_string(bytes) + " bytes (" +
                    std::to_string(bytes >> 20) + " MiB): " + allocate.name() + " failed with " +
                    describe(result) + ". " + describe_free_memory() +
                    " Use a smaller batch or model, or end what else uses the device.");
  }
  if (result != kSuccess) throw_driver_error(result, allocate.name());
  return pointer;
}

void throw_out_of_pinned_memory(int64_t bytes, Result result) {
  throw Error(NAMP_ERROR_OUT_OF_MEMORY,
              "The system cannot give " + std::to_string(bytes) +
                  " bytes of pinned memory for copies: cuMemHostAlloc failed with " +
                  describe(result) +
                  ". Free memory of the host, or raise its limit on locked memory.");
}

std::string describe_free_memory() {
  size_t available = 0;
  size_t total = 0;
  if (driver().cuMemGetInfo.attempt(&available, &total) != kSuccess) return "";
  return std::to_string(available >> 20) + " MiB of the device's " + std::to_string(total >> 20) +
         " MiB are free.";
}

void throw_driver_error(Result result, const char* call, const std::string& detail) {
  const std::string text = std::string(call) + " failed with " + describe(result) + ". " +
                           (detail.empty() ? "" : detail + " ") + advice(result);
  if (is_of_capture(result)) throw Error(NAMP_ERROR_CAPTURE, text);
  if (result != kErrorOutOfMemory) throw Error(NAMP_ERROR_DEVICE, text);
  throw Error(NAMP_ERROR_OUT_OF_MEMORY, text + " " + describe_free_memory());
}

}  // namespace namp::cuda
