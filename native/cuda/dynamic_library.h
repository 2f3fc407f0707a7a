// A shared library opened at run time: the driver and cuBLAS, which may be there or not.
#pragma once

#include <string>
#include <vector>

namespace namp::cuda {

class DynamicLibrary {
 public:
  // Opens the library that the environment variable names, if it is set; otherwise the first of the
  // names that can be opened. When none can, is_open() is false and tried() says what was tried and
  // what the system answered. A library that was opened stays open: drivers do not like to leave.
  DynamicLibrary(const char* variable, const std::vector<std::string>& names);

  bool is_open() const { return handle_ != nullptr; }
  const std::string& name() const { return name_; }
  const std::string& tried() const { return tried_; }

  // Null where the library has no such symbol.
  void* symbol(const char* name) const;

 private:
  void* handle_ = nullptr;
  std::string name_;
  std::string tried_;
};

}  // namespace namp::cuda
