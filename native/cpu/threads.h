// Threads of the CPU backend. Work is cut into blocks whose borders do not depend on the number of
// threads, so that results do not either.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <string>

#include "cpu/openmp.h"
#include "cpu/thread_count.h"
#include "cpu/thread_pool.h"
#include "forked.h"

namespace namp {

class Threads {
 public:
  // 0: the default number.
  explicit Threads(int32_t count = 0) { set(count); }

  void set(int32_t count) { wanted_ = thread_count(count); }

  // Has work done on the threads of oneDNN's OpenMP, where there is one, null else: two teams would
  // go to sleep and be woken in turns. It must outlive this.
  void share(const OpenMp* openmp) { openmp_ = openmp; }

  // The number of threads that work is spread over now: one in a forked child, whose threads stayed
  // with its parent.
  int32_t count() const { return is_forked() ? 1 : wanted_.count; }
  std::string reason() const {
    return is_forked() ? "a forked child works on one thread" : wanted_.reason;
  }

  // Calls body(begin, end) for [0, grain), [grain, 2 grain), … up to count, each once, on any
  // thread, in any order. An exception of the body (the first of several) is rethrown to the
  // caller; other blocks may or may not have run.
  template <class Body>
  void parallel_for(int64_t count, int64_t grain, Body&& body) const {
    const int64_t blocks = count <= 0 ? 0 : (count - 1) / grain + 1;
    const auto threads =
        static_cast<int>(blocks > 1 ? std::min<int64_t>(blocks, this->count()) : 1);
    if (threads <= 1) {
      for (int64_t block = 0; block < blocks; ++block) {
        body(block * grain, block == blocks - 1 ? count : (block + 1) * grain);
      }
      return;
    }
    std::exception_ptr failure;
    std::atomic<bool> failed{false};
    // A worker's blocks follow each other; the first workers have one more where they cannot all have
    // as many.
    const int64_t each = blocks / threads;
    const int64_t more = blocks % threads;
    auto part = [&](int64_t worker) {
      const int64_t first = worker * each + std::min(worker, more);
      const int64_t last = first + each + (worker < more ? 1 : 0);
      try {
        for (int64_t block = first; block < last; ++block)
          body(block * grain, block == blocks - 1 ? count : (block + 1) * grain);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    };
    using Part = decltype(part);
    const auto call = [](void* context, int worker) { (*static_cast<Part*>(context))(worker); };
    if (openmp_ == nullptr || !openmp_->run_workers(threads, call, &part))
      pool_.run(threads, call, &part);
    if (failure) std::rethrow_exception(failure);
  }

  // Cuts [0, count) into one run for each thread, and calls body(worker, begin, end) for each run
  // that is not empty. It is for work with scratch memory for each worker. The borders depend on
  // the number of threads, so nothing may be summed across items.
  template <class Body>
  void split(int64_t count, Body&& body) const {
    const int64_t workers = std::min<int64_t>(count, this->count());
    parallel_for(workers, 1, [&](int64_t worker, int64_t) {
      body(worker, count * worker / workers, count * (worker + 1) / workers);
    });
  }

 private:
  ThreadCount wanted_;
  const OpenMp* openmp_ = nullptr;
  mutable ThreadPool pool_;
};

}  // namespace namp
