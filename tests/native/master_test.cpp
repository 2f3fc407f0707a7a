// Optimizers' steps over bfloat16 parameters: with remainders they have the bits of float32 masters;
// alone they are rounded after each step. rules_test.cpp and adam_test.cpp test the rules.
#include <cmath>

#include "adam_group.h"
#include "state_buffer.h"
#include "two_devices.h"

namespace namp_test {
namespace {

const StateLayout kMasterLayouts[] = {
    {NAMP_RULE_ADAM, {NAMP_FLOAT32, NAMP_FLOAT32}},
    {NAMP_RULE_ADAM, {NAMP_BFLOAT16, NAMP_BFLOAT16}},
    {NAMP_RULE_ADAM, {NAMP_BFLOAT16, NAMP_UINT8_DYNAMIC, NAMP_FLOAT32}},
    {NAMP_RULE_SGD, {}},
    {NAMP_RULE_SGD, {NAMP_BFLOAT16}},
    {NAMP_RULE_LION, {NAMP_INT8_DYNAMIC}},
};

uint32_t bits_of(float x) {
  uint32_t word = 0;
  std::memcpy(&word, &x, sizeof(word));
  return word;
}

// The nearest bfloat16, of two as near the one with the larger magnitude, and what is left.
uint32_t upper_of(uint32_t master) { return (master + 0x8000u) >> 16; }
uint32_t master_of(uint32_t upper, uint32_t remainder) {
  return (upper << 16) +
         static_cast<uint32_t>(static_cast<int32_t>(static_cast<int16_t>(remainder)));
}

// Numbers of every kind, and for the rest random ones.
std::vector<uint32_t> masters_of(int64_t n) {
  std::vector<uint32_t> all;
  for (double x : uniform_values(n, 7, -1, 1))
    all.push_back(bits_of(static_cast<float>(x)));
  const uint32_t special[] = {0,           0x80000000u, 1,           0x00008000u, 0x3f807fffu,
                              0x3f808000u, 0x3f818000u, 0xbf808000u, 0x3fffffffu, 0x7f7fffffu,
                              0xff7f8000u, 0x007fffffu, 0x807f8001u, 0x7f800000u};
  for (size_t i = 0; i < std::size(special) && i < all.size(); ++i)
    all[all.size() - 1 - i] = special[i];
  return all;
}

// One optimizer over one tensor.
class OneTensor {
 public:
  OneTensor(Device& device, const StateLayout& layout, int64_t n, int32_t parameter, int32_t copy,
            int64_t shift, int64_t remainder_shift = 0)
      : layout_(layout),
        p(device, parameter, zeros(n), shift),
        remainder(device, NAMP_BFLOAT16, zeros(n), remainder_shift),
        copy_(device, copy, n, shift),
        counts_(device, {0}),
        found(device) {
    for (int32_t dtype : layout.states)
      states_.push_back(std::make_unique<State>(device, dtype, n, shift));
  }

  int32_t step(Device& device, const Buffer& gradient, bool with_remainder, bool with_copy,
               int32_t rounding, const namp_scaler_state* scaler = nullptr) {
    std::vector<namp_cell> row{p.cell(), gradient.cell(), with_copy ? copy_.cell() : namp_cell{},
                               with_remainder ? cell(remainder.data(), NAMP_INT16) : namp_cell{}};
    for (const auto& state : states_)
      row.push_back(state->cell());
    Table table(device, {p.size()}, {row});
    namp_optimizer_group group =
        adam_group(0.01, 0.9, 0.999, 1e-8, 0, true, layout_.states.size() == 3);
    group.momentum = layout_.rule == NAMP_RULE_SGD && !layout_.states.empty() ? 0.9 : 0;
    auto args = make_args<namp_optimizer_args>();
    args.rule = layout_.rule;
    args.group_count = 1;
    args.groups = &group;
    args.columns = {0, 1, {-1, -1, -1}, 2, 3};
    for (size_t k = 0; k < states_.size(); ++k)
      args.columns.state[k] = static_cast<int32_t>(4 + k);
    args.weight_rounding = rounding;
    args.advance_step = 1;
    args.check_gradients = 1;
    args.seed = 11;
    args.steps = counts_.data();
    return namp_optimizer_step(table, &args, scaler, found.data(), nullptr);
  }

  std::vector<uint8_t> state_bytes() const {
    std::vector<uint8_t> all;
    for (const auto& state : states_) {
      const auto part = state->bytes();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  bool intact() const {
    bool all = p.intact() && remainder.intact() && copy_.intact();
    for (const auto& state : states_)
      all = all && state->intact();
    return all;
  }
  const Buffer& copy() const { return copy_; }

 private:
  static std::vector<double> zeros(int64_t n) {
    return std::vector<double>(static_cast<size_t>(n), 0.0);
  }
  StateLayout layout_;

 public:
  Buffer p, remainder;

 private:
  Buffer copy_;
  Steps counts_;
  std::vector<std::unique_ptr<State>> states_;

 public:
  Value<namp_optimizer_state> found;
};

class MasterTest : public BackendTest {};

TEST_P(MasterTest, WithRemaindersTheBitsAreThoseOfFloat32) {
  Value<namp_scaler_state> scaler(device_, scaler_of(64.0f));
  int turn = 0;
  for (const StateLayout& layout : kMasterLayouts) {
    for (const auto& [n, aligned] : kLengths) {
      const int32_t gradient_dtype = kFloats[++turn % 3];
      const int64_t shift = aligned ? 0 : 1 + turn % 3;
      const std::vector<uint32_t> start = masters_of(n);
      std::vector<uint8_t> first;
      for (const Setting& setting : device_.settings({1, 2})) {
        device_.use(setting);
        OneTensor split(device_, layout, n, NAMP_BFLOAT16, NAMP_FLOAT16, shift,
                        aligned ? 0 : shift + 1);
        OneTensor whole(device_, layout, n, NAMP_FLOAT32, NAMP_FLOAT16, 0);
        for (int64_t i = 0; i < n; ++i) {
          const uint32_t master = start[static_cast<size_t>(i)];
          whole.p.set_bits(i, master);
          split.p.set_bits(i, upper_of(master));
          split.remainder.set_bits(i, master & 0xffffu);
        }
        Buffer g(device_, gradient_dtype, n, aligned ? 0 : (turn + 1) % 4);
        for (int step = 0; step < 4; ++step) {
          g.set(uniform_values(n, static_cast<uint32_t>(step), -64, 64));
          if (step == 1) g.set(n / 2, kInfinity);  // a step that is skipped
          for (OneTensor* run : {&split, &whole}) {
            ASSERT_EQ(run->step(device_, g, run == &split, !aligned, turn % 2, scaler.data()),
                      NAMP_OK)
                << namp_last_error_message();
            ASSERT_EQ(run->found->found_inf, step == 1 ? 1 : 0);
          }
          for (int64_t i = 0; i < n; ++i) {
            const uint32_t master = whole.p.bits(i);
            ASSERT_EQ(master_of(split.p.bits(i), split.remainder.bits(i)), master)
                << i << " of " << n << ", rule " << layout.rule << ", step " << step << ", "
                << setting;
            ASSERT_EQ(split.p.bits(i), upper_of(master)) << i;
          }
          ASSERT_EQ(split.state_bytes(), whole.state_bytes());
          if (step != 1 && !aligned) {
            ASSERT_EQ(split.copy().bytes(), whole.copy().bytes());
          }
        }
        ASSERT_TRUE(split.intact());
        std::vector<uint8_t> now = split.p.bytes();
        const auto rest = split.remainder.bytes();
        now.insert(now.end(), rest.begin(), rest.end());
        if (first.empty()) first = now;
        ASSERT_EQ(first, now) << setting;
      }
    }
  }
}

TEST_P(MasterTest, ANanStaysOne) {
  for (uint32_t nan : {0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0xff800001u}) {
    OneTensor run(device_, {NAMP_RULE_SGD, {}}, 1, NAMP_BFLOAT16, NAMP_FLOAT16, 0);
    run.p.set_bits(0, nan >> 16 | 0x40u);
    run.remainder.set_bits(0, nan & 0xffffu);
    Buffer g(device_, NAMP_BFLOAT16, std::vector<double>{1.0});
    ASSERT_EQ(run.step(device_, g, true, false, 0), NAMP_OK) << namp_last_error_message();
    EXPECT_TRUE(std::isnan(run.p[0])) << std::hex << nan;
    EXPECT_EQ(run.remainder.bits(0), 0u);
  }
}

// The parameter is what a compute copy of a float32 parameter with its value would become.
TEST_P(MasterTest, WithoutMastersParametersAreRoundedAsCopiesAre) {
  int turn = 0;
  for (const StateLayout& layout : kMasterLayouts) {
    for (const auto& [n, aligned] : kLengths) {
      ++turn;
      const int64_t shift = aligned ? 0 : 1 + turn % 3;
      const int32_t dtype = !aligned && turn % 3 == 0 ? NAMP_FLOAT16 : NAMP_BFLOAT16;
      const int32_t gradient_dtype = turn % 2 == 0 ? dtype : kFloats[turn / 2 % 3];
      const int32_t rounding = turn % 4 == 0 ? NAMP_ROUND_NEAREST_EVEN : NAMP_ROUND_STOCHASTIC;
      std::vector<uint8_t> first;
      for (const Setting& setting : device_.settings({1, 2})) {
        device_.use(setting);
        OneTensor half(device_, layout, n, dtype, NAMP_BFLOAT16, shift);
        OneTensor wide(device_, layout, n, NAMP_FLOAT32, dtype, 0);
        half.p.set(uniform_values(n, 3, -1, 1));
        Buffer g(device_, gradient_dtype, n, aligned ? 0 : (turn + 1) % 4);
        for (int step = 0; step < 3; ++step) {
          for (int64_t i = 0; i < n; ++i)
            wide.p.set(i, half.p[i]);
          g.set(uniform_values(n, static_cast<uint32_t>(step), -1, 1));
          for (OneTensor* run : {&half, &wide}) {
            ASSERT_EQ(run->step(device_, g, false, run == &wide, rounding), NAMP_OK)
                << namp_last_error_message();
          }
          ASSERT_EQ(half.p.bytes(), wide.copy().bytes())
              << "rule " << layout.rule << ", " << n << " elements, step " << step << ", "
              << setting;
          ASSERT_EQ(half.state_bytes(), wide.state_bytes());
        }
        ASSERT_TRUE(half.intact());
        if (first.empty()) first = half.p.bytes();
        ASSERT_EQ(first, half.p.bytes()) << setting;
      }
    }
  }
}

// A step of 0.001 from 1 is less than half of bfloat16's last place there, 2^-8.
TEST_P(MasterTest, SmallStepsMoveParametersOnlyIfTheyAreRoundedStochastically) {
  constexpr int64_t kCount = 2048;
  constexpr int kSteps = 100;
  Buffer g(device_, NAMP_BFLOAT16, std::vector<double>(kCount, 0.1015625));
  const auto after = [&](int32_t dtype, bool with_remainder, int32_t rounding) {
    OneTensor run(device_, {NAMP_RULE_SGD, {}}, kCount, dtype, NAMP_FLOAT16, 0);
    run.p.set(std::vector<double>(kCount, 1.0));
    for (int step = 0; step < kSteps; ++step) {
      EXPECT_EQ(run.step(device_, g, with_remainder, false, rounding), NAMP_OK)
          << namp_last_error_message();
    }
    return run.p.values();
  };
  const double exact = after(NAMP_FLOAT32, false, NAMP_ROUND_NEAREST_EVEN)[0];
  EXPECT_NEAR(exact, 1 - kSteps * 0.01 * 0.1015625, 1e-5);
  EXPECT_EQ(after(NAMP_BFLOAT16, false, NAMP_ROUND_NEAREST_EVEN), std::vector<double>(kCount, 1.0));
  EXPECT_NEAR(after(NAMP_BFLOAT16, true, NAMP_ROUND_NEAREST_EVEN)[0], exact, 0x1p-9);
  // An element's deviation is at most sqrt(steps) times half of the last place; five of the mean's.
  double mean = 0;
  for (double x : after(NAMP_BFLOAT16, false, NAMP_ROUND_STOCHASTIC))
    mean += x / kCount;
  EXPECT_NEAR(mean, exact, 5 * std::sqrt(kSteps) * 0x1p-9 / std::sqrt(kCount));
}

TEST_P(MasterTest, RefusesRemaindersOfOtherParameters) {
  for (int32_t dtype : {NAMP_FLOAT32, NAMP_FLOAT16}) {
    OneTensor run(device_, {NAMP_RULE_SGD, {}}, 3, dtype, NAMP_FLOAT16, 0);
    Buffer g(device_, NAMP_BFLOAT16, std::vector<double>(3, 1.0));
    run.p.snapshot();
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, run.step(device_, g, true, false, 0),
                   {&run.p, &run.remainder});
    EXPECT_NE(std::string(namp_last_error_message()).find("parameter with a remainder"),
              std::string::npos);
  }
}

NAMP_ON_EVERY_DEVICE(MasterTest);

class MasterDevices : public TwoDevices {};

TEST_F(MasterDevices, GiveTheSameBits) {
  const int64_t n = kChunk + 3 * NAMP_BLOCK_ELEMENTS + 77;
  for (int32_t rule : {NAMP_RULE_ADAM, NAMP_RULE_SGD, NAMP_RULE_LION}) {
    for (bool split : {true, false}) {
      Twin& p = twin(NAMP_BFLOAT16, n, 1).random(1);
      Twin& remainder = twin(NAMP_BFLOAT16, n, 3).random(4);
      Twin& g = twin(NAMP_BFLOAT16, n, 3).random(2);
      const std::vector<double> zeros(static_cast<size_t>(n), 0.0);
      Twin& m = twin(NAMP_BFLOAT16, n, 5).set(zeros);
      Twin& v = twin(NAMP_FLOAT32, n, 1).set(zeros);
      run([&](Device& device, bool gpu) {
        Table table(device, {n},
                    {{p.on(gpu).cell(), g.on(gpu).cell(), m.on(gpu).cell(), v.on(gpu).cell(),
                      split ? cell(remainder.on(gpu).data(), NAMP_INT16) : namp_cell{}}});
        Steps counts(device, {0});
        Value<namp_optimizer_state> found(device);
        namp_optimizer_group group = adam_group(0.01, 0.9, 0.999, 1e-8, 0.05);
        group.momentum = rule == NAMP_RULE_SGD ? 0.9 : 0;
        auto args = make_args<namp_optimizer_args>();
        args.rule = rule;
        args.group_count = 1;
        args.groups = &group;
        args.columns = {0, 1, {2, 3, -1}, -1, 4};
        args.weight_rounding = NAMP_ROUND_STOCHASTIC;
        args.advance_step = 1;
        args.seed = 5;
        args.steps = counts.data();
        for (int step = 0; step < 3; ++step) {
          const int32_t result = namp_optimizer_step(table, &args, nullptr, found.data(), nullptr);
          if (result != NAMP_OK) return result;
        }
        return int32_t{NAMP_OK};
      });
      p.expect_same_bits("parameters");
      remainder.expect_same_bits("remainders");
      m.expect_same_bits("first states");
      v.expect_same_bits("second states");
      forget();
    }
  }
}

}  // namespace
}  // namespace namp_test
