#include "libraries/search.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace namp {
namespace {

std::mutex searches_mutex;
std::map<const VendorLibrary*, LibraryFound>& searches() {
  static auto& all = *new std::map<const VendorLibrary*, LibraryFound>;
  return all;
}

// As many as a message can list.
constexpr size_t kFewAttempts = 6;

DynamicLibrary open(const LibraryCandidate& candidate, std::string& answer) {
  std::string ignored;  // without it the library itself says what it lacks
  if (!candidate.companion.empty())
    DynamicLibrary(candidate.companion, DynamicLibrary::How::kOpen, ignored);
  return {candidate.place,
          candidate.if_loaded ? DynamicLibrary::How::kIfLoaded : DynamicLibrary::How::kOpen,
          answer};
}

}  // namespace

LibraryFound find_library(const VendorLibrary& library, int newest_major,
                          const LibraryAccepts& accepts) {
  std::vector<LibraryCandidate> candidates =
      library_candidates(library, Surroundings::of_process());
  if (newest_major > 0) {
    std::stable_partition(candidates.begin(), candidates.end(),
                          [&](const auto& each) { return each.major <= newest_major; });
  }
  LibraryFound found;
  std::vector<void*> refused;  // the same file has several names
  for (const LibraryCandidate& candidate : candidates) {
    LibraryAttempt attempt{candidate.place, candidate.nothing, false};
    if (attempt.failure.empty()) {
      const DynamicLibrary opened = open(candidate, attempt.failure);
      if (opened.is_open()) {
        const bool again =
            std::find(refused.begin(), refused.end(), opened.handle()) != refused.end();
        attempt.failure = again ? "the same library as before" : accepts(opened);
        attempt.opened = !again;
        if (attempt.failure.empty()) {
          found.library = opened;
        } else {
          refused.push_back(opened.handle());
        }
      }
    }
    found.attempts.push_back(std::move(attempt));
    if (found.library.is_open()) break;
  }
  const std::lock_guard lock(searches_mutex);
  searches()[&library] = found;
  return found;
}

LibraryFound last_search(const VendorLibrary& library) {
  const std::lock_guard lock(searches_mutex);
  return searches()[&library];
}

std::string LibraryFound::describe_failures() const {
  const bool any_opened =
      std::any_of(attempts.begin(), attempts.end(), [](const auto& each) { return each.opened; });
  const bool is_there = library.is_open();
  if (!is_there && !any_opened && attempts.size() > kFewAttempts)
    return "none is in any of " + std::to_string(attempts.size()) + " usual places";
  std::string text;
  for (const LibraryAttempt& each : attempts) {
    if (is_there && !each.opened) continue;
    if (each.failure.empty() || (any_opened && !each.opened)) continue;
    text += (text.empty() ? "" : "; ") + each.place + " (" + each.failure + ")";
  }
  return text;
}

}  // namespace namp
