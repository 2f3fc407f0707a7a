#include "cpu/team_float_mode.h"

#include <algorithm>
#include <atomic>

namespace namp {
namespace {

// About a millisecond; checking the modes takes a thousandth of that.
constexpr double kLargeWork = 1 << 27;

// The largest number of threads whose modes this thread has checked.
constinit thread_local int asked = 1;

// Calls body() on each thread of a region.
template <class Body>
void on_each(const OpenMp& openmp, int threads, Body body) {
  openmp.run(
      threads, [](void* context) { (*static_cast<Body*>(context))(); }, &body);
}

}  // namespace

// Only the workers know the mode that they inherited at their start, or were set to since.
TeamFloatMode::TeamFloatMode(const OpenMp& openmp, int threads, double work)
    : openmp_(openmp), threads_(threads), size_(threads) {
  if (threads <= 1) return;
  const bool known = threads <= asked && !openmp.is_shared() && !met_other_mode;
  if (known && work < kLargeWork) return;
  asked = std::max(asked, threads);
  std::atomic<bool> differs{false};
  on_each(openmp, threads, [&] {
    if (openmp.thread() == 0) size_ = openmp.region_size();
    if (!FloatControl::is_default(FloatControl::read())) {
      differs.store(true, std::memory_order_relaxed);
    }
  });
  if (!differs) return;
  met_other_mode = true;
  before_.assign(static_cast<size_t>(threads), FloatControl::kDefault);
  on_each(openmp, threads, [&] {
    before_[static_cast<size_t>(openmp.thread())] = FloatControl::read();
    FloatControl::write(FloatControl::kDefault);
  });
}

TeamFloatMode::~TeamFloatMode() {
  if (before_.empty()) return;
  on_each(openmp_, threads_,
          [&] { FloatControl::write(before_[static_cast<size_t>(openmp_.thread())]); });
}

}  // namespace namp
