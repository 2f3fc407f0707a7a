// Work spread over threads: every block once, by whichever threads there are, and errors come back.
#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include <gtest/gtest.h>

#include "cpu/threads.h"

namespace namp_test {
namespace {

using namp::Threads;

// How often each element of [0, count) was worked on.
std::vector<int> visits(const Threads& threads, int64_t count, int64_t grain) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
  threads.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      ++seen[static_cast<size_t>(i)];
  });
  return {seen.begin(), seen.end()};
}

TEST(ThreadPoolTest, EveryElementIsWorkedOnOnce) {
  for (const int32_t count : {1, 2, 3, 7, 64}) {
    const Threads threads(count);
    for (const int64_t elements : {0, 1, 2, 5, 63, 64, 65, 1000}) {
      for (const int64_t grain : {1, 2, 7, 2000}) {
        EXPECT_EQ(visits(threads, elements, grain),
                  std::vector<int>(static_cast<size_t>(elements), 1))
            << count << " threads, " << elements << " elements by " << grain;
      }
    }
  }
}

// Scratch memory of a worker lies near it, and pages that a thread wrote first are on its node.
TEST(ThreadPoolTest, AThreadHasOneRunOfBlocksAndTheCallerTheFirst) {
  const Threads threads(3);
  std::mutex mutex;
  std::vector<std::thread::id> by(8);
  std::atomic<int> begun{0};
  threads.parallel_for(8, 1, [&](int64_t begin, int64_t) {
    {
      const std::lock_guard lock(mutex);
      by[static_cast<size_t>(begin)] = std::this_thread::get_id();
    }
    if (begin != 0 && begin != 3 && begin != 6) return;
    // The caller would do the part of a thread that has not come.
    ++begun;
    while (begun != 3)
      std::this_thread::yield();
  });
  EXPECT_EQ(by[0], std::this_thread::get_id());
  EXPECT_EQ(std::set<std::thread::id>(by.begin(), by.end()).size(), 3u);
  for (const auto& [first, last] : {std::pair{0, 2}, {3, 5}, {6, 7}}) {
    for (int block = first; block <= last; ++block)
      EXPECT_EQ(by[static_cast<size_t>(block)], by[static_cast<size_t>(first)]) << block;
  }
}

TEST(ThreadPoolTest, WorkersAreNumberedAndHaveThePartsOfTheirNumbers) {
  const Threads threads(4);
  std::vector<std::array<int64_t, 2>> parts(4);
  threads.split(10, [&](int64_t worker, int64_t begin, int64_t end) {
    parts[static_cast<size_t>(worker)] = {begin, end};
  });
  EXPECT_EQ(parts, (std::vector<std::array<int64_t, 2>>{{0, 2}, {2, 5}, {5, 7}, {7, 10}}));
}

TEST(ThreadPoolTest, AnExceptionOfAnyThreadReachesTheCallerAndThreadsGoOn) {
  const Threads threads(3);
  for (int64_t bad = 0; bad < 9; ++bad) {
    EXPECT_THROW(threads.parallel_for(9, 1,
                                      [&](int64_t begin, int64_t) {
                                        if (begin == bad) throw std::out_of_range("bad");
                                      }),
                 std::out_of_range)
        << bad;
    EXPECT_EQ(visits(threads, 9, 1), std::vector<int>(9, 1));
  }
}

TEST(ThreadPoolTest, AThreadThatIsAtWorkDoesWhatItCallsAlone) {
  const Threads threads(3);
  std::atomic<int> inner{0};
  std::atomic<bool> alone{true};
  threads.parallel_for(3, 1, [&](int64_t, int64_t) {
    const auto self = std::this_thread::get_id();
    threads.parallel_for(5, 1, [&](int64_t, int64_t) {
      ++inner;
      if (std::this_thread::get_id() != self) alone = false;
    });
  });
  EXPECT_EQ(inner, 15);
  EXPECT_TRUE(alone);
}

TEST(ThreadPoolTest, CallersAtOnceEachGetAllOfTheirWorkDone) {
  const Threads threads(3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        const std::vector<int> seen = visits(threads, 20, 1);
        wrong += static_cast<int>(20 - std::count(seen.begin(), seen.end(), 1));
      }
    });
  }
  for (std::thread& caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

#if defined(__linux__)
// On one processor the caller is done before the others come, which then find no part, that of the next
// run, or the end.
TEST(ThreadPoolTest, APartWhoseThreadDoesNotComeIsTheCallers) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int processor = 0; processor < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++processor) {
    if (CPU_ISSET(processor, &all)) CPU_SET(processor, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  int64_t by_caller = 0;
  {
    const Threads threads(4);
    const auto caller = std::this_thread::get_id();
    for (int round = 0; round < 2000; ++round) {
      std::array<std::thread::id, 4> by{};
      threads.split(4, [&](int64_t worker, int64_t, int64_t) {
        EXPECT_EQ(by[static_cast<size_t>(worker)], std::thread::id()) << round;
        by[static_cast<size_t>(worker)] = std::this_thread::get_id();
      });
      EXPECT_EQ(std::count(by.begin(), by.end(), std::thread::id()), 0) << round;
      by_caller += std::count(by.begin() + 1, by.end(), caller);
    }
  }
  EXPECT_GT(by_caller, 0);
  sched_setaffinity(0, sizeof(all), &all);
}
#endif

TEST(ThreadPoolTest, TheNumberOfThreadsMayChangeBetweenCalls) {
  Threads threads(2);
  for (int round = 0; round < 50; ++round) {
    for (const int32_t count : {5, 1, 3, 2}) {
      threads.set(count);
      EXPECT_EQ(threads.count(), count);
      EXPECT_EQ(visits(threads, 17, 2), std::vector<int>(17, 1));
    }
  }
}

// Long enough apart that they sleep, and at once, that they spin.
TEST(ThreadPoolTest, ThreadsWakeAgain) {
  const Threads threads(2);
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(visits(threads, 4, 1), std::vector<int>(4, 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 4));
  }
  for (int round = 0; round < 20000; ++round) {
    int64_t sum[2] = {0, 0};
    threads.split(2, [&](int64_t worker, int64_t begin, int64_t) { sum[worker] = begin + 1; });
    ASSERT_EQ(sum[0] + sum[1], 3) << round;
  }
}

TEST(ThreadPoolTest, PoolsThatNobodyUsedEndToo) {
  for (int round = 0; round < 100; ++round) {
    const Threads threads(3);
    if (round % 2 == 0) {
      EXPECT_EQ(visits(threads, 3, 1), std::vector<int>(3, 1));
    }
  }
}

}  // namespace
}  // namespace namp_test
