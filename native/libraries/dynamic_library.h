// A shared library opened at run time. It stays open: drivers do not like to leave.
#pragma once

#include <string>

namespace namp {

class DynamicLibrary {
 public:
  enum class How {
    kOpen,
    kIfLoaded,  // only where the process has it already
  };

  DynamicLibrary() = default;

  // Opens the library of this name or path. Where that fails, is_open() is false, and answer is what
  // the system said.
  DynamicLibrary(const std::string& name, How how, std::string& answer);

  bool is_open() const { return handle_ != nullptr; }
  void* handle() const { return handle_; }
  const std::string& name() const { return name_; }

  // Null where the library has no such symbol.
  void* symbol(const char* name) const;

  // The symbol that all of the process sees by this name; null where there is none, and on Windows,
  // where there is no such thing.
  static void* symbol_of_process(const char* name);

  // Gives the function of this name its type; false, and null, where there is none.
  template <class Pointer>
  bool bind(Pointer& pointer, const char* name) const {
    pointer = reinterpret_cast<Pointer>(symbol(name));
    return pointer != nullptr;
  }

 private:
  void* handle_ = nullptr;
  std::string name_;
};

}  // namespace namp
