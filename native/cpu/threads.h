// Threads of the CPU backend. Work is cut into blocks whose borders do not depend on the number of
// threads, so that results do not either.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <string>

#include "cpu/thread_count.h"
#include "float_mode.h"

namespace namp {

class Threads {
 public:
  // 0: default_threads().
  explicit Threads(int32_t count = 0) { set(count); }

  void set(int32_t count) {
    wanted_ = count > 0 ? ThreadCount{count, "as set"} : default_threads();
  }

  // The number of threads that work on this thread is spread over now.
  int32_t count() const { return available_threads(wanted_.count); }
  std::string reason() const {
    const std::string fewer = why_fewer(wanted_.count);
    return fewer.empty() ? wanted_.reason : fewer;
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
    std::atomic<bool>& met = met_other_mode;  // the calling thread's
#pragma omp parallel num_threads(threads)
    {
      const FloatMode mode(met);
#pragma omp for schedule(static) nowait
      for (int64_t block = 0; block < blocks; ++block) {
        try {
          body(block * grain, block == blocks - 1 ? count : (block + 1) * grain);
        } catch (...) {
#pragma omp critical(namp_parallel_for)
          if (!failure) failure = std::current_exception();
        }
      }
    }
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
};

}  // namespace namp
