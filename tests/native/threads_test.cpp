// Several threads on one device: each gets the same results as alone.
#include <atomic>
#include <exception>
#include <thread>

#include "backend_test.h"
#include "every_operator.h"

namespace namp_test {
namespace {

class ThreadsTest : public BackendTest {
 protected:
  static constexpr int kThreads = 4;

  Extent extent() const { return device_.is_gpu() ? Extent::kFew : Extent::kMany; }
  int rounds() const { return device_.is_gpu() ? 1 : 3; }

  // Runs body(thread) on all threads at once; an exception fails the test.
  void at_once(const std::function<void(int)>& body) {
    std::atomic<int> waiting{kThreads};
    std::vector<std::string> failures(kThreads);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        --waiting;
        while (waiting > 0)
          std::this_thread::yield();
        try {
          body(thread);
        } catch (const std::exception& error) {
          failures[static_cast<size_t>(thread)] = error.what();
        }
      });
    }
    for (std::thread& thread : threads)
      thread.join();
    for (const std::string& failure : failures)
      EXPECT_EQ(failure, "");
  }

  std::vector<Results> alone() {
    std::vector<Results> results;
    for (int thread = 0; thread < kThreads; ++thread) {
      results.push_back(run_every_operator(device_.handle(), seed(thread), extent()));
    }
    return results;
  }

  static uint64_t seed(int thread) { return static_cast<uint64_t>(thread) + 11; }
};

TEST_P(ThreadsTest, OnOneDeviceEachGetWhatItGetsAlone) {
  const std::vector<Results> expected = alone();
  std::vector<std::string> wrong(kThreads);
  at_once([&](int thread) {
    const auto own = static_cast<size_t>(thread);
    for (int round = 0; round < rounds(); ++round) {
      wrong[own] +=
          differences(expected[own], run_every_operator(device_.handle(), seed(thread), extent()));
    }
  });
  for (const std::string& names : wrong)
    EXPECT_EQ(names, "");
}

TEST_P(ThreadsTest, OnStreamsOfTheirOwnEachGetWhatItGetsAlone) {
  const std::vector<Results> expected = alone();
  std::vector<std::string> wrong(kThreads);
  at_once([&](int thread) {
    const auto own = static_cast<size_t>(thread);
    namp_stream stream = nullptr;
    if (namp_stream_create(&stream, device_.handle()) != NAMP_OK) {
      throw std::runtime_error(namp_last_error_message());
    }
    wrong[own] = differences(expected[own],
                             run_every_operator(device_.handle(), seed(thread), extent(), stream));
    if (namp_stream_destroy(device_.handle(), stream) != NAMP_OK) {
      throw std::runtime_error(namp_last_error_message());
    }
  });
  for (const std::string& names : wrong)
    EXPECT_EQ(names, "");
}

// One table of ones, which every call complements: after an even number of calls it is unchanged.
TEST_P(ThreadsTest, OnOneTableCallsFollowEachOther) {
  const int64_t count = 3 * kChunk;
  Buffer data(device_, NAMP_FLOAT32, std::vector<double>(static_cast<size_t>(count), 1.0));
  const int64_t counts[] = {count};
  const namp_cell cells[] = {data.cell()};
  auto description = make_args<namp_table_description>();
  description.column_count = 1;
  description.tensor_count = 1;
  description.counts = counts;
  description.cells = cells;
  namp_table* table = nullptr;
  ASSERT_EQ(namp_table_create(&table, device_, &description), NAMP_OK);
  constexpr int kCalls = 10;
  at_once([&](int) {
    const int32_t access = NAMP_ACCESS_READ_WRITE;
    for (int call = 0; call < kCalls; ++call) {
      if (namp_table_touch(nullptr, table, &access, nullptr) != NAMP_OK ||
          namp_table_set_column(table, 0, cells, nullptr) != NAMP_OK) {
        throw std::runtime_error(namp_last_error_message());
      }
    }
  });
  ASSERT_EQ(namp_stream_synchronize(device_, nullptr), NAMP_OK);
  static_assert(kThreads * kCalls % 2 == 0);
  EXPECT_TRUE(data.unchanged());
  EXPECT_EQ(namp_table_destroy(table), NAMP_OK);
}

TEST_P(ThreadsTest, WhileTheProfileCountsNothingIsLost) {
  constexpr int kCalls = 200;
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  at_once([&](int) {
    for (int call = 0; call < kCalls; ++call) {
      void* piece = nullptr;
      if (namp_memory_allocate(&piece, device_.handle(), 100 + call, NAMP_MEMORY_OTHER, nullptr) !=
              NAMP_OK ||
          namp_memory_free(device_.handle(), piece, nullptr) != NAMP_OK) {
        throw std::runtime_error(namp_last_error_message());
      }
    }
  });
  ASSERT_EQ(namp_profile_stop(), NAMP_OK);
  std::vector<namp_profile_entry> entries(256);
  int32_t count = 0;
  ASSERT_EQ(namp_profile_read(entries.data(), &count, 256), NAMP_OK);
  int64_t allocations = 0;
  for (int32_t i = 0; i < count; ++i) {
    const namp_profile_entry& entry = entries[static_cast<size_t>(i)];
    if (std::string(entry.function) == "namp_memory_allocate") allocations = entry.calls;
  }
  EXPECT_EQ(allocations, kThreads * kCalls);
}

NAMP_ON_EVERY_DEVICE(ThreadsTest);

}  // namespace
}  // namespace namp_test
