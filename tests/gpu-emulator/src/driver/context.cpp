// Primary contexts, created ones, and which is current on a thread.
#include "driver/emulator.h"

using namespace nampemu;

namespace {

CUcontext handle(Context* context) { return reinterpret_cast<CUcontext>(context); }
Context* unwrap(CUcontext context) { return reinterpret_cast<Context*>(context); }

}  // namespace

NAMPEMU_API CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return api("cuDevicePrimaryCtxRetain", Needs::driver, [=](Emulator& e) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (device < 0 || device >= e.settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    Context& primary = *e.contexts[static_cast<size_t>(device)];
    primary.alive = true;
    ++primary.references;
    *context = handle(&primary);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return api("cuDevicePrimaryCtxRelease", Needs::driver, [=](Emulator& e) {
    if (device < 0 || device >= e.settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    Context& primary = *e.contexts[static_cast<size_t>(device)];
    if (primary.references == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--primary.references == 0) e.destroy_context(primary);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return cuDevicePrimaryCtxRelease_v2(device);
}
NAMPEMU_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  return api("cuDevicePrimaryCtxReset", Needs::driver, [=](Emulator& e) {
    if (device < 0 || device >= e.settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    e.destroy_context(*e.contexts[static_cast<size_t>(device)]);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  return api("cuDevicePrimaryCtxGetState", Needs::driver, [=](Emulator& e) {
    if (device < 0 || device >= e.settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    if (flags == nullptr || active == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *flags = 0;
    *active = e.contexts[static_cast<size_t>(device)]->alive ? 1 : 0;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned) {
  return api("cuDevicePrimaryCtxSetFlags", Needs::driver, [=](Emulator& e) {
    return device < 0 || device >= e.settings.devices ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
  });
}

NAMPEMU_API CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice device) {
  return api("cuCtxCreate", Needs::driver, [=](Emulator& e) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (device < 0 || device >= e.settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    e.contexts.push_back(std::make_unique<Context>());
    Context* created = e.contexts.back().get();
    created->device = device;
    created->id = e.contexts.size();
    created->primary = false;
    created->alive = true;
    Emulator::stack().push_back(created);
    *context = handle(created);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxDestroy_v2(CUcontext context) {
  return api("cuCtxDestroy", Needs::driver, [=](Emulator& e) {
    Context* destroyed = unwrap(context);
    if (!e.valid(destroyed) || destroyed->primary || !destroyed->alive) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    e.destroy_context(*destroyed);
    if (Emulator::current() == destroyed) Emulator::stack().pop_back();
    return CUDA_SUCCESS;
  });
}

NAMPEMU_API CUresult cuCtxSetCurrent(CUcontext context) {
  return api("cuCtxSetCurrent", Needs::driver, [=](Emulator& e) {
    if (context != nullptr && !e.valid(unwrap(context))) return CUDA_ERROR_INVALID_CONTEXT;
    std::vector<Context*>& stack = Emulator::stack();
    if (!stack.empty()) stack.pop_back();
    if (context != nullptr) stack.push_back(unwrap(context));
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxGetCurrent(CUcontext* context) {
  return api("cuCtxGetCurrent", Needs::driver, [=](Emulator&) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *context = handle(Emulator::current());
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return api("cuCtxPushCurrent", Needs::driver, [=](Emulator& e) {
    if (context == nullptr || !e.valid(unwrap(context))) return CUDA_ERROR_INVALID_CONTEXT;
    Emulator::stack().push_back(unwrap(context));
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  return api("cuCtxPopCurrent", Needs::driver, [=](Emulator&) {
    if (Emulator::stack().empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (context != nullptr) *context = handle(Emulator::current());
    Emulator::stack().pop_back();
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxGetDevice(CUdevice* device) {
  return api("cuCtxGetDevice", Needs::driver, [=](Emulator& e) {
    const CUresult bad = check_current(e, "cuCtxGetDevice");
    if (bad != CUDA_SUCCESS && bad != CUDA_ERROR_CONTEXT_IS_DESTROYED) return bad;
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (bad != CUDA_SUCCESS) {
      // As NVIDIA's driver 580 does, which answers from memory that was freed.
      *device = -1;
      return CUDA_SUCCESS;
    }
    *device = Emulator::current()->device;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxSynchronize() {
  return api("cuCtxSynchronize", Needs::context, [](Emulator& e) {
    ++e.counters.host_waits;
    return e.queue.finish_all(Emulator::current());
  });
}
NAMPEMU_API CUresult cuCtxGetApiVersion(CUcontext, unsigned* version) {
  return api("cuCtxGetApiVersion", Needs::driver, [=](Emulator&) {
    if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *version = 3020;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  return api("cuCtxGetStreamPriorityRange", Needs::context, [=](Emulator&) {
    if (least != nullptr) *least = 0;
    if (greatest != nullptr) *greatest = -5;
    return CUDA_SUCCESS;
  });
}

// Preferences that change nothing here: how shared memory's banks and the first cache are split.
NAMPEMU_API CUresult cuCtxGetSharedMemConfig(int* config) {
  return api("cuCtxGetSharedMemConfig", Needs::context, [=](Emulator&) {
    if (config == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *config = 1;  // banks of four bytes
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxSetSharedMemConfig(int) {
  return api("cuCtxSetSharedMemConfig", Needs::context, [](Emulator&) { return CUDA_SUCCESS; });
}
NAMPEMU_API CUresult cuCtxGetCacheConfig(int* config) {
  return api("cuCtxGetCacheConfig", Needs::context, [=](Emulator&) {
    if (config == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *config = 0;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuCtxSetCacheConfig(int) {
  return api("cuCtxSetCacheConfig", Needs::context, [](Emulator&) { return CUDA_SUCCESS; });
}
