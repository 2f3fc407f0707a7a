#include "cpu/thread_pool.h"

#include <algorithm>
#include <chrono>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

#include "float_mode.h"
#include "forked.h"

namespace namp {
namespace {

// As long as it takes to wake a thread that sleeps: who waits no longer than that loses less than
// twice what the best choice would cost (docs/performance.md, "On a shared machine").
constexpr std::chrono::microseconds kLongestSpin{50};

// The parts of the words that threads wait for.
constexpr uint32_t kSleepers = 1u << 31;  // somebody sleeps, and is to be woken
constexpr uint32_t kWorkers = (1u << 11) - 1;
constexpr uint32_t kNumberStep = kWorkers + 1;
constexpr uint32_t kNumber = ~kSleepers & ~kWorkers;
static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) &&
              std::atomic<uint32_t>::is_always_lock_free);

// Lets the other thread of a core work.
inline void pause() noexcept {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// std::atomic's own wait yields before it sleeps, which on a busy machine gives the processor away for
// milliseconds. And on Windows that of libstdc++ misses a change between its last look and its sleep.
#if defined(__linux__)
void sleep_while(std::atomic<uint32_t>& word, uint32_t value) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake_all(std::atomic<uint32_t>& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}
#elif defined(_WIN32)
void sleep_while(std::atomic<uint32_t>& word, uint32_t value) noexcept {
  WaitOnAddress(&word, &value, sizeof(value), INFINITE);
}
void wake_all(std::atomic<uint32_t>& word) noexcept { WakeByAddressAll(&word); }
#else
void sleep_while(std::atomic<uint32_t>& word, uint32_t value) noexcept { word.wait(value); }
void wake_all(std::atomic<uint32_t>& word) noexcept { word.notify_all(); }
#endif

// Sleeps until done(), which changes when the word does.
template <class Done>
void sleep_until(std::atomic<uint32_t>& word, Done done) noexcept {
  for (uint32_t value = word.load(); !done(); value = word.load()) {
    if ((value & kSleepers) != 0 || word.compare_exchange_strong(value, value | kSleepers))
      sleep_while(word, value | kSleepers);
  }
}

// Whether this thread is the one that does the part of a run.
bool takes_part(std::atomic<uint32_t>& part, uint32_t order) noexcept {
  return part.load(std::memory_order_relaxed) == order &&
         part.compare_exchange_strong(order, 0, std::memory_order_acquire,
                                      std::memory_order_relaxed);
}

}  // namespace

// Spins for a while; false where done() stays false.
template <class Done>
bool ThreadPool::comes_soon(Done done) const noexcept {
  if (done()) return true;
  if (!spins_.load(std::memory_order_relaxed)) return false;
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 16; ++i) {
      pause();
      if (done()) return true;
    }
  } while (std::chrono::steady_clock::now() - start < kLongestSpin);
  return false;
}

ThreadPool::~ThreadPool() {
  if (threads_ == nullptr) return;
  if (is_forked()) {
    // They stayed with the parent: nothing is there to be joined.
    [[maybe_unused]] const auto* const lost = threads_.release();
    return;
  }
  publish(next_order(0));
  for (const std::unique_ptr<Worker>& worker : *threads_)
    worker->thread.join();
}

void ThreadPool::start(int threads) noexcept {
  try {
    if (threads_ == nullptr) threads_ = std::make_unique<std::vector<std::unique_ptr<Worker>>>();
    threads_->reserve(static_cast<size_t>(threads));
    while (static_cast<int>(threads_->size()) < threads) {
      const int number = static_cast<int>(threads_->size()) + 1;
      const uint32_t seen = order_.load(std::memory_order_relaxed) & ~kSleepers;
      auto worker = std::make_unique<Worker>();
      worker->thread =
          std::thread([this, &self = *worker, number, seen] { work(self, number, seen); });
      threads_->push_back(std::move(worker));
    }
  } catch (...) {
    // Fewer, then.
  }
}

uint32_t ThreadPool::next_order(uint32_t workers) const noexcept {
  const uint32_t number = (order_.load(std::memory_order_relaxed) & kNumber) + kNumberStep;
  return (number & kNumber) | workers;
}

void ThreadPool::publish(uint32_t order) noexcept {
  const uint32_t before = order_.exchange(order);
  if ((before & kSleepers) != 0) wake_all(order_);
}

void ThreadPool::work(Worker& self, int worker, uint32_t seen) noexcept {
  FloatControl::write(FloatControl::kDefault);
  while (true) {
    uint32_t now = 0;
    const auto is_new = [&] {
      now = order_.load(std::memory_order_acquire) & ~kSleepers;
      return now != seen;
    };
    if (!comes_soon(is_new)) sleep_until(order_, is_new);
    seen = now;
    const uint32_t workers = seen & kWorkers;
    if (workers == 0) return;
    // A thread that comes late may find another run's part, or none.
    if (static_cast<uint32_t>(worker) >= workers || !takes_part(self.part, seen)) continue;
    body_(context_, worker);
    if (working_.fetch_sub(1) == (kSleepers | 1)) wake_all(working_);
  }
}

void ThreadPool::run(int count, Body body, void* context) noexcept {
  int worker = 0;
  if (count > 1 && !taken_.exchange(true, std::memory_order_acquire)) {
    start(count - 1);
    const int helpers =
        std::min(count - 1, threads_ == nullptr ? 0 : static_cast<int>(threads_->size()));
    spins_.store(count <= processors_, std::memory_order_relaxed);
    body_ = body;
    context_ = context;
    working_.store(static_cast<uint32_t>(helpers), std::memory_order_relaxed);
    const uint32_t order = next_order(static_cast<uint32_t>(helpers) + 1);
    for (int i = 0; i < helpers; ++i)
      (*threads_)[static_cast<size_t>(i)]->part.store(order, std::memory_order_release);
    if (helpers > 0) publish(order);
    body(context, 0);
    for (worker = helpers + 1; worker < count; ++worker)
      body(context, worker);
    // From the last: the first are woken first.
    for (worker = helpers; worker > 0; --worker) {
      if (!takes_part((*threads_)[static_cast<size_t>(worker - 1)]->part, order)) continue;
      body(context, worker);
      working_.fetch_sub(1);
    }
    const auto is_done = [&] {
      return (working_.load(std::memory_order_acquire) & ~kSleepers) == 0;
    };
    if (!comes_soon(is_done)) sleep_until(working_, is_done);
    taken_.store(false, std::memory_order_release);
    return;
  }
  for (; worker < count; ++worker)
    body(context, worker);
}

}  // namespace namp
