// Compares nvml_api.h, and the numbers that the product takes from it, with NVIDIA's own nvml.h.
// Not part of the build, which has no such header:
//   g++ -std=c++17 -fsyntax-only -I TOOLKIT/include tests/gpu-emulator/src/nvml/layout_check.cpp
#include "nvml_api.h"

#include <nvml.h>

#include <cstddef>
#include <type_traits>

#define SAME(name) \
  static_assert(static_cast<int>(nampnvml::name) == static_cast<int>(::name), #name)
SAME(NVML_SUCCESS);
SAME(NVML_ERROR_UNINITIALIZED);
SAME(NVML_ERROR_INVALID_ARGUMENT);
SAME(NVML_ERROR_NOT_SUPPORTED);
SAME(NVML_ERROR_NO_PERMISSION);
SAME(NVML_ERROR_NOT_FOUND);
SAME(NVML_ERROR_INSUFFICIENT_SIZE);
SAME(NVML_ERROR_DRIVER_NOT_LOADED);
SAME(NVML_ERROR_FUNCTION_NOT_FOUND);
SAME(NVML_ERROR_GPU_IS_LOST);
SAME(NVML_ERROR_UNKNOWN);
SAME(NVML_TEMPERATURE_GPU);
SAME(NVML_CLOCK_SM);
SAME(NVML_CLOCK_MEM);
SAME(NVML_CLOCK_COUNT);
SAME(NVML_TOTAL_POWER_SAMPLES);
SAME(NVML_GPU_UTILIZATION_SAMPLES);
SAME(NVML_MEMORY_UTILIZATION_SAMPLES);
SAME(NVML_VALUE_TYPE_DOUBLE);
SAME(NVML_VALUE_TYPE_UNSIGNED_INT);
SAME(NVML_VALUE_TYPE_UNSIGNED_LONG);
SAME(NVML_VALUE_TYPE_UNSIGNED_LONG_LONG);
SAME(NVML_VALUE_TYPE_SIGNED_LONG_LONG);
SAME(NVML_VALUE_TYPE_SIGNED_INT);

#define SAME_FIELD(ours, theirs, field)                                       \
  static_assert(offsetof(nampnvml::ours, field) == offsetof(theirs, field) && \
                    sizeof(nampnvml::ours::field) == sizeof(theirs::field),   \
                #theirs "." #field)
static_assert(sizeof(nampnvml::Utilization) == sizeof(nvmlUtilization_t));
SAME_FIELD(Utilization, nvmlUtilization_t, gpu);
SAME_FIELD(Utilization, nvmlUtilization_t, memory);
static_assert(sizeof(nampnvml::Memory) == sizeof(nvmlMemory_t));
SAME_FIELD(Memory, nvmlMemory_t, total);
SAME_FIELD(Memory, nvmlMemory_t, free);
SAME_FIELD(Memory, nvmlMemory_t, used);
static_assert(sizeof(nampnvml::Value) == sizeof(nvmlValue_t));
static_assert(sizeof(nampnvml::Sample) == sizeof(nvmlSample_t));
SAME_FIELD(Sample, nvmlSample_t, timeStamp);
SAME_FIELD(Sample, nvmlSample_t, sampleValue);

// The functions that C# calls, with the arguments that it gives.
template <typename Function, Function* function>
constexpr bool has = true;
static_assert(std::is_enum_v<nvmlReturn_t> && sizeof(nvmlReturn_t) == 4 &&
              sizeof(nvmlDevice_t) == sizeof(void*));
static_assert(has<nvmlReturn_t(), nvmlInit_v2> && has<nvmlReturn_t(), nvmlShutdown> &&
              has<const char*(nvmlReturn_t), nvmlErrorString>);
static_assert(has<nvmlReturn_t(char*, unsigned), nvmlSystemGetDriverVersion>);
static_assert(has<nvmlReturn_t(unsigned*), nvmlDeviceGetCount_v2>);
static_assert(has<nvmlReturn_t(unsigned, nvmlDevice_t*), nvmlDeviceGetHandleByIndex_v2>);
static_assert(has<nvmlReturn_t(const char*, nvmlDevice_t*), nvmlDeviceGetHandleByUUID>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, unsigned*), nvmlDeviceGetIndex>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, char*, unsigned), nvmlDeviceGetName>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, char*, unsigned), nvmlDeviceGetUUID>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, unsigned*), nvmlDeviceGetPowerUsage>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, unsigned*), nvmlDeviceGetEnforcedPowerLimit>);
static_assert(
    has<nvmlReturn_t(nvmlDevice_t, unsigned long long*), nvmlDeviceGetTotalEnergyConsumption>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, nvmlUtilization_t*), nvmlDeviceGetUtilizationRates>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, nvmlMemory_t*), nvmlDeviceGetMemoryInfo>);
static_assert(
    has<nvmlReturn_t(nvmlDevice_t, nvmlTemperatureSensors_t, unsigned*), nvmlDeviceGetTemperature>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, nvmlClockType_t, unsigned*), nvmlDeviceGetClockInfo>);
static_assert(
    has<nvmlReturn_t(nvmlDevice_t, unsigned long long*), nvmlDeviceGetCurrentClocksEventReasons>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, unsigned long long*),
                  nvmlDeviceGetCurrentClocksThrottleReasons>);
static_assert(has<nvmlReturn_t(nvmlDevice_t, nvmlSamplingType_t, unsigned long long,
                               nvmlValueType_t*, unsigned*, nvmlSample_t*),
                  nvmlDeviceGetSamples>);

// NativeAmp.Telemetry.ThrottleReasons.
static_assert(nvmlClocksEventReasonNone == 0 && nvmlClocksEventReasonGpuIdle == 0x1 &&
              nvmlClocksEventReasonApplicationsClocksSetting == 0x2 &&
              nvmlClocksEventReasonSwPowerCap == 0x4 && nvmlClocksThrottleReasonHwSlowdown == 0x8 &&
              nvmlClocksEventReasonSyncBoost == 0x10 &&
              nvmlClocksEventReasonSwThermalSlowdown == 0x20 &&
              nvmlClocksThrottleReasonHwThermalSlowdown == 0x40 &&
              nvmlClocksThrottleReasonHwPowerBrakeSlowdown == 0x80 &&
              nvmlClocksEventReasonDisplayClockSetting == 0x100);
