#include "cpu/thread_count.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "cpu/cpu_quota.h"

namespace namp {
namespace {

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

// A variable that holds a number, or a list of them, of which the first counts; 0 where it does not.
int32_t number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return 0;
  char* end = nullptr;
  const long number = std::strtol(text, &end, 10);
  while (*end == ' ')
    ++end;
  const bool is_number = end != text && (*end == '\0' || *end == ',') && number > 0;
  return is_number ? static_cast<int32_t>(std::min(number, 1024L)) : 0;
}

}  // namespace

int32_t processors() noexcept {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
  return std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
}

ThreadCount thread_count(int32_t wanted) {
  const int32_t every = processors();
  ThreadCount least =
      wanted > 0 ? ThreadCount{wanted, "as set"} : ThreadCount{every, "one a processor"};
  const auto limit = [&](int32_t count, const std::string& reason) {
    if (count >= 1 && count < least.count) least = {count, reason};
  };
  if (wanted <= 0) {
    const double quota = cpu_quota();
    if (quota > 0 && quota < 1024) {
      limit(
          static_cast<int32_t>(std::ceil(quota)),
          "a CPU quota of " + short_number(quota) + " on " + std::to_string(every) + " processors");
    }
    const int32_t asked = number_in("OMP_NUM_THREADS");
    limit(asked, "OMP_NUM_THREADS=" + std::to_string(asked));
  }
  const int32_t most = number_in("OMP_THREAD_LIMIT");
  limit(most, "OMP_THREAD_LIMIT is " + std::to_string(most));
  least.count = std::min(least.count, 1024);
  return least;
}

}  // namespace namp
