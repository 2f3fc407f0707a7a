#include "libraries/nvml.h"

namespace namp {
namespace {

std::string start(const DynamicLibrary& library) {
  int (*init)() = nullptr;
  const char* (*text_of)(int) = nullptr;
  if (!library.bind(init, "nvmlInit_v2")) return "it lacks nvmlInit_v2";
  const int result = init();
  if (result == 0) return "";
  const bool has_text = library.bind(text_of, "nvmlErrorString");
  return "does not start: " + std::string(has_text ? text_of(result) : "NVML error") + " (" +
         std::to_string(result) + ")";
}

}  // namespace

LibraryFound start_nvml() { return find_library(nvml_library(), 0, start); }

}  // namespace namp
