#include "cuda/dynamic_library.h"

#include <cstdlib>

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace namp::cuda {
namespace {

void* open_library(const std::string& name, std::string& answer) {
#if defined(_WIN32)
  HMODULE handle = LoadLibraryA(name.c_str());
  if (handle == nullptr) answer = "error " + std::to_string(GetLastError());
  return reinterpret_cast<void*>(handle);
#else
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* text = dlerror();
    answer = text != nullptr ? text : "no reason given";
  }
  return handle;
#endif
}

}  // namespace

DynamicLibrary::DynamicLibrary(const char* variable, const std::vector<std::string>& names) {
  std::vector<std::string> candidates = names;
  const char* chosen = std::getenv(variable);
  if (chosen != nullptr && chosen[0] != '\0') candidates = {chosen};
  for (const std::string& candidate : candidates) {
    std::string answer;
    handle_ = open_library(candidate, answer);
    if (handle_ != nullptr) {
      name_ = candidate;
      return;
    }
    if (!tried_.empty()) tried_ += "; ";
    tried_ += candidate + " (" + answer + ")";
  }
}

void* DynamicLibrary::symbol(const char* name) const {
  if (handle_ == nullptr) return nullptr;
#if defined(_WIN32)
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), name));
#else
  return dlsym(handle_, name);
#endif
}

}  // namespace namp::cuda
