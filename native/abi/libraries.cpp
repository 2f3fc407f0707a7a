// Libraries of others: where they were looked for, and handles of them.

#include "abi/check.h"
#include "abi/wall.h"
#include "backend.h"
#include "libraries/nvml.h"
#include "libraries/search.h"
#include "text.h"

namespace namp {
namespace {

const VendorLibrary& check_library(int32_t library) {
  switch (library) {
    case NAMP_LIBRARY_CUDA:
      return cuda_library();
    case NAMP_LIBRARY_CUBLAS:
      return cublas_library();
    case NAMP_LIBRARY_NVML:
      return nvml_library();
    case NAMP_LIBRARY_ONEDNN:
      return onednn_library();
    default:
      fail(NAMP_ERROR_INVALID_ARGUMENT,
           "library is " + std::to_string(library) + "; it must be a namp_library.");
  }
}

void* open_cuda() {
  std::string reason;
  const BackendFactory* factory = find_backend(NAMP_DEVICE_CUDA, reason);
  if (factory != nullptr) factory->count(reason);
  void* handle = last_search(cuda_library()).library.handle();
  if (handle == nullptr) fail(NAMP_ERROR_UNAVAILABLE, reason);
  return handle;
}

void* open_nvml() {
  const LibraryFound found = start_nvml();
  if (!found.library.is_open()) {
    fail(NAMP_ERROR_UNAVAILABLE, "no NVML that works was found (it comes with NVIDIA's driver): " +
                                     found.describe_failures());
  }
  return found.library.handle();
}

}  // namespace
}  // namespace namp

int32_t namp_library_set_folders(const char* folders) {
  return namp::wall([&] { namp::set_library_folders(folders == nullptr ? "" : folders); });
}

int32_t namp_library_open(void** handle, int32_t library) {
  return namp::wall([&] {
    namp::check_object(handle, "handle");
    namp::check_library(library);
    namp::require(library == NAMP_LIBRARY_CUDA || library == NAMP_LIBRARY_NVML,
                  "library is one that each device opens for itself; it must be NAMP_LIBRARY_CUDA "
                  "or NAMP_LIBRARY_NVML.");
    *handle = library == NAMP_LIBRARY_CUDA ? namp::open_cuda() : namp::open_nvml();
  });
}

int32_t namp_library_read_attempts(namp_library_attempt* attempts, int32_t* count, int32_t capacity,
                                   int32_t library) {
  return namp::wall([&] {
    namp::check_object(count, "count");
    const namp::VendorLibrary& checked = namp::check_library(library);
    if (namp::check_count(capacity, "capacity") > 0) namp::check_object(attempts, "attempts");
    const auto made = namp::last_search(checked).attempts;
    for (size_t i = 0; i < made.size() && i < static_cast<size_t>(capacity); ++i) {
      namp::copy_text(attempts[i].place, made[i].place);
      namp::copy_text(attempts[i].failure, made[i].failure);
    }
    *count = static_cast<int32_t>(made.size());
  });
}
