#include "cuda/cuda_backend.h"

#include <string>

#include "text.h"

namespace namp {

using cuda::address;
using cuda::ContextScope;
using cuda::DevicePointer;
using cuda::driver;
using cuda::Result;
using cuda::Stream;

namespace {

// The first compute capability whose machine code or PTX is embedded.
constexpr int kOldestCapability = 75;

int capability_of(const cuda::DeviceContext& context) {
  return context.attribute(cuda::kComputeCapabilityMajor) * 10 +
         context.attribute(cuda::kComputeCapabilityMinor);
}

int32_t count_devices(std::string& reason) {
  const cuda::Driver* found = cuda::find_driver(reason);
  if (found == nullptr) return 0;
  int count = 0;
  const Result result = found->cuDeviceGetCount.attempt(&count);
  if (result != cuda::kSuccess) {
    reason = "The CUDA driver does not count its devices: cuDeviceGetCount gave " +
             cuda::describe(result) + "; check it with nvidia-smi, or use the CPU.";
    return 0;
  }
  if (count == 0) {
    reason =
        "The CUDA driver is there, but it shows no GPU to this process; CUDA_VISIBLE_DEVICES may "
        "hide it.";
  }
  return count;
}

std::unique_ptr<Backend> open_device(int32_t ordinal) {
  return std::make_unique<CudaBackend>(ordinal);
}

std::unique_ptr<Backend> open_context(void* context) {
  return std::make_unique<CudaBackend>(static_cast<cuda::Context>(context));
}

}  // namespace

const BackendFactory& cuda_backend_factory() {
  static const BackendFactory factory{count_devices, open_device, open_context};
  return factory;
}

template <class Place>
CudaBackend::CudaBackend(Place place)
    : context_(place),
      capability_(capability_of(context_)),
      launcher_(context_.attribute(cuda::kMultiprocessorCount), capability_),
      cublas_(capability_) {
  if (capability_ < kOldestCapability) {
    throw Error(NAMP_ERROR_UNSUPPORTED,
                "CUDA device " + std::to_string(context_.device()) + " has compute capability " +
                    std::to_string(capability_ / 10) + "." + std::to_string(capability_ % 10) +
                    "; the kernels need 7.5 (Turing) or newer. Use the CPU.");
  }
  const ContextScope scope(context_);
  driver().cuStreamCreate(&own_stream_, cuda::kStreamNonBlocking);
  const Result made = driver().cuEventCreate.attempt(&moment_, cuda::kEventDisableTiming);
  if (made == cuda::kSuccess) return;
  driver().cuStreamDestroy.attempt(own_stream_);
  cuda::throw_driver_error(made, driver().cuEventCreate.name());
}

CudaBackend::~CudaBackend() {
  cuda::Context popped = nullptr;
  // A driver that is going down has taken everything with it.
  if (driver().cuCtxPushCurrent.attempt(context_.get()) != cuda::kSuccess) return;
  cublas_.release();
  staging_.release();
  tickets_.release();
  launcher_.release();
  driver().cuEventDestroy.attempt(moment_);
  driver().cuStreamDestroy.attempt(own_stream_);
  driver().cuCtxPopCurrent.attempt(&popped);
}

void CudaBackend::get_info(namp_device_info& info) {
  const ContextScope scope(context_);
  info.kind = NAMP_DEVICE_CUDA;
  info.ordinal = context_.device();
  info.compute_major = capability_ / 10;
  info.compute_minor = capability_ % 10;
  info.multiprocessors = context_.attribute(cuda::kMultiprocessorCount);
  size_t available = 0;
  size_t total = 0;
  driver().cuMemGetInfo(&available, &total);
  info.memory_free = static_cast<int64_t>(available);
  info.memory_total = static_cast<int64_t>(total);
  driver().cuDeviceGetName(info.name, static_cast<int>(sizeof(info.name)), context_.device());
  int version = 0;
  driver().cuDriverGetVersion(&version);
  copy_text(info.libraries, "CUDA driver " + std::to_string(version / 1000) + "." +
                                std::to_string(version % 1000 / 10) + " (" + driver().library +
                                "), kernels as " + launcher_.describe() + ", " +
                                cublas_.describe(workspaces()));
}

namp_stream CudaBackend::create_stream() {
  const ContextScope scope(context_);
  Stream stream = nullptr;
  driver().cuStreamCreate(&stream, cuda::kStreamNonBlocking);
  try {
    order(stream, nullptr);
  } catch (...) {
    driver().cuStreamDestroy.attempt(stream);
    throw;
  }
  return stream;
}

// One event serves all: a wait is for what its record meant when it was asked for.
void CudaBackend::order(namp_stream later, namp_stream earlier) {
  if (stream_of(later) == stream_of(earlier)) return;
  const ContextScope scope(context_);
  const std::lock_guard lock(ordering_);
  driver().cuEventRecord(moment_, queue_of(earlier));
  driver().cuStreamWaitEvent(queue_of(later), moment_, 0);
}

void CudaBackend::destroy_stream(namp_stream stream) {
  const ContextScope scope(context_);
  driver().cuStreamDestroy(stream_of(stream));
}

void CudaBackend::synchronize(namp_stream stream) {
  const ContextScope scope(context_);
  driver().cuStreamSynchronize(stream_of(stream));
}

void CudaBackend::finish() noexcept {
  cuda::Context popped = nullptr;
  if (driver().cuCtxPushCurrent.attempt(context_.get()) != cuda::kSuccess) return;
  driver().cuCtxSynchronize.attempt();
  driver().cuCtxPopCurrent.attempt(&popped);
}

void* CudaBackend::system_allocate(int64_t bytes) {
  const ContextScope scope(context_);
  const DevicePointer pointer = cuda::allocate_memory(static_cast<size_t>(bytes));
  return reinterpret_cast<void*>(static_cast<uintptr_t>(pointer));
}

// The pool's destructor calls this as well, so nothing is thrown: an error of the device shows in
// the next call that does something.
void CudaBackend::system_free(void* pointer) {
  cuda::Context popped = nullptr;
  if (driver().cuCtxPushCurrent.attempt(context_.get()) != cuda::kSuccess) return;
  driver().cuMemFree.attempt(address(pointer));
  driver().cuCtxPopCurrent.attempt(&popped);
}

void* CudaBackend::allocate_host(int64_t bytes) {
  const ContextScope scope(context_);
  void* memory = nullptr;
  const Result result = driver().cuMemHostAlloc.attempt(&memory, static_cast<size_t>(bytes), 0);
  if (result == cuda::kErrorOutOfMemory) cuda::throw_out_of_pinned_memory(bytes, result);
  if (result != cuda::kSuccess) cuda::throw_driver_error(result, driver().cuMemHostAlloc.name());
  return memory;
}

// As system_free.
void CudaBackend::free_host(void* pointer) {
  cuda::Context popped = nullptr;
  if (driver().cuCtxPushCurrent.attempt(context_.get()) != cuda::kSuccess) return;
  driver().cuCtxSynchronize.attempt();
  driver().cuMemFreeHost.attempt(pointer);
  driver().cuCtxPopCurrent.attempt(&popped);
}

void CudaBackend::copy(void* destination, const void* source, int64_t bytes,
                       namp_copy_direction direction, namp_stream stream) {
  const ContextScope scope(context_);
  if (direction == NAMP_COPY_DEVICE_TO_DEVICE) {
    driver().cuMemcpyDtoDAsync(address(destination), address(source), static_cast<size_t>(bytes),
                               queue_of(stream));
    return;
  }
  // Whether the memory is pinned does not matter: it is the caller's again afterwards.
  if (direction == NAMP_COPY_HOST_TO_DEVICE) {
    staging_.upload(address(destination), source, bytes, stream_of(stream));
  } else {
    staging_.download(destination, address(source), bytes, stream_of(stream));
  }
}

void CudaBackend::copy_async(void* destination, const void* source, int64_t bytes,
                             namp_copy_direction direction, namp_stream stream) {
  const ContextScope scope(context_);
  const auto size = static_cast<size_t>(bytes);
  if (direction == NAMP_COPY_HOST_TO_DEVICE) {
    driver().cuMemcpyHtoDAsync(address(destination), source, size, queue_of(stream));
  } else {
    driver().cuMemcpyDtoHAsync(destination, address(source), size, queue_of(stream));
  }
}

void CudaBackend::fill(void* destination, int32_t value, int64_t bytes, namp_stream stream) {
  const ContextScope scope(context_);
  driver().cuMemsetD8Async(address(destination), static_cast<unsigned char>(value & 0xff),
                           static_cast<size_t>(bytes), queue_of(stream));
}

}  // namespace namp
