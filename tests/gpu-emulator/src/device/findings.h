// The checkers' findings, each place once.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "nampemu.h"

namespace nampemu {

struct Finding {
  nampemu_kind kind;
  std::string text;
  uint64_t count = 1;
};

class Findings {
 public:
  // place tells apart what is one finding: the kernel and line, or the call. text is only taken for
  // a new one.
  void add(nampemu_kind kind, const std::string& place, const std::string& text);
  bool known(nampemu_kind kind, const std::string& place);  // counts it when it is
  void reset();
  size_t size() const;
  size_t size(nampemu_kind kind) const;
  const Finding* get(size_t index) const;
  void set_quiet(bool quiet) { quiet_ = quiet; }

 private:
  mutable std::mutex mutex_;
  std::vector<Finding*> all_;
  std::map<std::pair<nampemu_kind, std::string>, Finding> places_;
  bool quiet_ = false;
};

const char* kind_name(nampemu_kind kind);

}  // namespace nampemu
