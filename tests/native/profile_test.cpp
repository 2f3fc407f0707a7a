// namp_profile_*: calls are counted and timed by function, from start to stop.
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cells.h"
#include "nativeamp.h"

namespace {

std::map<std::string, namp_profile_entry> read_profile() {
  // Room for all: asking for the number first would be a call, which may add a function.
  std::vector<namp_profile_entry> entries(256);
  int32_t count = 0;
  EXPECT_EQ(namp_profile_read(entries.data(), &count, static_cast<int32_t>(entries.size())),
            NAMP_OK);
  EXPECT_LE(count, static_cast<int32_t>(entries.size()));
  entries.resize(static_cast<size_t>(count));
  std::map<std::string, namp_profile_entry> by_name;
  for (const auto& entry : entries)
    by_name[entry.function] = entry;
  return by_name;
}

int64_t calls_of_cast() {
  const auto profile = read_profile();
  const auto found = profile.find("namp_cast");
  return found == profile.end() ? 0 : found->second.calls;
}

class Profile : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(namp_device_open(&device_, NAMP_DEVICE_CPU, 0), NAMP_OK); }
  void TearDown() override {
    EXPECT_EQ(namp_profile_stop(), NAMP_OK);
    EXPECT_EQ(namp_device_close(device_), NAMP_OK);
  }
  int32_t cast(int64_t count) {
    return namp_test::cast(device_, namp_test::cell(half_.data(), NAMP_FLOAT16),
                           namp_test::cell(values_.data(), NAMP_FLOAT32), count);
  }

  namp_device* device_ = nullptr;
  std::vector<float> values_ = std::vector<float>(1 << 16, 1.0f);
  std::vector<uint16_t> half_ = std::vector<uint16_t>(1 << 16);
};

TEST_F(Profile, counts_and_times_every_call_between_start_and_stop) {
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(cast(1 << 16), NAMP_OK);
  ASSERT_EQ(namp_profile_stop(), NAMP_OK);
  ASSERT_EQ(cast(1 << 16), NAMP_OK);
  const auto profile = read_profile();
  ASSERT_EQ(profile.count("namp_cast"), 1u);
  EXPECT_EQ(profile.at("namp_cast").calls, 3);
  EXPECT_GT(profile.at("namp_cast").nanoseconds, 0);
  EXPECT_EQ(profile.count("namp_gemm"), 0u) << "what was not called is not listed";
}

TEST_F(Profile, counts_a_call_that_failed) {
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  EXPECT_EQ(cast(-1), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(calls_of_cast(), 1);
}

TEST_F(Profile, starts_from_zero_again) {
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  ASSERT_EQ(cast(1), NAMP_OK);
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  EXPECT_EQ(calls_of_cast(), 0);
  ASSERT_EQ(cast(1), NAMP_OK);
  EXPECT_EQ(calls_of_cast(), 1);
}

TEST_F(Profile, writes_no_more_than_there_is_room_for) {
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  ASSERT_EQ(cast(1), NAMP_OK);
  EXPECT_EQ(calls_of_cast(), 1);  // namp_profile_read is a second function that was called
  namp_profile_entry entries[2] = {{nullptr, 0, 0}, {nullptr, -1, -1}};
  int32_t count = 0;
  ASSERT_EQ(namp_profile_read(entries, &count, 1), NAMP_OK);
  EXPECT_GE(count, 2);
  EXPECT_NE(entries[0].function, nullptr);
  EXPECT_EQ(entries[1].calls, -1);
}

TEST_F(Profile, refuses_what_it_cannot_write_to) {
  int32_t count = 0;
  namp_profile_entry entry{};
  EXPECT_EQ(namp_profile_read(&entry, nullptr, 1), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_profile_read(nullptr, &count, 1), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_profile_read(&entry, &count, -1), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_STRNE(namp_last_error_message(), "");
}

}  // namespace
