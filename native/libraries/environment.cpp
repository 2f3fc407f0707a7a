#include "libraries/environment.h"

#if defined(_WIN32)
#include "libraries/windows_text.h"
#else
#include <cstdlib>
#endif

namespace namp {

std::optional<std::string> environment_variable(const std::string& name) {
#if defined(_WIN32)
  const std::wstring wide_name = to_wide(name);
  std::wstring text;
  // Another thread may change it in between.
  for (DWORD size = GetEnvironmentVariableW(wide_name.c_str(), nullptr, 0); size > text.size();) {
    text.resize(size);
    size = GetEnvironmentVariableW(wide_name.c_str(), text.data(), size);
    if (size < text.size()) {
      text.resize(size);
      break;
    }
  }
  if (text.empty()) return {};
  return to_utf8(text);
#else
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return {};
  return value;
#endif
}

}  // namespace namp
