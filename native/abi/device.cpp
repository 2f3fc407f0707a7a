// Devices and streams.
#include "abi/device.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "abi/check.h"
#include "abi/wall.h"
#include "forked.h"

namespace namp {
namespace {

namp_device_kind check_kind(int32_t kind) {
  if (kind != NAMP_DEVICE_CPU && kind != NAMP_DEVICE_CUDA) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         "kind is " + std::to_string(kind) + "; it must be NAMP_DEVICE_CPU or NAMP_DEVICE_CUDA.");
  }
  return static_cast<namp_device_kind>(kind);
}

// Devices of a kind; reason says why there are none.
int32_t count_devices(namp_device_kind kind, std::string& reason) {
  const BackendFactory* factory = find_backend(kind, reason);
  return factory == nullptr ? 0 : factory->count(reason);
}

// open gives the backend.
template <class Open>
void open_backend(namp_device** device, namp_device_kind kind, Open open) {
  OpenDevices::Change devices;
  auto opened = std::make_unique<namp_device>(kind, open());
  devices.add(opened.get());
  *device = opened.release();
}

}  // namespace

namp_device& check_device(namp_device* device) {
  check_not_null(device, "device");
  check_process(*device);
  return *device;
}

void check_process(const namp_device& device) {
  if (device.kind == NAMP_DEVICE_CPU || device.fork_generation == fork_generation()) return;
  fail(NAMP_ERROR_UNAVAILABLE,
       "This CUDA device was opened before fork(), and CUDA does not work in a forked child. Fork "
       "before a CUDA device is opened, or start the child with exec.");
}

void refuse_capture(const namp_device& device, const char* what) {
  if (device.kind == NAMP_DEVICE_CUDA) refuse_capture(std::string(what));
}

}  // namespace namp

namp_device::namp_device(namp_device_kind opened_kind, std::unique_ptr<namp::Backend> opened)
    : kind(opened_kind),
      fork_generation(namp::fork_generation()),
      backend(std::move(opened)),
      pool(*backend),
      workspace(pool) {
  backend->set_workspace(&workspace);
}

using namp::check_device;
using namp::OpenDevices;
using namp::use_device;
using namp::wall;

int32_t namp_device_count(int32_t* count, int32_t kind, char* reason, int64_t reason_capacity) {
  return wall([&] {
    namp::check_object(count, "count");
    namp::check_range(reason_capacity, 0, INT64_MAX, "reason_capacity");
    if (reason_capacity > 0) namp::check_not_null(reason, "reason");
    std::string why;
    *count = namp::count_devices(namp::check_kind(kind), why);
    if (*count > 0) why.clear();
    if (reason_capacity == 0) return;
    const size_t length = std::min(why.size(), static_cast<size_t>(reason_capacity - 1));
    std::memcpy(reason, why.data(), length);
    reason[length] = '\0';
  });
}

int32_t namp_device_open(namp_device** device, int32_t kind, int32_t ordinal) {
  return wall([&] {
    namp::check_object(device, "device");
    const namp_device_kind checked = namp::check_kind(kind);
    std::string reason;
    const int32_t count = namp::count_devices(checked, reason);
    if (count == 0) namp::fail(NAMP_ERROR_UNAVAILABLE, reason);
    if (ordinal < 0 || ordinal >= count) {
      namp::fail(NAMP_ERROR_UNAVAILABLE,
                 "ordinal is " + std::to_string(ordinal) + "; there " +
                     (count == 1 ? "is 1 device" : "are " + std::to_string(count) + " devices") +
                     " of this kind, counted from 0.");
    }
    namp::open_backend(device, checked,
                       [&] { return namp::find_backend(checked, reason)->open(ordinal); });
  });
}

int32_t namp_device_open_context(namp_device** device, void* context) {
  return wall([&] {
    namp::check_object(device, "device");
    namp::check_not_null(context, "context");
    std::string reason;
    if (namp::count_devices(NAMP_DEVICE_CUDA, reason) == 0) {
      namp::fail(NAMP_ERROR_UNAVAILABLE, reason);
    }
    namp::open_backend(device, NAMP_DEVICE_CUDA, [&] {
      return namp::find_backend(NAMP_DEVICE_CUDA, reason)->open_context(context);
    });
  });
}

int32_t namp_device_get_context(void** context, namp_device* device) {
  return wall([&] {
    namp::check_object(context, "context");
    *context = check_device(device).backend->context();
  });
}

int32_t namp_device_close(namp_device* device) {
  return wall([&] {
    if (device == nullptr) return;
    check_device(device);
    OpenDevices::Change devices;
    const int64_t tables = device->tables;
    const int64_t events = device->events;
    const int64_t graphs = device->graphs;
    const int64_t pieces = device->pool.live_pieces_except(NAMP_MEMORY_WORKSPACE);
    const int64_t host = device->host_memory.pieces();
    if (tables != 0 || events != 0 || graphs != 0 || pieces != 0 || host != 0) {
      namp::fail(NAMP_ERROR_INVALID_ARGUMENT,
                 "The device cannot be closed: " + std::to_string(tables) + " tables, " +
                     std::to_string(events) + " events, " + std::to_string(graphs) + " graphs, " +
                     std::to_string(pieces) + " pieces of memory and " + std::to_string(host) +
                     " of pinned memory are still in use. Destroy and free them first.");
    }
    devices.remove(device);
    delete device;
  });
}

int32_t namp_device_get_info(namp_device_info* info, namp_device* device) {
  return wall([&] {
    namp::check_result(info, "info");
    namp_device_info answer{};
    answer.struct_size = sizeof(answer);
    use_device(device)->backend->get_info(answer);
    *info = answer;
  });
}

int32_t namp_device_set_threads(namp_device* device, int32_t threads) {
  return wall([&] {
    namp::check_range(threads, 0, 1024, "threads");
    use_device(device)->backend->set_threads(threads);
  });
}

int32_t namp_device_set_simd(namp_device* device, int32_t simd) {
  return wall([&] {
    namp::check_range(simd, NAMP_SIMD_BEST, NAMP_SIMD_NEON_DOTPROD, "simd");
    use_device(device)->backend->set_simd(static_cast<namp_simd>(simd));
  });
}

int32_t namp_device_set_allow_tf32(namp_device* device, int32_t allow) {
  return wall([&] {
    namp::check_range(allow, 0, 1, "allow");
    use_device(device)->backend->set_allow_tf32(allow != 0);
  });
}

int32_t namp_device_set_measure_products(namp_device* device, int32_t measure) {
  return wall([&] {
    namp::check_range(measure, 0, 1, "measure");
    use_device(device)->backend->set_measure_products(measure != 0);
  });
}

int32_t namp_device_get_stream(namp_stream* stream, namp_device* device) {
  return wall([&] {
    namp::check_object(stream, "stream");
    *stream = check_device(device).backend->own_stream();
  });
}

int32_t namp_stream_create(namp_stream* stream, namp_device* device) {
  return wall([&] {
    namp::check_object(stream, "stream");
    const auto checked = use_device(device);
    namp::refuse_capture(*device,
                         "a new stream begins after the work that is captured. Create it before.");
    *stream = checked->backend->create_stream();
  });
}

int32_t namp_stream_destroy(namp_device* device, namp_stream stream) {
  return wall([&] {
    if (stream == nullptr) {
      check_device(device);
      return;
    }
    namp::refuse_capture(check_device(device),
                         "the end of a stream waits for it. Destroy it later.");
    device->backend->synchronize(stream);
    const auto checked = use_device(device);
    checked->workspace.release(stream);
    checked->backend->destroy_stream(stream);
    checked->pool.forget_stream(stream);
  });
}

int32_t namp_stream_synchronize(namp_device* device, namp_stream stream) {
  return wall([&] {
    namp_device& checked = check_device(device);
    namp::refuse_capture(checked, "namp_stream_synchronize waits for work that is not done now.");
    checked.backend->synchronize(stream);
  });
}
