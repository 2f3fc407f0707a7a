// One call at a time works with a device: its scratch memory, tables and kept primitives are safe
// from other threads while the lock is held. Calls that only use the memory pool or wait for the
// device do not take the lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

struct namp_device;

namespace namp {

// A recursive mutex (a signal handler may fork) that can be released in a forked child, where
// std::recursive_mutex would not find its owner.
class DeviceMutex {
 public:
  void lock() {
    if (forking.load(std::memory_order_relaxed)) wait_for_fork();
    lock_while_forking();
  }
  void unlock() {
    if (--depth_ != 0) return;
    owner_.store(nullptr, std::memory_order_relaxed);
    mutex_.unlock();
  }

 private:
  friend class ForkGate;

  // A fork waits until every device is free. Calls that begin meanwhile wait for the fork, or a
  // thread that makes one call after another would delay it for long.
  static std::atomic<bool> forking;
  void wait_for_fork() const;

  void lock_while_forking() {
    const void* const me = this_thread();
    if (owner_.load(std::memory_order_relaxed) != me) {
      mutex_.lock();
      owner_.store(me, std::memory_order_relaxed);
    }
    ++depth_;
  }

  static const void* this_thread() noexcept {
    static thread_local char here = 0;
    return &here;
  }

  std::mutex mutex_;
  std::atomic<const void*> owner_{nullptr};
  int32_t depth_ = 0;  // the owner's
};

// The open devices. A fork first takes their locks, so that the child finds them free and their
// data consistent.
class OpenDevices {
 public:
  // Holds forks (and other openings) off while a device is opened or closed.
  class Change {
   public:
    Change();
    ~Change();
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    void add(namp_device* device);
    void remove(namp_device* device);
  };
};

}  // namespace namp
