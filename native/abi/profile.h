// Time by function of the interface: every wall() (wall.h) has its own slot.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace namp {

// The time of one function of the interface since the profile was started. Slots live as long as
// the process. The first measured call puts the function's slot on the list.
struct ProfileSlot {
  void list(const char* name) noexcept;

  std::atomic<bool> listed{false};
  const char* function = nullptr;  // set before it is on the list
  std::atomic<int64_t> calls{0};
  std::atomic<int64_t> nanoseconds{0};
  ProfileSlot* next = nullptr;
};

// A call pays only one relaxed load while nothing is measured.
extern std::atomic<bool> profiling;

// Times a scope, however it is left.
class ProfileScope {
 public:
  ProfileScope(ProfileSlot& slot, const char* function) noexcept
      : slot_(profiling.load(std::memory_order_relaxed) ? &slot : nullptr) {
    if (slot_ == nullptr) return;
    slot.list(function);
    start_ = std::chrono::steady_clock::now();
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;
  ~ProfileScope() {
    if (slot_ == nullptr) return;
    const auto elapsed = std::chrono::steady_clock::now() - start_;
    slot_->calls.fetch_add(1, std::memory_order_relaxed);
    slot_->nanoseconds.fetch_add(
        std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count(),
        std::memory_order_relaxed);
  }

 private:
  ProfileSlot* slot_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace namp
