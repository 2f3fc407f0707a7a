// Device and pinned host memory, pools, what a pointer is.
#include <algorithm>

#include "driver/emulator.h"

using namespace nampemu;

namespace {

CUresult allocate(Emulator& e, CUdeviceptr* address, size_t bytes) {
  if (address == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const Context& context = *Emulator::current();
  const uint64_t used = e.memory().live_bytes(context.device);
  if (bytes > e.settings.memory - std::min(e.settings.memory, used))
    return CUDA_ERROR_OUT_OF_MEMORY;
  Region* region = e.memory().allocate(bytes, context.device, Space::global, context.id,
                                       e.record.sampled_blocks() == 0);
  if (region == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = region->base;
  ++e.counters.allocations;
  return CUDA_SUCCESS;
}

// A live allocation that begins at the address; anything else is a finding.
Region* find_allocation(Emulator& e, const char* name, uint64_t address, bool host) {
  Region* region = e.memory().find(address);
  const bool good = region != nullptr && region->alive && region->base == address &&
                    !region->owned_by_module && (region->device < 0) == host;
  if (good) return region;
  e.report(NAMPEMU_BAD_FREE, std::string(name) + std::to_string(address),
           std::string(name) + " of an address that it didn't give out or already took back: " +
               e.memory().describe(address));
  return nullptr;
}

CUresult free_memory(Emulator& e, const char* name, CUdeviceptr address) {
  if (address == 0) return CUDA_SUCCESS;
  Region* region = find_allocation(e, name, address, false);
  if (region == nullptr) return CUDA_ERROR_INVALID_VALUE;
  e.memory().release(*region);
  ++e.counters.frees;
  return CUDA_SUCCESS;
}

CUresult allocate_host(const char* name, void** pointer, size_t bytes) {
  return api(name, Needs::context, [=](Emulator& e) {
    if (pointer == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    Region* region = e.memory().allocate(bytes, -1, Space::global, Emulator::current()->id);
    if (region == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
    region->written = nullptr;  // the host writes without telling
    *pointer = reinterpret_cast<void*>(region->base);
    return CUDA_SUCCESS;
  });
}

Pool* unwrap(Emulator& e, CUmemoryPool pool) {
  for (const auto& known : e.pools) {
    if (reinterpret_cast<CUmemoryPool>(known.get()) == pool) return known.get();
  }
  return nullptr;
}

}  // namespace

NAMPEMU_API CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  return api("cuMemAlloc", Needs::context,
             [=](Emulator& e) { return allocate(e, address, bytes); });
}
NAMPEMU_API CUresult cuMemAllocAsync(CUdeviceptr* address, size_t bytes, CUstream stream) {
  return api("cuMemAllocAsync", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuMemAllocAsync", stream)) return bad;
    return allocate(e, address, bytes);
  });
}
NAMPEMU_API CUresult cuMemAllocFromPoolAsync(CUdeviceptr* address, size_t bytes, CUmemoryPool pool,
                                             CUstream stream) {
  return api("cuMemAllocFromPoolAsync", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuMemAllocFromPoolAsync", stream)) return bad;
    return unwrap(e, pool) == nullptr ? CUDA_ERROR_INVALID_VALUE : allocate(e, address, bytes);
  });
}
NAMPEMU_API CUresult cuMemFree_v2(CUdeviceptr address) {
  return api("cuMemFree", Needs::context, [=](Emulator& e) {
    ++e.counters.host_waits;  // a driver waits for the device here
    e.queue.finish_all();
    return free_memory(e, "cuMemFree", address);
  });
}
NAMPEMU_API CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  return api("cuMemFreeAsync", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuMemFreeAsync", stream)) return bad;
    if (address == 0) return CUDA_SUCCESS;
    if (find_allocation(e, "cuMemFreeAsync", address, false) == nullptr)
      return CUDA_ERROR_INVALID_VALUE;
    e.queue.put(stream, [&e, address] { free_memory(e, "cuMemFreeAsync", address); });
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuMemGetInfo_v2(size_t* available, size_t* total) {
  return api("cuMemGetInfo", Needs::context, [=](Emulator& e) {
    const uint64_t used = e.memory().live_bytes(Emulator::current()->device);
    if (available != nullptr) *available = e.settings.memory - std::min(e.settings.memory, used);
    if (total != nullptr) *total = e.settings.memory;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* bytes,
                                             CUdeviceptr address) {
  return api("cuMemGetAddressRange", Needs::context, [=](Emulator& e) {
    const Region* region = e.memory().find(address);
    if (region == nullptr || !region->alive) return CUDA_ERROR_NOT_FOUND;
    if (base != nullptr) *base = region->base;
    if (bytes != nullptr) *bytes = region->size;
    return CUDA_SUCCESS;
  });
}

NAMPEMU_API CUresult cuMemAllocHost_v2(void** pointer, size_t bytes) {
  return allocate_host("cuMemAllocHost", pointer, bytes);
}
NAMPEMU_API CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
  return allocate_host("cuMemHostAlloc", pointer, bytes);
}
NAMPEMU_API CUresult cuMemFreeHost(void* pointer) {
  return api("cuMemFreeHost", Needs::context, [=](Emulator& e) {
    e.queue.finish_all();
    Region* region = find_allocation(e, "cuMemFreeHost", reinterpret_cast<uint64_t>(pointer), true);
    if (region == nullptr) return CUDA_ERROR_INVALID_VALUE;
    e.memory().release(*region);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* address, void* pointer, unsigned) {
  return api("cuMemHostGetDevicePointer", Needs::context, [=](Emulator& e) {
    const Region* region = e.memory().find(reinterpret_cast<uint64_t>(pointer));
    if (address == nullptr || region == nullptr || region->device >= 0)
      return CUDA_ERROR_INVALID_VALUE;
    *address = reinterpret_cast<uint64_t>(pointer);
    return CUDA_SUCCESS;
  });
}
// Registered memory counts as pinned; kernels can't reach it here, whose addresses the emulator
// doesn't own.
NAMPEMU_API CUresult cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned) {
  return api("cuMemHostRegister", Needs::context, [=](Emulator& e) {
    if (pointer == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    e.host_memory[reinterpret_cast<uint64_t>(pointer)] = bytes;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuMemHostUnregister(void* pointer) {
  return api("cuMemHostUnregister", Needs::context, [=](Emulator& e) {
    return e.host_memory.erase(reinterpret_cast<uint64_t>(pointer)) == 0 ? CUDA_ERROR_INVALID_VALUE
                                                                         : CUDA_SUCCESS;
  });
}

// Numbers of CUpointer_attribute.
NAMPEMU_API CUresult cuPointerGetAttribute(void* value, int attribute, CUdeviceptr address) {
  return api("cuPointerGetAttribute", Needs::context, [=](Emulator& e) {
    const Region* region = e.memory().find(address);
    if (value == nullptr || region == nullptr || !region->alive) return CUDA_ERROR_INVALID_VALUE;
    const bool host = region->device < 0;
    switch (attribute) {
      case 1:
        *static_cast<CUcontext*>(value) =
            reinterpret_cast<CUcontext>(e.contexts[static_cast<size_t>(region->context) - 1].get());
        break;
      case 2:
        *static_cast<unsigned*>(value) = host ? 1 : 2;
        break;
      case 3:
        *static_cast<CUdeviceptr*>(value) = address;
        break;
      case 4:
        if (!host) return CUDA_ERROR_INVALID_VALUE;
        *static_cast<CUdeviceptr*>(value) = address;
        break;
      case 7:
        *static_cast<uint64_t*>(value) = region->base;
        break;
      case 8:
        *static_cast<unsigned*>(value) = 0;
        break;
      case 9:
        *static_cast<int*>(value) = host ? Emulator::current()->device : region->device;
        break;
      case 11:
        *static_cast<CUdeviceptr*>(value) = region->base;
        break;
      case 12:
        *static_cast<size_t*>(value) = region->size;
        break;
      case 13:
        *static_cast<unsigned*>(value) = 1;
        break;
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
  });
}

// Every device has one pool, which gives memory back at once; only the threshold is remembered.
NAMPEMU_API CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  return api("cuDeviceGetDefaultMemPool", Needs::driver, [=](Emulator& e) {
    if (device < 0 || device >= e.settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    if (pool == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *pool = reinterpret_cast<CUmemoryPool>(e.pools[static_cast<size_t>(device)].get());
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice device) {
  return cuDeviceGetDefaultMemPool(pool, device);
}
NAMPEMU_API CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t) {
  return api("cuMemPoolTrimTo", Needs::driver, [=](Emulator& e) {
    return unwrap(e, pool) == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}
// Numbers of CUmemPool_attribute: 4 the release threshold, 5 to 8 what is reserved and used.
NAMPEMU_API CUresult cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void* value) {
  return api("cuMemPoolSetAttribute", Needs::driver, [=](Emulator& e) {
    Pool* known = unwrap(e, pool);
    if (known == nullptr || value == nullptr || attribute < 1 || attribute > 8) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (attribute == 4) known->release_threshold = *static_cast<uint64_t*>(value);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void* value) {
  return api("cuMemPoolGetAttribute", Needs::driver, [=](Emulator& e) {
    const Pool* known = unwrap(e, pool);
    if (known == nullptr || value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (attribute >= 1 && attribute <= 3) {
      *static_cast<int*>(value) = 1;
    } else if (attribute == 4) {
      *static_cast<uint64_t*>(value) = known->release_threshold;
    } else if (attribute >= 5 && attribute <= 8) {
      *static_cast<uint64_t*>(value) = e.memory().live_bytes(known->device);
    } else {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
  });
}
