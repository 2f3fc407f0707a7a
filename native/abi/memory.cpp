// Memory of a device.
#include <cstring>
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

using namp::check_device;
using namp::use_device;
using namp::wall;

namespace {

void check_copy(void* destination, const void* source, int64_t bytes, int32_t direction) {
  namp::check_range(bytes, 0, INT64_MAX, "bytes");
  namp::check_range(direction, NAMP_COPY_HOST_TO_DEVICE, NAMP_COPY_DEVICE_TO_DEVICE, "direction");
  if (bytes == 0) return;
  namp::check_not_null(destination, "destination");
  namp::check_not_null(source, "source");
}

}  // namespace

int32_t namp_memory_allocate(void** pointer, namp_device* device, int64_t bytes, int32_t kind,
                             namp_stream stream) {
  return wall([&] {
    namp::check_object(pointer, "pointer");
    namp_device& checked = check_device(device);
    namp::check_range(bytes, 0, INT64_MAX, "bytes");
    namp::check_range(kind, 0, NAMP_MEMORY_KIND_COUNT - 1, "kind");
    *pointer = bytes == 0
                   ? nullptr
                   : checked.pool.allocate(bytes, static_cast<namp_memory_kind>(kind), stream);
  });
}

int32_t namp_memory_free(namp_device* device, void* pointer, namp_stream stream) {
  return wall([&] {
    namp_device& checked = check_device(device);
    if (pointer != nullptr) checked.pool.free(pointer, stream);
  });
}

int32_t namp_memory_record_stream(namp_device* device, void* pointer, namp_stream stream) {
  return wall([&] {
    namp_device& checked = check_device(device);
    namp::check_not_null(pointer, "pointer");
    checked.pool.record_stream(pointer, stream);
  });
}

int32_t namp_memory_allocate_host(void** pointer, namp_device* device, int64_t bytes) {
  return wall([&] {
    namp::check_object(pointer, "pointer");
    namp_device& checked = check_device(device);
    namp::check_range(bytes, 1, namp::kMaxElements, "bytes");
    namp::refuse_capture(checked, "pinned memory comes from the system. Allocate it before.");
    void* memory = checked.backend->allocate_host(bytes);
    std::memset(memory, 0, static_cast<size_t>(bytes));
    try {
      use_device(device)->host_memory.add(memory, bytes);
    } catch (...) {
      checked.backend->free_host(memory);
      throw;
    }
    *pointer = memory;
  });
}

int32_t namp_memory_free_host(namp_device* device, void* pointer) {
  return wall([&] {
    namp_device& checked = check_device(device);
    if (pointer == nullptr) return;
    namp::refuse_capture(checked, "pinned memory is given back after all work. Free it later.");
    use_device(device)->host_memory.remove(pointer);
    checked.backend->free_host(pointer);
  });
}

int32_t namp_memory_trim(namp_device* device) {
  return wall([&] {
    namp_device& checked = check_device(device);
    namp::refuse_capture(checked, "namp_memory_trim waits, and frees memory of the driver.");
    checked.backend->synchronize(nullptr);
    checked.pool.trim();
  });
}

int32_t namp_memory_copy(namp_device* device, void* destination, const void* source, int64_t bytes,
                         int32_t direction, namp_stream stream) {
  return wall([&] {
    namp_device& checked = check_device(device);
    check_copy(destination, source, bytes, direction);
    if (bytes == 0) return;
    if (direction != NAMP_COPY_DEVICE_TO_DEVICE) {
      namp::refuse_capture(checked,
                           "namp_memory_copy is done with the host's memory when it returns. Copy "
                           "outside the capture, or by namp_memory_copy_async.");
    }
    checked.backend->copy(destination, source, bytes, static_cast<namp_copy_direction>(direction),
                          stream);
    namp::finish_if_profiling(checked);
  });
}

int32_t namp_memory_copy_async(namp_device* device, void* destination, const void* source,
                               int64_t bytes, int32_t direction, namp_stream stream) {
  return wall([&] {
    namp_device& checked = check_device(device);
    namp::check_range(direction, NAMP_COPY_HOST_TO_DEVICE, NAMP_COPY_DEVICE_TO_HOST, "direction");
    check_copy(destination, source, bytes, direction);
    if (bytes == 0) return;
    const bool up = direction == NAMP_COPY_HOST_TO_DEVICE;
    use_device(device)->host_memory.check(up ? source : destination, bytes,
                                          up ? "source" : "destination");
    checked.backend->copy_async(destination, source, bytes,
                                static_cast<namp_copy_direction>(direction), stream);
    namp::finish_if_profiling(checked);
  });
}

int32_t namp_memory_fill(namp_device* device, void* destination, int32_t value, int64_t bytes,
                         namp_stream stream) {
  return wall([&] {
    namp_device& checked = check_device(device);
    namp::check_range(bytes, 0, INT64_MAX, "bytes");
    if (bytes == 0) return;
    namp::check_not_null(destination, "destination");
    checked.backend->fill(destination, value, bytes, stream);
    namp::finish_if_profiling(checked);
  });
}

int32_t namp_memory_get_statistics(namp_memory_statistics* statistics, namp_device* device) {
  return wall([&] {
    namp::check_result(statistics, "statistics");
    check_device(device).pool.get_statistics(*statistics);
  });
}

int32_t namp_memory_reset_peak(namp_device* device) {
  return wall([&] { check_device(device).pool.reset_peak(); });
}
