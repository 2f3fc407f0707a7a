// A process of its own for a test (child/main.cpp): what it printed, and how it ended.
#pragma once

#if defined(__linux__)

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <sys/wait.h>

namespace namp_test {

// A process's output, and how it ended.
struct Outcome {
  std::string output;
  int status = -1;

  // The values of the lines that begin with a word.
  std::vector<std::string> all(const std::string& word) const {
    std::vector<std::string> values;
    size_t begin = 0;
    for (size_t end; (end = output.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string line = output.substr(begin, end - begin);
      if (line.rfind(word + " ", 0) == 0) values.push_back(line.substr(word.size() + 1));
    }
    return values;
  }
  std::string one(const std::string& word) const {
    const auto values = all(word);
    return values.size() == 1 ? values[0] : "not one " + word + " in: " + output;
  }
};

// environment such as "OMP_THREAD_LIMIT=1". Variables of the test's own surroundings do not count, but
// for NATIVEAMP_TEST_CHILD: another build's program instead of this one's.
inline Outcome run(const std::string& environment, const std::string& arguments) {
  const std::string command =
      "env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT -u OMP_DYNAMIC -u OMP_MAX_ACTIVE_LEVELS "
      "-u OMP_PROC_BIND -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT " +
      environment + " ${NATIVEAMP_TEST_CHILD:-" NATIVEAMP_TEST_CHILD "} " + arguments + " 2>&1";
  Outcome result;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> part;
  for (size_t read; (read = fread(part.data(), 1, part.size(), pipe)) > 0;)
    result.output.append(part.data(), read);
  const int status = pclose(pipe);
  // A shell says 128 and the signal for a command that a signal ended.
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace namp_test

#endif
