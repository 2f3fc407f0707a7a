// Time by function of the interface: every wall() (wall.h) has a slot of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace namp {

// What one function of the interface took since the profile was started. Slots live as long as the
// process; the first call that is measured puts the function's slot on the list.
struct ProfileSlot {
  void list(const char* name) noexcept;

  std::atomic<bool> listed{false};
  const char* function = nullptr;  // set before it is on the list
  std::atomic<int64_t> calls{0};
  std::atomic<int64_t> nanoseconds{0};
  ProfileSlot* next = nullptr;
};

// One relaxed load is all that a call pays while nobody measures.
extern std::atomic<bool> profiling;

// Times a scope, on whatever way it is left.
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
