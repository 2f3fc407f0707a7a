// Windows' functions take and give UTF-16; everything else here is UTF-8.
#pragma once

#include <string>

#include <windows.h>

namespace namp {

inline std::wstring to_wide(const std::string& utf8) {
  const auto length = static_cast<int>(utf8.size());
  std::wstring text(
      static_cast<size_t>(MultiByteToWideChar(CP_UTF8, 0, utf8.data(), length, nullptr, 0)), 0);
  MultiByteToWideChar(CP_UTF8, 0, utf8.data(), length, text.data(), static_cast<int>(text.size()));
  return text;
}

// Units that are no Unicode become U+FFFD.
inline std::string to_utf8(const std::wstring& wide) {
  const auto length = static_cast<int>(wide.size());
  std::string text(static_cast<size_t>(WideCharToMultiByte(CP_UTF8, 0, wide.data(), length, nullptr,
                                                           0, nullptr, nullptr)),
                   0);
  WideCharToMultiByte(CP_UTF8, 0, wide.data(), length, text.data(), static_cast<int>(text.size()),
                      nullptr, nullptr);
  return text;
}

// The system's text of an error, without a line end.
inline std::string error_text(DWORD error) {
  wchar_t text[512];
  DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr,
                                error, 0, text, static_cast<DWORD>(std::size(text)), nullptr);
  while (length > 0 && text[length - 1] <= L' ')
    --length;
  return "error " + std::to_string(error) +
         (length == 0 ? "" : ": " + to_utf8(std::wstring(text, length)));
}

}  // namespace namp
