#include "cpu/machine.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <array>
#include <cstring>
#endif
#if defined(_WIN32)
#include <windows.h>
#elif defined(__linux__)
#include <unistd.h>

#include <fstream>
#endif

namespace namp {
namespace {

#if defined(__x86_64__)
// Three leaves of CPUID hold the name as text, padded with spaces and zeros ("Intel 64 and IA-32
// Architectures Software Developer's Manual", volume 2A, CPUID, Processor Brand String).
std::string brand() {
  constexpr unsigned kFirst = 0x80000002u;
  constexpr unsigned kLeaves = 3;
  std::array<unsigned, 4 * kLeaves> words{};
  if (static_cast<unsigned>(__get_cpuid_max(0x80000000u, nullptr)) < kFirst + kLeaves - 1)
    return "";
  for (unsigned i = 0; i < kLeaves; ++i) {
    unsigned* leaf = words.data() + 4 * i;
    __cpuid(kFirst + i, leaf[0], leaf[1], leaf[2], leaf[3]);
  }
  char text[sizeof(words) + 1] = {};
  std::memcpy(text, words.data(), sizeof(words));
  const std::string name = text;
  const size_t begin = name.find_first_not_of(' ');
  if (begin == std::string::npos) return "";
  return name.substr(begin, name.find_last_not_of(' ') + 1 - begin);
}
#elif defined(__linux__)
// Kernels of some architectures write it to /proc/cpuinfo.
std::string brand() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const auto colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}
#else
std::string brand() { return ""; }
#endif

#if defined(__x86_64__)
constexpr const char* kArchitecture = "x86-64 CPU";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "arm64 CPU";
#else
constexpr const char* kArchitecture = "CPU";
#endif

}  // namespace

std::string processor_name() {
  const std::string name = brand();
  return name.empty() ? kArchitecture : name;
}

MachineMemory machine_memory() {
#if defined(_WIN32)
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  if (!GlobalMemoryStatusEx(&status)) return {};
  return {static_cast<int64_t>(status.ullTotalPhys), static_cast<int64_t>(status.ullAvailPhys)};
#elif defined(__linux__)
  const int64_t page = sysconf(_SC_PAGESIZE);
  return {sysconf(_SC_PHYS_PAGES) * page, sysconf(_SC_AVPHYS_PAGES) * page};
#else
  return {};
#endif
}

}  // namespace namp
