// The emulated NVML: answers by a script, in a process or from a file (NAMPNVML_SCRIPT).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "nvml/nvml_api.h"
#include "nvml/script.h"

#define NAMPNVML_API extern "C" __attribute__((visibility("default")))

using namespace nampnvml;

namespace {

// A GPU that is at work, where no script says otherwise.
constexpr const char* kDefault =
    "0 power=200000 limit=400000 gpu=75 memory=40 total=0x1400000000 used=0x500000000 temp=55 "
    "sm=1410 "
    "mem=1593 reasons=0\n";

struct Gpu {
  int index = 0;
  Answers answers;
  std::vector<bool> applied;
  uint64_t readings = 0;
  // The number of the one that goes on, from 0.
  uint64_t reading() const { return readings == 0 ? 0 : readings - 1; }
  double millijoules = 0;
  int64_t milliseconds = 0;  // to which the energy is counted
};

struct State {
  std::mutex mutex;
  std::string text;  // of a script that a test set
  std::unique_ptr<Script> script;
  std::vector<std::unique_ptr<Gpu>> gpus;
  std::map<std::string, uint64_t> calls;
  std::map<std::string, int> failures;  // of functions that belong to no GPU
  std::chrono::steady_clock::time_point start;
  int initialized = 0;

  int64_t milliseconds() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start)
        .count();
  }

  void begin() {
    std::string source = text;
    if (source.empty()) {
      if (const char* path = std::getenv("NAMPNVML_SCRIPT")) {
        std::ifstream file(path);
        if (!file) throw std::runtime_error(std::string("cannot read ") + path);
        std::ostringstream all;
        all << file.rdbuf();
        source = all.str();
      }
    }
    script = std::make_unique<Script>(source);
    static const Script defaults(kDefault);
    gpus.clear();
    failures.clear();
    start = std::chrono::steady_clock::now();
    for (int i = 0; i < script->gpus(); ++i) {
      gpus.push_back(std::make_unique<Gpu>());
      gpus.back()->index = i;
      gpus.back()->applied.resize(script->lines().size());
      for (const Line& line : defaults.lines())
        Script::apply(line, gpus.back()->answers);
    }
    Answers all;
    for (const Line& line : script->lines())
      if (line.when == 0) Script::apply(line, all);
    failures = all.failures;
  }

  // Brings a GPU's answers up to now.
  void advance(Gpu& gpu) {
    const int64_t now = milliseconds();
    const auto power = gpu.answers.values.find("power");
    if (power != gpu.answers.values.end() && power->second) {
      gpu.millijoules +=
          static_cast<double>(*power->second) * 1e-3 * static_cast<double>(now - gpu.milliseconds);
    }
    gpu.milliseconds = now;
    for (size_t i = 0; i < script->lines().size(); ++i) {
      const Line& line = script->lines()[i];
      const uint64_t reached = line.is_time ? static_cast<uint64_t>(now) : gpu.reading();
      if (gpu.applied[i] || reached < line.when || (line.gpu >= 0 && line.gpu != gpu.index))
        continue;
      Script::apply(line, gpu.answers);
      gpu.applied[i] = true;
    }
  }
};

State& state() {
  static State* const all = new State();  // sampling threads may outlive main
  return *all;
}

// A call that belongs to no GPU.
template <typename Body>
Return call(const char* function, bool initialized, Body body) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.calls[function]++;
  if (initialized && s.initialized == 0) return NVML_ERROR_UNINITIALIZED;
  const auto failure = s.failures.find(function);
  if (failure != s.failures.end() && failure->second != 0)
    return static_cast<Return>(failure->second);
  return body(s);
}

// A call about a GPU.
template <typename Body>
Return call(const char* function, void* device, const void* out, Body body) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.calls[function]++;
  if (s.initialized == 0) return NVML_ERROR_UNINITIALIZED;
  const auto known = std::find_if(s.gpus.begin(), s.gpus.end(),
                                  [device](const auto& gpu) { return gpu.get() == device; });
  if (known == s.gpus.end() || out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Gpu& gpu = **known;
  // Reading the power begins a reading of everything.
  if (std::strcmp(function, "nvmlDeviceGetPowerUsage") == 0) gpu.readings++;
  s.advance(gpu);
  if (gpu.answers.lost) return NVML_ERROR_GPU_IS_LOST;
  const auto failure = gpu.answers.failures.find(function);
  if (failure != gpu.answers.failures.end() && failure->second != 0)
    return static_cast<Return>(failure->second);
  return body(gpu);
}

template <typename T>
Return give(const Gpu& gpu, const char* name, T* out) {
  const auto found = gpu.answers.values.find(name);
  if (found == gpu.answers.values.end() || !found->second) return NVML_ERROR_NOT_SUPPORTED;
  *out = static_cast<T>(*found->second);
  return NVML_SUCCESS;
}

Return copy(const std::string& text, char* out, unsigned length) {
  if (length <= text.size()) return NVML_ERROR_INSUFFICIENT_SIZE;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return NVML_SUCCESS;
}

// The emulated CUDA driver's UUID of the device of the same number (driver/device.cpp).
std::string uuid(int index) {
  char text[64];
  std::snprintf(text, sizeof text, "GPU-6e616d70-656d-7500-0000-%012x",
                static_cast<unsigned>(index));
  return text;
}

const char* const kBuffers[] = {"power", "gpu", "memory"};

}  // namespace

// ---- What tests ask ----

// The script from the next nvmlInit_v2 on; null for NAMPNVML_SCRIPT's. Gives 0, or 1 where it makes
// no sense.
NAMPNVML_API int nampnvml_set_script(const char* text) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  try {
    s.text = text == nullptr ? "" : text;
    Script checked(s.text);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nampnvml: script, %s\n", error.what());
    s.text.clear();
    return 1;
  }
}

NAMPNVML_API uint64_t nampnvml_calls_of(const char* function) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return s.calls[function];
}

NAMPNVML_API int nampnvml_initialized() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return s.initialized;
}

// ---- NVML ----

NAMPNVML_API Return nvmlInit_v2() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.calls["nvmlInit_v2"]++;
  try {
    if (s.initialized == 0) s.begin();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nampnvml: script, %s\n", error.what());
    return NVML_ERROR_UNKNOWN;
  }
  const auto failure = s.failures.find("nvmlInit_v2");
  if (failure != s.failures.end() && failure->second != 0)
    return static_cast<Return>(failure->second);
  s.initialized++;
  return NVML_SUCCESS;
}

NAMPNVML_API Return nvmlShutdown() {
  return call("nvmlShutdown", true, [](State& s) {
    s.initialized--;
    return NVML_SUCCESS;
  });
}

NAMPNVML_API const char* nvmlErrorString(Return result) {
  switch (result) {
    case NVML_SUCCESS:
      return "The operation was successful";
    case NVML_ERROR_UNINITIALIZED:
      return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT:
      return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED:
      return "Not Supported";
    case NVML_ERROR_NO_PERMISSION:
      return "Insufficient Permissions";
    case NVML_ERROR_NOT_FOUND:
      return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE:
      return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED:
      return "Driver Not Loaded";
    case NVML_ERROR_FUNCTION_NOT_FOUND:
      return "Function Not Found";
    case NVML_ERROR_GPU_IS_LOST:
      return "GPU is lost";
    default:
      return "Unknown Error";
  }
}

NAMPNVML_API Return nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return call("nvmlSystemGetDriverVersion", true, [=](State&) {
    return version == nullptr ? NVML_ERROR_INVALID_ARGUMENT
                              : copy("000.00 (emulated)", version, length);
  });
}

NAMPNVML_API Return nvmlDeviceGetCount_v2(unsigned* count) {
  return call("nvmlDeviceGetCount_v2", true, [=](State& s) {
    if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    *count = static_cast<unsigned>(s.gpus.size());
    return NVML_SUCCESS;
  });
}

NAMPNVML_API Return nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  return call("nvmlDeviceGetHandleByIndex_v2", true, [=](State& s) {
    if (device == nullptr || index >= s.gpus.size()) return NVML_ERROR_INVALID_ARGUMENT;
    *device = s.gpus[index].get();
    return NVML_SUCCESS;
  });
}

NAMPNVML_API Return nvmlDeviceGetHandleByUUID(const char* id, void** device) {
  return call("nvmlDeviceGetHandleByUUID", true, [=](State& s) {
    if (device == nullptr || id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    for (const auto& gpu : s.gpus) {
      if (uuid(gpu->index) != id) continue;
      *device = gpu.get();
      return NVML_SUCCESS;
    }
    return NVML_ERROR_NOT_FOUND;
  });
}

NAMPNVML_API Return nvmlDeviceGetIndex(void* device, unsigned* index) {
  return call("nvmlDeviceGetIndex", device, index, [=](Gpu& gpu) {
    *index = static_cast<unsigned>(gpu.index);
    return NVML_SUCCESS;
  });
}

NAMPNVML_API Return nvmlDeviceGetName(void* device, char* name, unsigned length) {
  return call("nvmlDeviceGetName", device, name,
              [=](Gpu&) { return copy("NativeAmp emulated GPU", name, length); });
}

NAMPNVML_API Return nvmlDeviceGetUUID(void* device, char* text, unsigned length) {
  return call("nvmlDeviceGetUUID", device, text,
              [=](Gpu& gpu) { return copy(uuid(gpu.index), text, length); });
}

NAMPNVML_API Return nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  return call("nvmlDeviceGetPowerUsage", device, milliwatts,
              [=](Gpu& gpu) { return give(gpu, "power", milliwatts); });
}

NAMPNVML_API Return nvmlDeviceGetEnforcedPowerLimit(void* device, unsigned* milliwatts) {
  return call("nvmlDeviceGetEnforcedPowerLimit", device, milliwatts,
              [=](Gpu& gpu) { return give(gpu, "limit", milliwatts); });
}

NAMPNVML_API Return nvmlDeviceGetTotalEnergyConsumption(void* device,
                                                        unsigned long long* millijoules) {
  return call("nvmlDeviceGetTotalEnergyConsumption", device, millijoules, [=](Gpu& gpu) {
    if (gpu.answers.values.count("energy") != 0) return give(gpu, "energy", millijoules);
    *millijoules = static_cast<unsigned long long>(gpu.millijoules);
    return NVML_SUCCESS;
  });
}

NAMPNVML_API Return nvmlDeviceGetUtilizationRates(void* device, Utilization* rates) {
  return call("nvmlDeviceGetUtilizationRates", device, rates, [=](Gpu& gpu) {
    const Return result = give(gpu, "gpu", &rates->gpu);
    return result == NVML_SUCCESS ? give(gpu, "memory", &rates->memory) : result;
  });
}

NAMPNVML_API Return nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  return call("nvmlDeviceGetMemoryInfo", device, memory, [=](Gpu& gpu) {
    Return result = give(gpu, "total", &memory->total);
    if (result == NVML_SUCCESS) result = give(gpu, "used", &memory->used);
    if (result == NVML_SUCCESS) memory->free = memory->total - memory->used;
    return result;
  });
}

NAMPNVML_API Return nvmlDeviceGetTemperature(void* device, int sensor, unsigned* celsius) {
  return call("nvmlDeviceGetTemperature", device, celsius, [=](Gpu& gpu) {
    return sensor == NVML_TEMPERATURE_GPU ? give(gpu, "temp", celsius)
                                          : NVML_ERROR_INVALID_ARGUMENT;
  });
}

NAMPNVML_API Return nvmlDeviceGetClockInfo(void* device, int clock, unsigned* megahertz) {
  return call("nvmlDeviceGetClockInfo", device, megahertz, [=](Gpu& gpu) {
    if (clock < 0 || clock >= NVML_CLOCK_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
    return give(gpu, clock == NVML_CLOCK_MEM ? "mem" : "sm", megahertz);
  });
}

NAMPNVML_API Return nvmlDeviceGetCurrentClocksEventReasons(void* device,
                                                           unsigned long long* reasons) {
  return call("nvmlDeviceGetCurrentClocksEventReasons", device, reasons,
              [=](Gpu& gpu) { return give(gpu, "reasons", reasons); });
}

NAMPNVML_API Return nvmlDeviceGetCurrentClocksThrottleReasons(void* device,
                                                              unsigned long long* reasons) {
  return call("nvmlDeviceGetCurrentClocksThrottleReasons", device, reasons,
              [=](Gpu& gpu) { return give(gpu, "reasons", reasons); });
}

// Timestamps are 1000, 2000, … microseconds in the order of the script.
NAMPNVML_API Return nvmlDeviceGetSamples(void* device, int type, unsigned long long since,
                                         int* value_type, unsigned* count, Sample* samples) {
  return call("nvmlDeviceGetSamples", device, count, [=](Gpu& gpu) {
    if (type < 0 || type > NVML_MEMORY_UTILIZATION_SAMPLES) return NVML_ERROR_NOT_SUPPORTED;
    if (value_type == nullptr || (samples != nullptr && *count == 0))
      return NVML_ERROR_INVALID_ARGUMENT;
    const std::vector<uint64_t>& all = gpu.answers.buffers[kBuffers[type]];
    *value_type = NVML_VALUE_TYPE_UNSIGNED_INT;
    if (samples == nullptr) {
      *count = 120;
      return NVML_SUCCESS;
    }
    unsigned given = 0;
    for (size_t i = 0; i < all.size() && given < *count; ++i) {
      const unsigned long long stamp = (i + 1) * 1000;
      if (stamp <= since) continue;
      samples[given].timeStamp = stamp;
      samples[given].sampleValue.ullVal = 0;
      samples[given].sampleValue.uiVal = static_cast<unsigned>(all[i]);
      given++;
    }
    *count = given;
    return given == 0 ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
  });
}
