#include "cpu/team_float_mode.h"

#include <atomic>

#include <omp.h>

namespace namp {

// The workers have to be asked: what they inherited when they were started, or were set to since,
// is known to them alone. They then wait for the region that follows, which so starts sooner.
TeamFloatMode::TeamFloatMode(int threads) : threads_(threads) {
  if (threads <= 1) return;
  std::atomic<bool> differs{false};
#pragma omp parallel num_threads(threads)
  {
    if (omp_get_thread_num() == 0) size_ = omp_get_num_threads();
    if (!FloatControl::is_default(FloatControl::read())) {
      differs.store(true, std::memory_order_relaxed);
    }
  }
  if (!differs) return;
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
