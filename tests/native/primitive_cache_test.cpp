// The cache of objects that are slow to create.
#include <gtest/gtest.h>

#include "cpu/primitive_cache.h"

namespace {

using Cache = namp::PrimitiveCache<int>;

Cache::Key key_of(int64_t number) {
  Cache::Key key{};
  key[3] = number;
  return key;
}

TEST(PrimitiveCache, MakesOnceAndForgetsTheLeastRecentlyUsed) {
  Cache cache(3);
  int made = 0;
  const auto find = [&](int64_t number) {
    return *cache.find(key_of(number), [&] { return std::make_shared<int>(made++); });
  };
  EXPECT_EQ(find(10), 0);
  EXPECT_EQ(find(11), 1);
  EXPECT_EQ(find(12), 2);
  EXPECT_EQ(find(10), 0);  // now 11 is the oldest
  EXPECT_EQ(find(13), 3);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(find(10), 0);
  EXPECT_EQ(find(12), 2);
  EXPECT_EQ(find(11), 4);
}

TEST(PrimitiveCache, KeepsThatThereIsNone) {
  Cache cache(2);
  int asked = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(cache.find(key_of(1), [&] { return ++asked, nullptr; }), nullptr);
  }
  EXPECT_EQ(asked, 1);
}

// A value that was found stays usable after the cache has dropped it. A value that could not be
// created is requested again.
TEST(PrimitiveCache, ForgettingAndFailingLoseNothing) {
  Cache cache(1);
  const auto kept = cache.find(key_of(1), [] { return std::make_shared<int>(7); });
  cache.find(key_of(2), [] { return std::make_shared<int>(8); });
  EXPECT_EQ(*kept, 7);
  EXPECT_THROW(cache.find(key_of(3), []() -> std::shared_ptr<int> { throw 1; }), int);
  EXPECT_EQ(*cache.find(key_of(3), [] { return std::make_shared<int>(9); }), 9);
}

}  // namespace
