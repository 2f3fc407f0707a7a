// printf into a string.
#pragma once

#include <string>

namespace gpu_report {

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
std::string
format(const char* pattern, ...);

}  // namespace gpu_report
