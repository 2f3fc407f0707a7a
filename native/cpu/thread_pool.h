// The threads of one device: they start when they are first needed, wait for work, and end with the
// pool.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "cpu/thread_count.h"

namespace namp {

class ThreadPool {
 public:
  using Body = void (*)(void* context, int worker);

  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  // Calls body(context, worker) once for each worker below count (at most 1024): 0 on the calling
  // thread, every other on a thread of the pool, and returns when all are done. Where a thread has not
  // come when the caller is done with its own part, the caller takes that thread's too: on a busy machine
  // it may be tens of milliseconds until it has a processor. So it is where the threads are at work (for
  // another caller, or for the one that calls from a body), or the system has no more. body must not
  // throw.
  void run(int count, Body body, void* context) noexcept;

 private:
  // A thread, and the part that waits for it: the order it belongs to, until it or the caller takes it.
  struct Worker {
    alignas(64) std::atomic<uint32_t> part{0};
    std::thread thread;
  };

  void start(int threads) noexcept;
  void work(Worker& self, int worker, uint32_t seen) noexcept;
  uint32_t next_order(uint32_t workers) const noexcept;
  void publish(uint32_t order) noexcept;
  template <class Done>
  bool comes_soon(Done done) const noexcept;

  // The threads wait for this: the number of workers of a run, 0 for the end, and above it a number
  // that every run changes.
  alignas(64) std::atomic<uint32_t> order_{0};
  // The caller waits for this: how many parts of theirs are not done.
  alignas(64) std::atomic<uint32_t> working_{0};
  alignas(64) std::atomic<bool> taken_{false};
  Body body_ = nullptr;
  void* context_ = nullptr;
  std::unique_ptr<std::vector<std::unique_ptr<Worker>>> threads_;
  const int processors_ = processors();
  // Threads that wait for each other's processor would only hold it up.
  std::atomic<bool> spins_{true};
};

}  // namespace namp
