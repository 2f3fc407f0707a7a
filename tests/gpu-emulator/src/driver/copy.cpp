// Copies in all directions and fills, with every byte of device memory checked.
#include <algorithm>
#include <cstring>

#include "driver/emulator.h"
#include "driver/range.h"

using namespace nampemu;

namespace {

struct End {
  uint64_t address = 0;
  Region* region = nullptr;  // null: plain host memory
  void* bytes() const {
    return region != nullptr ? region->at(address) : reinterpret_cast<void*>(address);
  }
};

bool is_pinned(Emulator& e, const End& end, uint64_t bytes) {
  if (end.region != nullptr) return true;
  auto after = e.host_memory.upper_bound(end.address);
  if (after == e.host_memory.begin()) return false;
  const auto& [base, size] = *std::prev(after);
  return end.address - base < size && bytes <= size - (end.address - base);
}

enum class Side : uint8_t { host, device, either };

// The region of an end; false after a finding.
bool find_end(Emulator& e, const char* name, uint64_t address, uint64_t bytes, Side side,
              bool writes, End& end) {
  end.address = address;
  Region* region = e.memory().find(address);
  if (side == Side::host || (side == Side::either && region == nullptr)) {
    if (region == nullptr) return address != 0;
    if (region->device >= 0 && side == Side::host) {
      bad_argument(e, name, "a device address where one of the host is needed");
      return false;
    }
  }
  end.region = check_range(e, name, address, bytes, writes ? "write" : "read");
  return end.region != nullptr;
}

bool on_device(const End& end) { return end.region != nullptr && end.region->device >= 0; }

struct Copy {
  const char* name;
  uint64_t to;
  Side to_side;
  uint64_t from;
  Side from_side;
  uint64_t bytes;
};

// Checks the ends, which may have been freed since the copy was asked for, and moves the bytes.
void move_bytes(Emulator& e, const Copy& c) {
  End target, source;
  if (!find_end(e, c.name, c.to, c.bytes, c.to_side, true, target) ||
      !find_end(e, c.name, c.from, c.bytes, c.from_side, false, source)) {
    return;
  }
  if (e.record.is_open()) {
    e.record.write("copy", "", e.graph(),
                   {{"bytes", c.bytes},
                    {"from_device", on_device(source) ? 1 : 0},
                    {"to_device", on_device(target) ? 1 : 0}});
    if (on_device(source) && on_device(target) && !e.record.moves(c.bytes)) return;
  }
  const uint8_t* written = nullptr;
  if (on_device(source)) {
    if (source.region->written != nullptr)
      written = source.region->written + (c.from - source.region->base);
    // On the device, what isn't written stays so; the host would see it.
    if (!on_device(target)) report_unwritten(e, c.name, *source.region, c.from, c.bytes);
  }
  std::memmove(target.bytes(), source.bytes(), c.bytes);
  if (on_device(target) && target.region->written != nullptr) {
    uint8_t* mark = target.region->written + (c.to - target.region->base);
    if (written != nullptr) {
      std::memmove(mark, written, c.bytes);
    } else {
      std::memset(mark, 1, c.bytes);
    }
  }
}

CUresult copy(Emulator& e, const Copy& c, bool async, CUstream stream) {
  if (c.bytes == 0) return CUDA_SUCCESS;
  End target, source;
  if (!find_end(e, c.name, c.to, c.bytes, c.to_side, true, target) ||
      !find_end(e, c.name, c.from, c.bytes, c.from_side, false, source)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool device_only = on_device(source) && on_device(target);
  if (device_only) {
    ++e.counters.copies_on_device;
    e.counters.bytes_on_device += c.bytes;
  } else if (on_device(target)) {
    ++e.counters.copies_to_device;
    e.counters.bytes_to_device += c.bytes;
  } else if (on_device(source)) {
    ++e.counters.copies_to_host;
    e.counters.bytes_to_host += c.bytes;
  }
  const auto place = e.queue.put(stream, [&e, c] { move_bytes(e, c); });
  // Pinned memory is read and written in the stream's order; other memory before the call is over.
  if (place.stream == nullptr) return CUDA_SUCCESS;  // captured: at each launch
  const bool pinned = is_pinned(e, target, c.bytes) && is_pinned(e, source, c.bytes);
  if ((async || device_only) && pinned) return CUDA_SUCCESS;
  ++e.counters.host_waits;
  return e.queue.finish(place);
}

CUresult copy_call(const char* name, uint64_t to, Side to_side, uint64_t from, Side from_side,
                   uint64_t bytes) {
  return api(name, Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, name, nullptr)) return bad;
    return copy(e, {name, to, to_side, from, from_side, bytes}, false, nullptr);
  });
}
CUresult copy_async(const char* name, uint64_t to, Side to_side, uint64_t from, Side from_side,
                    uint64_t bytes, CUstream stream) {
  return api(name, Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, name, stream)) return bad;
    return copy(e, {name, to, to_side, from, from_side, bytes}, true, stream);
  });
}

template <class T>
CUresult fill(Emulator& e, const char* name, CUdeviceptr address, T value, uint64_t count,
              CUstream stream) {
  if (address % sizeof(T) != 0)
    return bad_argument(e, name, "the address isn't a multiple of the value's width");
  if (count == 0) return CUDA_SUCCESS;
  if (count > (uint64_t{1} << 48)) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t bytes = count * sizeof(T);
  if (check_range(e, name, address, bytes, "fill") == nullptr) return CUDA_ERROR_INVALID_VALUE;
  e.queue.put(stream, [=, &e] {
    Region* region = check_range(e, name, address, bytes, "fill");
    if (region == nullptr) return;
    if (e.record.is_open()) {
      e.record.write("fill", "", e.graph(), {{"bytes", bytes}});
      if (!e.record.moves(bytes)) return;
    }
    T* to = reinterpret_cast<T*>(region->at(address));
    std::fill(to, to + count, value);
    if (region->written != nullptr)
      std::memset(region->written + (address - region->base), 1, bytes);
  });
  ++e.counters.fills;
  e.counters.bytes_filled += bytes;
  return CUDA_SUCCESS;
}

template <class T>
CUresult fill_async(const char* name, CUdeviceptr address, T value, size_t count, CUstream stream) {
  return api(name, Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, name, stream)) return bad;
    return fill<T>(e, name, address, value, count, stream);
  });
}
template <class T>
CUresult fill_call(const char* name, CUdeviceptr address, T value, size_t count) {
  return fill_async<T>(name, address, value, count, nullptr);
}

uint64_t number(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace

NAMPEMU_API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return copy_call("cuMemcpy", to, Side::either, from, Side::either, bytes);
}
NAMPEMU_API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                   CUstream stream) {
  return copy_async("cuMemcpyAsync", to, Side::either, from, Side::either, bytes, stream);
}
NAMPEMU_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  return copy_call("cuMemcpyHtoD", to, Side::device, number(from), Side::host, bytes);
}
NAMPEMU_API CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  return copy_call("cuMemcpyDtoH", number(to), Side::host, from, Side::device, bytes);
}
NAMPEMU_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return copy_call("cuMemcpyDtoD", to, Side::device, from, Side::device, bytes);
}
NAMPEMU_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes,
                                          CUstream stream) {
  return copy_async("cuMemcpyHtoDAsync", to, Side::device, number(from), Side::host, bytes, stream);
}
NAMPEMU_API CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes,
                                          CUstream stream) {
  return copy_async("cuMemcpyDtoHAsync", number(to), Side::host, from, Side::device, bytes, stream);
}
NAMPEMU_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                          CUstream stream) {
  return copy_async("cuMemcpyDtoDAsync", to, Side::device, from, Side::device, bytes, stream);
}

NAMPEMU_API CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  return fill_call<uint8_t>("cuMemsetD8", to, value, count);
}
NAMPEMU_API CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t count) {
  return fill_call<uint16_t>("cuMemsetD16", to, value, count);
}
NAMPEMU_API CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count) {
  return fill_call<uint32_t>("cuMemsetD32", to, value, count);
}
NAMPEMU_API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count,
                                     CUstream stream) {
  return fill_async<uint8_t>("cuMemsetD8Async", to, value, count, stream);
}
NAMPEMU_API CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count,
                                      CUstream stream) {
  return fill_async<uint16_t>("cuMemsetD16Async", to, value, count, stream);
}
NAMPEMU_API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count,
                                      CUstream stream) {
  return fill_async<uint32_t>("cuMemsetD32Async", to, value, count, stream);
}
