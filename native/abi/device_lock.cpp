#include "abi/device_lock.h"

#include <algorithm>
#include <vector>

#include "abi/device.h"
#include "forked.h"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace namp {
namespace {

std::atomic<int32_t> generation{0};

// Never destroyed: finalizers may close devices while the process ends.
struct Registry {
  DeviceMutex mutex;
  std::vector<namp_device*> devices;
};
Registry& registry() {
  static Registry& once = *new Registry;
  return once;
}

}  // namespace

std::atomic<bool> DeviceMutex::forking{false};

int32_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

// Handlers around a fork, on the thread that forks.
class ForkGate {
 public:
  static void prepare() {
    if (depth++ > 0) return;
    gate().lock();
    DeviceMutex::forking = true;
    registry().mutex.lock_while_forking();
    for (namp_device* device : registry().devices) {
      device->mutex.lock_while_forking();
      device->pool.lock_for_fork();
    }
  }
  static void in_parent() {
    if (--depth == 0) open();
  }
  static void in_child() {
    if (--depth > 0) return;
    generation.fetch_add(1, std::memory_order_relaxed);
    open();
  }
  static std::mutex& gate() {
    static std::mutex& once = *new std::mutex;
    return once;
  }

 private:
  // How many of the handlers that watch_forks registered are at work: the first takes the locks, the
  // last gives them back.
  static constinit thread_local int depth;

  static void open() {
    for (namp_device* device : registry().devices) {
      device->pool.unlock_after_fork();
      device->mutex.unlock();
    }
    registry().mutex.unlock();
    DeviceMutex::forking = false;
    gate().unlock();
  }
};

constinit thread_local int ForkGate::depth = 0;

void DeviceMutex::wait_for_fork() const {
  // The fork waits for the holder, which must not wait for the fork.
  if (owner_.load(std::memory_order_relaxed) == this_thread()) return;
  const std::lock_guard lock(ForkGate::gate());
}

OpenDevices::Change::Change() { registry().mutex.lock(); }
OpenDevices::Change::~Change() { registry().mutex.unlock(); }

void OpenDevices::Change::add(namp_device* device) { registry().devices.push_back(device); }

void OpenDevices::Change::remove(namp_device* device) {
  auto& devices = registry().devices;
  devices.erase(std::remove(devices.begin(), devices.end(), device), devices.end());
}

#if defined(_WIN32)
void watch_forks() {}
#else
namespace {

int register_handlers() {
  return pthread_atfork(ForkGate::prepare, ForkGate::in_parent, ForkGate::in_child);
}

// Runs when the library is loaded, so that every later fork is seen.
[[maybe_unused]] const int registered = [] {
  // Create the registry now, not in the first fork.
  registry();
  ForkGate::gate();
  return register_handlers();
}();

std::atomic<bool> registered_again{false};

}  // namespace

void watch_forks() {
  if (!registered_again.exchange(true)) register_handlers();
}
#endif

}  // namespace namp
