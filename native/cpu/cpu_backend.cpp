#include "cpu/cpu_backend.h"

#include <cstdlib>
#include <cstring>
#include <string>

#if defined(_WIN32)
#include <malloc.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cpu/machine.h"
#include "text.h"

namespace namp {
namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kHugePage = 2 << 20;

int32_t count_cpus(std::string&) { return 1; }

std::unique_ptr<Backend> open_cpu(int32_t) { return std::make_unique<CpuBackend>(); }

}  // namespace

const BackendFactory& cpu_backend_factory() {
  static const BackendFactory factory{count_cpus, open_cpu, nullptr};
  return factory;
}

void CpuBackend::get_info(namp_device_info& info) {
  info.kind = NAMP_DEVICE_CPU;
  info.threads = threads_.count();
  info.simd = simd_;
  const MachineMemory memory = machine_memory();
  info.memory_total = memory.total;
  info.memory_free = memory.available;
  copy_text(info.name, processor_name());
  copy_text(info.threads_reason, threads_.reason());
  copy_text(info.libraries, library_.description());
}

void CpuBackend::set_simd(namp_simd simd) {
  if (!has_simd(simd)) {
    throw Error(NAMP_ERROR_UNSUPPORTED, "simd is " + std::to_string(simd) +
                                            ", which this machine does not have; the best " +
                                            "here is " + std::to_string(best_simd()) + ".");
  }
  simd_ = simd == NAMP_SIMD_BEST ? best_simd() : simd;
}

void* CpuBackend::system_allocate(int64_t bytes) {
  // Big blocks are aligned to huge pages, and ask for them: the optimizer streams through several
  // blocks at once, more than the TLB can hold in small pages.
  const int64_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  const int64_t padded = (bytes + alignment - 1) / alignment * alignment;
#if defined(_WIN32)
  void* pointer = _aligned_malloc(static_cast<size_t>(padded), static_cast<size_t>(alignment));
#else
  void* pointer = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(padded));
#endif
  if (pointer == nullptr) {
    const MachineMemory memory = machine_memory();
    throw Error(NAMP_ERROR_OUT_OF_MEMORY,
                "Cannot allocate " + std::to_string(bytes) +
                    " bytes on the CPU: " + std::to_string(memory.available >> 20) +
                    " MiB of the machine's " + std::to_string(memory.total >> 20) +
                    " MiB are free. Use a smaller batch or model.");
  }
#if defined(__linux__)
  if (bytes >= kHugePage) madvise(pointer, static_cast<size_t>(padded), MADV_HUGEPAGE);
#endif
  return pointer;
}

void CpuBackend::system_free(void* pointer) {
#if defined(_WIN32)
  _aligned_free(pointer);
#else
  std::free(pointer);
#endif
}

void CpuBackend::copy(void* destination, const void* source, int64_t bytes, namp_copy_direction,
                      namp_stream) {
  std::memmove(destination, source, static_cast<size_t>(bytes));
}

void CpuBackend::fill(void* destination, int32_t value, int64_t bytes, namp_stream) {
  std::memset(destination, value & 0xff, static_cast<size_t>(bytes));
}

}  // namespace namp
