#include "record.h"

#include <cstdlib>
#include <istream>
#include <stdexcept>

#include "nampemu.h"

namespace gpu_report {
namespace {

// A line's fields: it is flat, and its strings have no escapes.
class Line {
 public:
  explicit Line(const std::string& text) : text_(text) {}

  std::string word(const char* field) const {
    const size_t at = find(field);
    const size_t end = at == std::string::npos ? at : text_.find('"', at + 1);
    if (end == std::string::npos || text_[at] != '"') fail(field);
    return text_.substr(at + 1, end - at - 1);
  }
  double number(const char* field) const {
    const size_t at = find(field);
    if (at == std::string::npos) fail(field);
    return std::strtod(text_.c_str() + at, nullptr);
  }

 private:
  size_t find(const char* field) const {
    const std::string key = std::string("\"") + field + "\": ";
    const size_t at = text_.find(key);
    return at == std::string::npos ? at : at + key.size();
  }
  [[noreturn]] void fail(const char* field) const {
    throw std::runtime_error(std::string("A record's line without ") + field + ": " + text_);
  }

  const std::string& text_;
};

Launch read_launch(const Line& line, const std::string& kind) {
  Launch launch;
  launch.kind = kind;
  const auto read = [&](std::initializer_list<std::pair<const char*, double*>> fields) {
    for (const auto& [name, to] : fields)
      *to = line.number(name);
  };
  if (kind == "product") {
    read({{"m", &launch.m},
          {"n", &launch.n},
          {"k", &launch.k},
          {"batch", &launch.batch},
          {"operand_bytes", &launch.operand_bytes},
          {"result_bytes", &launch.result_bytes},
          {"reads_result", &launch.reads_result},
          {"kept", &launch.kept}});
    return launch;
  }
  if (kind != "kernel") {
    launch.bytes = line.number("bytes");
    return launch;
  }
  launch.name = line.word("name");
  read({{"blocks", &launch.blocks},
        {"threads", &launch.threads},
        {"longest_warp", &launch.longest_warp},
        {"loaded_extent", &launch.loaded_extent},
        {"stored_extent", &launch.stored_extent},
        {"loaded", &launch.loaded},
        {"stored", &launch.stored},
        {"atomic", &launch.atomic},
        {"lines", &launch.lines},
        {"shared", &launch.shared},
        {"bank_conflicts", &launch.bank_conflicts},
        {"warp_instructions", &launch.warp_instructions},
        {"thread_instructions", &launch.thread_instructions},
        {"matrix_instructions", &launch.matrix_instructions},
        {"matrix_products", &launch.matrix_products},
        {"integer", &launch.by_class[NAMPEMU_INTEGER]},
        {"integer64", &launch.by_class[NAMPEMU_INTEGER64]},
        {"float", &launch.by_class[NAMPEMU_FLOAT]},
        {"float64", &launch.by_class[NAMPEMU_FLOAT64]},
        {"convert", &launch.by_class[NAMPEMU_CONVERT]},
        {"divide", &launch.by_class[NAMPEMU_DIVIDE]},
        {"move", &launch.by_class[NAMPEMU_MOVE]},
        {"memory", &launch.by_class[NAMPEMU_MEMORY]},
        {"control", &launch.by_class[NAMPEMU_CONTROL]},
        {"sync", &launch.by_class[NAMPEMU_SYNC]}});
  return launch;
}

}  // namespace

std::vector<Piece> read_record(std::istream& in) {
  std::vector<Piece> pieces;
  bool inside = false;
  for (std::string text; std::getline(in, text);) {
    const Line line(text);
    const std::string kind = line.word("kind");
    if (kind == "piece") {
      const std::string name = line.word("name");
      inside = !name.empty();
      if (inside) pieces.push_back({name, {}, {}});
    } else if (inside && kind == "floor") {
      pieces.back().floors.push_back(
          {line.word("name"), line.number("operations"), line.number("bytes")});
    } else if (inside) {
      // What goes to the host or comes from it is not the device's work.
      const bool host = kind == "copy" && line.number("from_device") + line.number("to_device") < 2;
      if (!host) pieces.back().launches.push_back(read_launch(line, kind));
    }
  }
  return pieces;
}

}  // namespace gpu_report
