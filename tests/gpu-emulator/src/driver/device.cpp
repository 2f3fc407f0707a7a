// cuInit, the driver's version, entry points by name, devices and their attributes.
#include <dlfcn.h>

#include <cstring>

#include "driver/emulator.h"

using namespace nampemu;

namespace {

CUresult check_device(const Emulator& e, CUdevice device) {
  return device >= 0 && device < e.settings.devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

// The handle of this library, so that entry points are found by the names it exports.
void* self() {
  static void* const handle = [] {
    Dl_info info{};
    dladdr(reinterpret_cast<void*>(&self), &info);
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  }();
  return handle;
}

CUresult find_entry(const char* symbol, void** function) {
  if (symbol == nullptr || function == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *function = nullptr;
  const std::string name = symbol;
  if (name.rfind("cu", 0) != 0) return CUDA_ERROR_NOT_FOUND;
  for (const char* suffix : {"_v2", ""}) {
    *function = dlsym(self(), (name + suffix).c_str());
    if (*function != nullptr) return CUDA_SUCCESS;
  }
  return CUDA_ERROR_NOT_FOUND;
}

// Numbers of CUdevice_attribute.
bool find_attribute(const Settings& s, int attribute, int& value) {
  switch (attribute) {
    case 1:
      value = 1024;
      break;  // threads a block
    case 2:
    case 3:
      value = 1024;
      break;  // block x, y
    case 4:
      value = 64;
      break;  // block z
    case 5:
      value = 0x7fffffff;
      break;  // grid x
    case 6:
    case 7:
      value = 65535;
      break;  // grid y, z
    case 8:
      value = 48 * 1024;
      break;  // shared memory a block
    case 9:
      value = 65536;
      break;  // constant memory
    case 10:
      value = 32;
      break;  // warp
    case 11:
      value = 0x7fffffff;
      break;  // pitch
    case 12:
      value = 65536;
      break;  // registers a block
    case 13:
      value = 1'000'000;
      break;  // clock, kHz
    case 14:
      value = 512;
      break;  // texture alignment
    case 15:
      value = 1;
      break;  // copy and execute at once
    case 16:
      value = static_cast<int>(s.multiprocessors);
      break;
    case 17:
    case 18:
      value = 0;
      break;  // time limit, integrated
    case 19:
      value = 1;
      break;  // maps host memory
    case 20:
      value = 0;
      break;  // compute mode
    case 31:
      value = 1;
      break;  // concurrent kernels
    case 32:
      value = 0;
      break;  // ECC
    case 33:
    case 34:
    case 50:
      value = 0;
      break;  // PCI
    case 35:
      value = 0;
      break;  // TCC
    case 36:
      value = 1'000'000;
      break;  // memory clock, kHz
    case 37:
      value = 256;
      break;  // memory bus
    case 38:
      value = 4 << 20;
      break;  // L2
    case 39:
      value = s.major == 7 && s.minor == 5 ? 1024 : s.major == 8 && s.minor != 0 ? 1536 : 2048;
      break;
    case 40:
      value = 2;
      break;  // copy engines
    case 41:
      value = 1;
      break;  // unified addressing
    case 75:
      value = s.major;
      break;
    case 76:
      value = s.minor;
      break;
    case 78:
      value = 1;
      break;  // stream priorities
    case 81:
      value = static_cast<int>(s.shared_optin() + 1024);
      break;
    case 82:
      value = 65536;
      break;  // registers a multiprocessor
    case 83:
      value = 0;
      break;  // managed memory
    case 88:
    case 89:
    case 90:
    case 91:
      value = 0;
      break;
    case 95:
      value = 0;
      break;  // cooperative launch
    case 97:
      value = static_cast<int>(s.shared_optin());
      break;
    case 106:
      value = 16;
      break;  // blocks a multiprocessor
    case 115:
      value = 1;
      break;  // memory pools
    default:
      return false;
  }
  return true;
}

}  // namespace

NAMPEMU_API CUresult cuInit(unsigned flags) {
  return api("cuInit", Needs::nothing, [=](Emulator& e) {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (e.settings.devices == 0) return CUDA_ERROR_NO_DEVICE;
    e.initialized = true;
    return CUDA_SUCCESS;
  });
}

NAMPEMU_API CUresult cuDriverGetVersion(int* version) {
  return api("cuDriverGetVersion", Needs::nothing, [=](Emulator&) {
    if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *version = 12040;
    return CUDA_SUCCESS;
  });
}

NAMPEMU_API CUresult cuGetProcAddress(const char* symbol, void** function, int, uint64_t) {
  return api("cuGetProcAddress", Needs::nothing,
             [=](Emulator&) { return find_entry(symbol, function); });
}
NAMPEMU_API CUresult cuGetProcAddress_v2(const char* symbol, void** function, int, uint64_t,
                                         int* status) {
  return api("cuGetProcAddress", Needs::nothing, [=](Emulator&) {
    const CUresult result = find_entry(symbol, function);
    if (status != nullptr) *status = result == CUDA_SUCCESS ? 0 : 1;  // found, or unknown symbol
    return result;
  });
}

NAMPEMU_API CUresult cuDeviceGetCount(int* count) {
  return api("cuDeviceGetCount", Needs::driver, [=](Emulator& e) {
    if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *count = e.settings.devices;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return api("cuDeviceGet", Needs::driver, [=](Emulator& e) {
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_device(e, ordinal)) return bad;
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  return api("cuDeviceGetName", Needs::driver, [=](Emulator& e) {
    if (name == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_device(e, device)) return bad;
    std::strncpy(name, "NativeAmp emulated GPU", static_cast<size_t>(length));
    name[length - 1] = '\0';
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDeviceGetUuid(unsigned char* uuid, CUdevice device) {
  return api("cuDeviceGetUuid", Needs::driver, [=](Emulator& e) {
    if (uuid == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_device(e, device)) return bad;
    std::memset(uuid, 0, 16);
    std::memcpy(uuid, "nampemu", 7);
    uuid[15] = static_cast<unsigned char>(device);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDeviceGetUuid_v2(unsigned char* uuid, CUdevice device) {
  return cuDeviceGetUuid(uuid, device);
}
NAMPEMU_API CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  return api("cuDeviceTotalMem", Needs::driver, [=](Emulator& e) {
    if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_device(e, device)) return bad;
    *bytes = e.settings.memory;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
  return api("cuDeviceGetAttribute", Needs::driver, [=](Emulator& e) {
    if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_device(e, device)) return bad;
    return find_attribute(e.settings, attribute, *value) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}
NAMPEMU_API CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  return api("cuDeviceComputeCapability", Needs::driver, [=](Emulator& e) {
    if (major == nullptr || minor == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_device(e, device)) return bad;
    *major = e.settings.major;
    *minor = e.settings.minor;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuDeviceCanAccessPeer(int* can, CUdevice, CUdevice) {
  return api("cuDeviceCanAccessPeer", Needs::driver, [=](Emulator&) {
    if (can == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *can = 0;
    return CUDA_SUCCESS;
  });
}
