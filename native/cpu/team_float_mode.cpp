#include "cpu/team_float_mode.h"

#include <algorithm>
#include <atomic>

#include <omp.h>

namespace namp {
namespace {

// About a millisecond; checking the modes takes a thousandth of that.
constexpr double kLargeWork = 1 << 27;

// The largest number of threads whose modes this thread has checked.
constinit thread_local int asked = 1;

}  // namespace

// Only the workers know the mode that they inherited at their start, or were set to since.
TeamFloatMode::TeamFloatMode(int threads, double work) : threads_(threads), size_(threads) {
  if (threads <= 1) return;
  const bool known = threads <= asked && !met_other_mode.load(std::memory_order_relaxed);
  if (known && work < kLargeWork) return;
  asked = std::max(asked, threads);
  std::atomic<bool> differs{false};
#pragma omp parallel num_threads(threads)
  {
    if (omp_get_thread_num() == 0) size_ = omp_get_num_threads();
    if (!FloatControl::is_default(FloatControl::read())) {
      differs.store(true, std::memory_order_relaxed);
    }
  }
  if (!differs) return;
  met_other_mode.store(true, std::memory_order_relaxed);
  before_.assign(static_cast<size_t>(threads), FloatControl::kDefault);
#pragma omp parallel num_threads(threads)
  {
    before_[static_cast<size_t>(omp_get_thread_num())] = FloatControl::read();
    FloatControl::write(FloatControl::kDefault);
  }
}

TeamFloatMode::~TeamFloatMode() {
  if (before_.empty()) return;
#pragma omp parallel num_threads(threads_)
  FloatControl::write(before_[static_cast<size_t>(omp_get_thread_num())]);
}

}  // namespace namp
