// In what order blocks and warps run, and what that finds.
#include "device_test.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace nampemu_test {
namespace {

class SeedTest : public DeviceTest {
 protected:
  void TearDown() override {
    nampemu_set_seed(0);
    DeviceTest::TearDown();
  }
  // Element k: when block k, or warp k of the one block, came.
  std::vector<uint32_t> arrivals(bool of_blocks, unsigned count) {
    const Buffer places(std::vector<uint32_t>(count, 99)), ticket(std::vector<uint32_t>{0});
    const std::string code = kernel(
        "mov.u32 %r3, %tid.x;\nand.b32 %r4, %r3, 31;\nsetp.ne.u32 %p1, %r4, 0;\n@%p1 bra DONE;\n" +
            std::string(of_blocks ? "mov.u32 %r1, %ctaid.x;\n" : "shr.u32 %r1, %r3, 5;\n") +
            "atom.global.add.u32 %r2, [%a1], 1;\nmul.wide.u32 %d1, %r1, 4;\nadd.u64 %d2, %a0, "
            "%d1;\n"
            "st.global.u32 [%d2], %r2;\nDONE:",
        2);
    EXPECT_EQ(run(code, {places.address(), ticket.address()}, of_blocks ? count : 1,
                  of_blocks ? 32 : 32 * count),
              CUDA_SUCCESS);
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    return places.read<uint32_t>();
  }
};

TEST_F(SeedTest, ASeedDrawsAnOrderForEachLaunch) {
  std::vector<uint32_t> in_turn(16);
  std::iota(in_turn.begin(), in_turn.end(), 0U);
  for (const bool of_blocks : {true, false}) {
    EXPECT_EQ(arrivals(of_blocks, 16), in_turn);
    std::set<std::vector<uint32_t>> drawn;
    for (const uint64_t seed : {1, 1, 2, 3}) {
      nampemu_set_seed(seed);
      std::vector<uint32_t> places = arrivals(of_blocks, 16);
      EXPECT_TRUE(drawn.insert(places).second) << "the same order again";
      EXPECT_NE(places, in_turn);
      std::sort(places.begin(), places.end());
      EXPECT_EQ(places, in_turn) << "each came once";
    }
    EXPECT_EQ(nampemu_set_seed(0), 3U);
    EXPECT_EQ(arrivals(of_blocks, 16), in_turn);
  }
}

// The second of two adds up what both wrote, but takes it that the second is the one with the higher number.
TEST_F(SeedTest, AnotherOrderFindsWhatTheUsualOneHides) {
  const std::string code = kernel(R"(
      mov.u32 %r1, %ctaid.x;
      mul.wide.u32 %d1, %r1, 4;
      add.u64 %d2, %a0, %d1;
      st.global.u32 [%d2], 5;
      membar.gl;
      atom.global.add.u32 %r2, [%a1], 1;
      membar.gl;
      setp.ne.u32 %p1, %r1, 1;
      @%p1 bra DONE;
      ld.global.v2.u32 {%r3, %r4}, [%a0];
      DONE:)",
                                  2);
  const auto finds = [&](uint64_t seed) {
    const Buffer parts(8), counter(std::vector<uint32_t>{0});
    nampemu_reset();
    nampemu_set_seed(seed);
    EXPECT_EQ(run(code, {parts.address(), counter.address()}, 2, 1), CUDA_SUCCESS);
    return nampemu_findings() != 0;
  };
  EXPECT_FALSE(finds(0));
  bool found = false;
  for (uint64_t seed = 1; seed <= 8; ++seed)
    found = finds(seed) || found;
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace nampemu_test
