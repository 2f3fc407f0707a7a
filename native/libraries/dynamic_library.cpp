#include "libraries/dynamic_library.h"

#if defined(_WIN32)
#include <filesystem>

#include "libraries/windows_text.h"
#else
#include <dlfcn.h>
#endif

namespace namp {
namespace {

#if defined(_WIN32)
void* open_library(const std::string& name, DynamicLibrary::How how, std::string& answer) {
  HMODULE handle = nullptr;
  if (how == DynamicLibrary::How::kIfLoaded) {
    GetModuleHandleExW(0, to_wide(name).c_str(), &handle);
  } else {
    // Never the current folder. Of a library that is named by its path, those that it needs lie
    // beside it (cublasLt).
    const bool is_path = name.find_first_of("/\\") != std::string::npos;
    std::error_code failure;  // then the path as it is
    const std::wstring wide = to_wide(name);
    const std::filesystem::path absolute =
        is_path ? std::filesystem::absolute(wide, failure).make_preferred()
                : std::filesystem::path();
    const std::wstring path = absolute.empty() ? wide : absolute.wstring();
    handle = LoadLibraryExW(
        path.c_str(), nullptr,
        LOAD_LIBRARY_SEARCH_DEFAULT_DIRS | (is_path ? LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR : 0));
  }
  if (handle == nullptr) answer = error_text(GetLastError());
  return reinterpret_cast<void*>(handle);
}
#else
void* open_library(const std::string& name, DynamicLibrary::How how, std::string& answer) {
  const int only_loaded = how == DynamicLibrary::How::kIfLoaded ? RTLD_NOLOAD : 0;
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | only_loaded);
  if (handle == nullptr) {
    const char* text = dlerror();
    answer = text != nullptr ? text : "not loaded";
  }
  return handle;
}
#endif

}  // namespace

DynamicLibrary::DynamicLibrary(const std::string& name, How how, std::string& answer)
    : handle_(open_library(name, how, answer)), name_(name) {}

void* DynamicLibrary::symbol(const char* name) const {
  if (handle_ == nullptr) return nullptr;
#if defined(_WIN32)
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), name));
#else
  return dlsym(handle_, name);
#endif
}

void* DynamicLibrary::symbol_of_process([[maybe_unused]] const char* name) {
#if defined(_WIN32)
  return nullptr;
#else
  return dlsym(RTLD_DEFAULT, name);
#endif
}

}  // namespace namp
