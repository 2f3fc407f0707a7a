#include "cpu/thread_count.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <omp.h>

#include "cpu/cpu_quota.h"
#include "forked.h"

namespace namp {
namespace {

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

}  // namespace

ThreadCount default_threads() {
  // OpenMP's own count respects the affinity that the process started with, also if OpenMP has
  // since bound this thread to one processor (OMP_PROC_BIND).
  const int32_t processors = std::max(1, omp_get_num_procs());
  ThreadCount least{processors, "one a processor"};
  const auto limit = [&](int32_t count, const std::string& reason) {
    if (count >= 1 && count < least.count) least = {count, reason};
  };
  const double quota = cpu_quota();
  if (quota > 0 && quota < 1024) {
    limit(static_cast<int32_t>(std::ceil(quota)), "a CPU quota of " + short_number(quota) + " on " +
                                                      std::to_string(processors) + " processors");
  }
  const char* asked = std::getenv("OMP_NUM_THREADS");
  limit(omp_get_max_threads(), asked != nullptr ? std::string("OMP_NUM_THREADS=") + asked
                                                : "omp_set_num_threads was called");
  least.count = std::min(least.count, 1024);
  return least;
}

int32_t available_threads(int32_t wanted) noexcept {
  if (wanted <= 1) return 1;
  if (is_forked() || omp_in_parallel() || omp_get_max_active_levels() < 1) return 1;
  return std::min(wanted, std::max(1, omp_get_thread_limit()));
}

std::string why_fewer(int32_t wanted) {
  const int32_t available = available_threads(wanted);
  if (available >= wanted) return "";
  if (is_forked()) return "a forked child has no OpenMP threads";
  if (omp_in_parallel()) return "one within a parallel region";
  if (omp_get_max_active_levels() < 1) return "OMP_MAX_ACTIVE_LEVELS is 0";
  return "OMP_THREAD_LIMIT is " + std::to_string(omp_get_thread_limit());
}

}  // namespace namp
