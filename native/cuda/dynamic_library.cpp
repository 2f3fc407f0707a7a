#include "cuda/dynamic_library.h"

#include <cstdlib>

#if defined(_WIN32)
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <windows.h>

#include <system_error>
#else
#include <dlfcn.h>
#endif

namespace namp::cuda {
namespace {

void* open_library(const std::string& name, std::string& answer) {
#if defined(_WIN32)
  // Of a library that is named by its path, those that it needs lie beside it (cublasLt).
  const bool is_path = name.find_first_of("/\\") != std::string::npos;
  HMODULE handle =
      LoadLibraryExA(name.c_str(), nullptr, is_path ? LOAD_WITH_ALTERED_SEARCH_PATH : 0);
  if (handle == nullptr) {
    const auto error = static_cast<int>(GetLastError());
    answer = "error " + std::to_string(error) + ": " + std::system_category().message(error);
  }
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
