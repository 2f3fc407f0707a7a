#include "device/findings.h"

#include <cstdio>

namespace nampemu {

const char* kind_name(nampemu_kind kind) {
  static constexpr const char* names[NAMPEMU_KINDS] = {"out of bounds", "use after free",
                                                       "misaligned",    "unwritten read",
                                                       "race",          "barrier",
                                                       "launch limit",  "argument",
                                                       "no context",    "leak",
                                                       "bad PTX",       "hang",
                                                       "bad free",      "trap"};
  return kind < NAMPEMU_KINDS ? names[kind] : "unknown";
}

bool Findings::known(nampemu_kind kind, const std::string& place) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find({kind, place});
  if (found == places_.end()) return false;
  ++found->second.count;
  return true;
}

void Findings::add(nampemu_kind kind, const std::string& place, const std::string& text) {
  if (known(kind, place)) return;
  const std::lock_guard lock(mutex_);
  Finding finding{kind, std::string(kind_name(kind)) + ": " + text, 1};
  if (!quiet_) std::fprintf(stderr, "nampemu: %s\n", finding.text.c_str());
  const auto added = places_.try_emplace({kind, place}, std::move(finding)).first;
  all_.push_back(&added->second);
}

void Findings::reset() {
  const std::lock_guard lock(mutex_);
  all_.clear();
  places_.clear();
}

size_t Findings::size() const {
  const std::lock_guard lock(mutex_);
  return all_.size();
}

size_t Findings::size(nampemu_kind kind) const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const Finding* finding : all_)
    count += finding->kind == kind;
  return count;
}

const Finding* Findings::get(size_t index) const {
  const std::lock_guard lock(mutex_);
  return index < all_.size() ? all_[index] : nullptr;
}

}  // namespace nampemu
