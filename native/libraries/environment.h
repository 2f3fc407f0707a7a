// Variables of the process's environment.
#pragma once

#include <optional>
#include <string>

namespace namp {

// A variable's text in UTF-8; nothing where it is not set, or empty. On Windows this is what the
// process has now: the C library's copy does not see what .NET sets, and is not in UTF-8.
std::optional<std::string> environment_variable(const std::string& name);

}  // namespace namp
