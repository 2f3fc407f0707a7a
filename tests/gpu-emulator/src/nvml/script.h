// The emulated GPUs' answers, and when they change: see README.md of tests/gpu-emulator.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace nampnvml {

// A GPU's answers now. A value that is not there is answered with NVML_ERROR_NOT_SUPPORTED.
struct Answers {
  std::map<std::string, std::optional<uint64_t>> values;
  std::map<std::string, int> failures;                   // by function
  std::map<std::string, std::vector<uint64_t>> buffers;  // the driver's own samples, by kind
  bool lost = false;
};

// The start of a value: after a number of readings, or of milliseconds.
struct Line {
  uint64_t when = 0;
  bool is_time = false;
  int gpu = -1;  // all of them
  std::vector<std::string> words;
};

class Script {
 public:
  // Throws std::runtime_error with the line's number.
  explicit Script(const std::string& text);

  int gpus() const { return gpus_; }
  const std::vector<Line>& lines() const { return lines_; }

  // Changes answers as a line says.
  static void apply(const Line& line, Answers& answers);

 private:
  int gpus_ = 1;
  std::vector<Line> lines_;
};

}  // namespace nampnvml
