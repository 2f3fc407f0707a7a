// Family 3 and the scale's update against plain loops in double.
#include "support.h"

namespace test {
namespace {

namp_scaler_state scaler_of(float scale) {
  namp_scaler_state scaler{};
  scaler.scale = scale;
  scaler.inverse_scale = static_cast<float>(1.0 / static_cast<double>(scale));
  return scaler;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

TEST(UnscaleCheck, EveryLengthAlignmentAndDtype) {
  Device device;
  const namp_scaler_state scaler = scaler_of(1024.0f);
  for (int64_t n : lengths()) {
    for (int32_t dtype : kDtypes) {
      std::vector<float> norms;
      for (int32_t target : device.targets()) {
        for (int32_t threads : {1, 2, 3, 8}) {
          if (threads > 1 && n < kChunk) continue;
          device.use(target, threads);
          Buffer gradient(n, dtype, n % 5), unscaled(n, NAMP_FLOAT32, n % 3);
          gradient.fill_random(7, -3000, 3000);
          double squares = 0, largest = 0;
          for (int64_t i = 0; i < n; ++i) {
            squares += std::pow(gradient.get(i) / 1024.0, 2);
            largest = std::max(largest, std::fabs(gradient.get(i)));
          }
          Table table(device, {n}, {{cell(gradient), cell(unscaled)}});
          namp_optimizer_state state{};
          ASSERT_EQ(namp_unscale_check(table, 0, 1, &scaler, &state, 1, nullptr), NAMP_OK);
          EXPECT_EQ(state.found_inf, 0);
          EXPECT_EQ(state.unscaled, 1);
          EXPECT_EQ(state.first_non_finite_tensor, -1);
          EXPECT_NEAR(state.gradient_norm, std::sqrt(squares), 1e-6 * std::sqrt(squares));
          EXPECT_EQ(table.facts(0).non_finite_count, 0);
          EXPECT_EQ(table.facts(0).first_non_finite_index, -1);
          EXPECT_EQ(static_cast<double>(table.facts(0).largest_magnitude), largest);
          for (int64_t i = 0; i < n; ++i)
            ASSERT_EQ(unscaled.get(i), gradient.get(i) / 1024.0);
          ASSERT_TRUE(gradient.intact() && unscaled.intact());
          norms.push_back(state.gradient_norm);
        }
      }
      for (float norm : norms) {
        ASSERT_EQ(float_bits(norm), float_bits(norms[0])) << n << " dtype " << dtype;
      }
    }
  }
}

TEST(UnscaleCheck, FindsEveryNonFiniteElement) {
  Device device;
  const namp_scaler_state scaler = scaler_of(65536.0f);
  std::mt19937 engine(3);
  for (int32_t target : device.targets()) {
    for (int round = 0; round < 60; ++round) {
      device.use(target, 1 + round % 3);
      const int32_t dtype = kDtypes[round % 3];
      Buffer a(1 + engine() % 200, dtype, round % 4), b(1 + engine() % (3 * kChunk), dtype, 1);
      a.fill_random(1, -1, 1);
      b.fill_random(2, -1, 1);
      Buffer* bad = round % 2 != 0 ? &a : &b;
      int64_t first = bad->count(), count = 0;
      for (int k = 0; k <= round % 4; ++k) {
        const auto at = static_cast<int64_t>(engine()) % bad->count();
        const double values[] = {INFINITY, -INFINITY, INFINITY};
        if (std::isfinite(bad->get(at))) count++;
        if (k == 3) {
          bad->set_bits(at, dtype == NAMP_FLOAT32 ? 0x7fc00001u : 0x7fc1u);
        } else {
          bad->set(at, values[k]);
        }
        first = std::min(first, at);
      }
      double largest = 0;
      for (int64_t i = 0; i < bad->count(); ++i) {
        if (std::isfinite(bad->get(i))) largest = std::max(largest, std::fabs(bad->get(i)));
      }
      const auto before = bad->bytes();
      Table table(device, {0, a.count(), 5, b.count()},
                  {{{nullptr, 0, 0}}, {cell(a)}, {{nullptr, 0, 0}}, {cell(b)}});
      namp_optimizer_state state{};
      ASSERT_EQ(namp_unscale_check(table, 0, -1, &scaler, &state, 1, nullptr), NAMP_OK);
      const int64_t tensor = bad == &a ? 1 : 3;
      EXPECT_EQ(state.found_inf, 1);
      EXPECT_EQ(state.unscaled, 0);
      EXPECT_EQ(state.first_non_finite_tensor, tensor);
      EXPECT_EQ(state.non_finite_count, count);
      EXPECT_FALSE(std::isfinite(state.gradient_norm));
      EXPECT_EQ(table.facts(tensor).non_finite_count, count);
      EXPECT_EQ(table.facts(tensor).first_non_finite_index, first);
      EXPECT_EQ(static_cast<double>(table.facts(tensor).largest_magnitude), largest);
      EXPECT_EQ(table.facts(4 - tensor).non_finite_count, 0);
      EXPECT_EQ(bad->bytes(), before);
    }
  }
}

TEST(UnscaleCheck, InPlaceKeepsBitsAtScaleOneAndWritesEvenOnOverflow) {
  Device device;
  for (int32_t target : device.targets()) {
    device.use(target, 2);
    for (int32_t dtype : kDtypes) {
      Buffer gradient(100, dtype, 1);
      gradient.fill_random(4, -50, 50);
      gradient.set(40, INFINITY);
      const auto before = gradient.bytes();
      Table table(device, {100}, {{cell(gradient)}});
      namp_optimizer_state state{};
      ASSERT_EQ(namp_unscale_check(table, 0, 0, nullptr, &state, 1, nullptr), NAMP_OK);
      EXPECT_EQ(gradient.bytes(), before);
      const namp_scaler_state scaler = scaler_of(3.0f);
      std::vector<double> old;
      for (int64_t i = 0; i < 100; ++i)
        old.push_back(gradient.get(i));
      ASSERT_EQ(namp_unscale_check(table, 0, 0, &scaler, &state, 1, nullptr), NAMP_OK);
      EXPECT_EQ(state.found_inf, 1);
      for (int64_t i = 0; i < 100; ++i) {
        const float product =
            static_cast<float>(old[static_cast<size_t>(i)]) * scaler.inverse_scale;
        ASSERT_EQ(gradient.bits(i), encode(static_cast<double>(product), dtype));
      }
      EXPECT_TRUE(gradient.intact());
    }
  }
}

TEST(UnscaleCheck, SeveralTablesAddUpAndABadScaleIsAnOverflow) {
  Device device;
  Buffer a(1000, NAMP_FLOAT32), b(500, NAMP_FLOAT16);
  a.fill_random(1, -1, 1);
  b.fill_random(2, -1, 1);
  double squares = 0;
  for (int64_t i = 0; i < 1000; ++i)
    squares += a.get(i) * a.get(i);
  for (int64_t i = 0; i < 500; ++i)
    squares += b.get(i) * b.get(i);
  Table first(device, {1000}, {{cell(a)}}), second(device, {500}, {{cell(b)}});
  namp_optimizer_state state{};
  state.found_inf = 1;  // of the step before
  ASSERT_EQ(namp_unscale_check(first, 0, -1, nullptr, &state, 1, nullptr), NAMP_OK);
  ASSERT_EQ(namp_unscale_check(second, 0, -1, nullptr, &state, 0, nullptr), NAMP_OK);
  EXPECT_EQ(state.found_inf, 0);
  EXPECT_NEAR(state.gradient_norm, std::sqrt(squares), 1e-6 * std::sqrt(squares));
  for (float inverse : {INFINITY, -INFINITY, std::nanf("")}) {
    namp_scaler_state scaler = scaler_of(1.0f);
    scaler.inverse_scale = inverse;
    ASSERT_EQ(namp_unscale_check(first, 0, -1, &scaler, &state, 1, nullptr), NAMP_OK);
    EXPECT_EQ(state.found_inf, 1);
    EXPECT_EQ(state.non_finite_count, 0);
  }
}

// A second implementation of the rules in nativeamp.h, in another shape: overflows in a row and
// good steps in a row.
TEST(ScalerUpdate, FollowsItsRules) {
  Device device;
  std::mt19937 engine(11);
  for (int round = 0; round < 200; ++round) {
    namp_scaler_options options{};
    options.struct_size = sizeof(options);
    options.growth_interval = 1 + static_cast<int32_t>(engine() % 5);
    options.growth_factor = round % 7 == 0 ? 1.0 : 2.0;
    options.backoff_factor = round % 5 == 0 ? 1.0 : 0.5;
    options.minimum_scale = round % 3 == 0 ? 1.0f : 0.0f;
    options.maximum_scale = round % 2 == 0 ? 65536.0f : INFINITY;
    options.hysteresis = 1 + static_cast<int32_t>(engine() % 3);
    options.hysteresis_refill = round % 2;
    namp_scaler_state state = scaler_of(round % 4 == 0 ? 0x1p127f : 256.0f);
    state.hysteresis_left = options.hysteresis;
    double scale = static_cast<double>(state.scale);
    int good = 0, tolerated = options.hysteresis, skipped = 0, in_a_row = 0;
    for (int step = 1; step <= 300; ++step) {
      const bool overflow = engine() % (round % 2 != 0 ? 3 : 10) == 0;
      namp_optimizer_state quiet{}, loud{};
      loud.found_inf = overflow ? 2 : 0;
      namp_optimizer_state* states[] = {&quiet, &loud};
      ASSERT_EQ(namp_scaler_update(device, &state, states, 2, &options, nullptr), NAMP_OK);
      if (overflow) {
        skipped++;
        in_a_row++;
        good = 0;
        if (--tolerated <= 0) {
          tolerated = 0;
          scale = std::max(static_cast<double>(options.minimum_scale),
                           static_cast<double>(static_cast<float>(scale * options.backoff_factor)));
        }
      } else {
        in_a_row = 0;
        if (options.hysteresis_refill != 0) tolerated = options.hysteresis;
        if (++good == options.growth_interval) {
          good = 0;
          tolerated = options.hysteresis;
          const double grown = scale * options.growth_factor;
          if (grown <= 0x1.fffffep127 && grown <= static_cast<double>(options.maximum_scale)) {
            scale = grown;
          }
        }
      }
      ASSERT_TRUE(same(static_cast<double>(state.scale), scale)) << round << " step " << step;
      ASSERT_EQ(float_bits(state.inverse_scale), float_bits(static_cast<float>(1.0 / scale)));
      ASSERT_EQ(state.growth_tracker, good);
      ASSERT_EQ(state.hysteresis_left, tolerated);
      ASSERT_EQ(state.steps, step);
      ASSERT_EQ(state.skipped_steps, skipped);
      ASSERT_EQ(state.consecutive_skips, in_a_row);
      ASSERT_EQ(state.found_inf, overflow ? 1 : 0);
    }
  }
}

}  // namespace
}  // namespace test
