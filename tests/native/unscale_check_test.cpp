// Family 3 and the scale's update against plain loops in double.
#include "backend_test.h"

namespace namp_test {
namespace {

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

class UnscaleCheckTest : public BackendTest {};
class ScalerUpdateTest : public BackendTest {};

TEST_P(UnscaleCheckTest, EveryLengthAlignmentAndDtype) {
  Value<namp_scaler_state> scaler(device_, scaler_of(1024.0f));
  for (int64_t n : lengths()) {
    for (int32_t dtype : kFloats) {
      std::vector<float> norms;
      for (const Setting& setting : device_.settings({1, 2, 3, 8})) {
        if (setting.threads > 1 && n < kChunk) continue;
        device_.use(setting);
        Buffer gradient(device_, dtype, uniform_values(n, 7, -3000, 3000), n % 5);
        Buffer unscaled(device_, NAMP_FLOAT32, n, n % 3);
        double squares = 0, largest = 0;
        for (int64_t i = 0; i < n; ++i) {
          squares += std::pow(gradient[i] / 1024.0, 2);
          largest = std::max(largest, std::fabs(gradient[i]));
        }
        Table table(device_, {n}, {{gradient.cell(), unscaled.cell()}});
        Value<namp_optimizer_state> state(device_);
        ASSERT_EQ(namp_unscale_check(table, 0, 1, scaler.data(), state.data(), 1, nullptr),
                  NAMP_OK);
        EXPECT_EQ(state->found_inf, 0);
        EXPECT_EQ(state->unscaled, 1);
        EXPECT_EQ(state->first_non_finite_tensor, -1);
        EXPECT_NEAR(state->gradient_norm, std::sqrt(squares), 1e-6 * std::sqrt(squares));
        EXPECT_EQ(table.facts(0).non_finite_count, 0);
        EXPECT_EQ(table.facts(0).first_non_finite_index, -1);
        EXPECT_EQ(static_cast<double>(table.facts(0).largest_magnitude), largest);
        for (int64_t i = 0; i < n; ++i)
          ASSERT_EQ(unscaled[i], gradient[i] / 1024.0);
        ASSERT_TRUE(gradient.intact() && unscaled.intact());
        norms.push_back(state->gradient_norm);
      }
      for (float norm : norms)
        ASSERT_EQ(float_bits(norm), float_bits(norms[0])) << n << " dtype " << dtype;
    }
  }
}

// The upper half added to the lower, until one is left.
double halved(std::vector<double> sums) {
  while (sums.size() > 1) {
    const size_t half = sums.size() / 2;
    for (size_t j = 0; j < half; ++j)
      sums[j] += sums[j + half];
    sums.resize(half);
  }
  return sums[0];
}

// The sum that nativeamp's devices and SIMD targets agree on, of a chunk: the square of element i is
// added, by a fused multiply-add, to accumulator i % 1024, and these are halved in double.
double promised_sum(const Buffer& gradient, int64_t begin, int64_t count, float inverse_scale) {
  std::vector<float> lanes(1024, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    const float x = static_cast<float>(gradient[begin + i]) * inverse_scale;
    float& lane = lanes[static_cast<size_t>(i % 1024)];
    lane = multiplied_and_added(x, x, lane);
  }
  return halved({lanes.begin(), lanes.end()});
}

float promised_norm(const Buffer& gradient, float inverse_scale) {
  return static_cast<float>(std::sqrt(promised_sum(gradient, 0, gradient.size(), inverse_scale)));
}

// Powers of two that a sum of halves can be multiplied by afterwards, those that it cannot, and
// others; over rounding, subnormal halves, and lengths within and across whole rows.
TEST_P(UnscaleCheckTest, NormHasThePromisedBitsAtEveryScale) {
  for (const Setting& setting : device_.settings({1})) {
    device_.use(setting);
    for (int32_t dtype : kFloats) {
      for (int64_t n : {1, 129, 1000, 1100, 5000, 16384}) {
        std::vector<double> values = uniform_values(n, 5, -3, 3);
        for (int64_t i = 0; i < n; i += 3)
          values[static_cast<size_t>(i)] = std::ldexp(values[static_cast<size_t>(i)], -18);
        const Buffer gradient(device_, dtype, values, n % 3);
        Table table(device_, {n}, {{gradient.cell()}});
        for (float inverse : {1.0f, 0x1p-16f, 0x1p-50f, 0x1p-51f, 0x1p-75f, 0x1p45f, 0x1p46f,
                              1.0f / 3.0f, -0x1p-8f}) {
          namp_scaler_state state_of_scale = scaler_of(1.0f);
          state_of_scale.inverse_scale = inverse;
          Value<namp_scaler_state> scaler(device_, state_of_scale);
          Value<namp_optimizer_state> state(device_);
          ASSERT_EQ(namp_unscale_check(table, 0, -1, scaler.data(), state.data(), 1, nullptr),
                    NAMP_OK);
          ASSERT_EQ(float_bits(state->gradient_norm), float_bits(promised_norm(gradient, inverse)))
              << n << " dtype " << dtype << " times " << inverse;
        }
      }
    }
  }
}

// Chunk i is added to sum i % 128, and these are halved.
TEST_P(UnscaleCheckTest, ChunksAreAddedUpInThePromisedOrder) {
  constexpr int64_t kTensors = 300, kEach = 40;
  for (const Setting& setting : device_.settings({1, 3})) {
    device_.use(setting);
    const Buffer gradient(device_, NAMP_FLOAT32, uniform_values(kTensors * kEach, 7, -3, 3));
    std::vector<std::vector<namp_cell>> cells;
    std::vector<double> sums(128, 0.0);
    for (int64_t t = 0; t < kTensors; ++t) {
      namp_cell cell = gradient.cell();
      cell.data = static_cast<float*>(cell.data) + t * kEach;
      if (t == 100) {
        cell.data = nullptr;  // no gradient, and a place in the order all the same
      } else {
        sums[static_cast<size_t>(t % 128)] += promised_sum(gradient, t * kEach, kEach, 0.5f);
      }
      cells.push_back({cell});
    }
    Table table(device_, std::vector<int64_t>(kTensors, kEach), cells);
    Value<namp_scaler_state> scaler(device_, scaler_of(2.0f));
    Value<namp_optimizer_state> state(device_);
    ASSERT_EQ(namp_unscale_check(table, 0, -1, scaler.data(), state.data(), 1, nullptr), NAMP_OK)
        << namp_last_error_message();
    EXPECT_EQ(float_bits(state->gradient_norm),
              float_bits(static_cast<float>(std::sqrt(halved(sums)))));
  }
}

TEST_P(UnscaleCheckTest, FindsEveryNonFiniteElement) {
  Value<namp_scaler_state> scaler(device_, scaler_of(65536.0f));
  std::mt19937 engine(3);
  for (const Setting& setting : device_.settings({1, 2, 3})) {
    for (int round = 0; round < 20; ++round) {
      device_.use(setting);
      const int32_t dtype = kFloats[round % 3];
      const auto a_count = static_cast<int64_t>(1 + engine() % 200);
      const auto b_count = static_cast<int64_t>(1 + engine() % (3 * kChunk));
      Buffer a(device_, dtype, uniform_values(a_count, 1, -1, 1), round % 4);
      Buffer b(device_, dtype, uniform_values(b_count, 2, -1, 1), 1);
      Buffer* bad = round % 2 != 0 ? &a : &b;
      int64_t first = bad->size(), count = 0;
      for (int k = 0; k <= round % 4; ++k) {
        const auto at = static_cast<int64_t>(engine()) % bad->size();
        const double values[] = {kInfinity, -kInfinity, kInfinity};
        if (std::isfinite((*bad)[at])) count++;
        if (k == 3) {
          bad->set_bits(at, dtype == NAMP_FLOAT32 ? 0x7fc00001u : 0x7fc1u);
        } else {
          bad->set(at, values[k]);
        }
        first = std::min(first, at);
      }
      double largest = 0;
      for (int64_t i = 0; i < bad->size(); ++i) {
        if (std::isfinite((*bad)[i])) largest = std::max(largest, std::fabs((*bad)[i]));
      }
      const auto before = bad->bytes();
      Table table(device_, {0, a.size(), 5, b.size()},
                  {{namp_cell{}}, {a.cell()}, {namp_cell{}}, {b.cell()}});
      Value<namp_optimizer_state> state(device_);
      ASSERT_EQ(namp_unscale_check(table, 0, -1, scaler.data(), state.data(), 1, nullptr), NAMP_OK);
      const int64_t tensor = bad == &a ? 1 : 3;
      EXPECT_EQ(state->found_inf, 1);
      EXPECT_EQ(state->unscaled, 0);
      EXPECT_EQ(state->first_non_finite_tensor, tensor);
      EXPECT_EQ(state->non_finite_count, count);
      EXPECT_FALSE(std::isfinite(state->gradient_norm));
      EXPECT_EQ(table.facts(tensor).non_finite_count, count);
      EXPECT_EQ(table.facts(tensor).first_non_finite_index, first);
      EXPECT_EQ(static_cast<double>(table.facts(tensor).largest_magnitude), largest);
      EXPECT_EQ(table.facts(4 - tensor).non_finite_count, 0);
      EXPECT_EQ(bad->bytes(), before);
    }
  }
}

TEST_P(UnscaleCheckTest, InPlaceKeepsBitsAtScaleOneAndWritesEvenOnOverflow) {
  for (const Setting& setting : device_.settings({2})) {
    device_.use(setting);
    for (int32_t dtype : kFloats) {
      Buffer gradient(device_, dtype, uniform_values(100, 4, -50, 50), 1);
      gradient.set(40, kInfinity);
      const auto before = gradient.bytes();
      Table table(device_, {100}, {{gradient.cell()}});
      Value<namp_optimizer_state> state(device_);
      ASSERT_EQ(namp_unscale_check(table, 0, 0, nullptr, state.data(), 1, nullptr), NAMP_OK);
      EXPECT_EQ(gradient.bytes(), before);
      Value<namp_scaler_state> scaler(device_, scaler_of(3.0f));
      const std::vector<double> old = gradient.values();
      ASSERT_EQ(namp_unscale_check(table, 0, 0, scaler.data(), state.data(), 1, nullptr), NAMP_OK);
      EXPECT_EQ(state->found_inf, 1);
      for (int64_t i = 0; i < 100; ++i) {
        const float product =
            static_cast<float>(old[static_cast<size_t>(i)]) * scaler->inverse_scale;
        ASSERT_EQ(gradient.bits(i), encode(static_cast<double>(product), dtype));
      }
      EXPECT_TRUE(gradient.intact());
    }
  }
}

TEST_P(UnscaleCheckTest, SeveralTablesAddUpAndABadScaleIsAnOverflow) {
  Buffer a(device_, NAMP_FLOAT32, uniform_values(1000, 1, -1, 1));
  Buffer b(device_, NAMP_FLOAT16, uniform_values(500, 2, -1, 1));
  double squares = 0;
  for (const Buffer* buffer : {&a, &b}) {
    for (int64_t i = 0; i < buffer->size(); ++i)
      squares += (*buffer)[i] * (*buffer)[i];
  }
  Table first(device_, {1000}, {{a.cell()}}), second(device_, {500}, {{b.cell()}});
  namp_optimizer_state before{};
  before.found_inf = 1;
  Value<namp_optimizer_state> state(device_, before);
  ASSERT_EQ(namp_unscale_check(first, 0, -1, nullptr, state.data(), 1, nullptr), NAMP_OK);
  ASSERT_EQ(namp_unscale_check(second, 0, -1, nullptr, state.data(), 0, nullptr), NAMP_OK);
  EXPECT_EQ(state->found_inf, 0);
  EXPECT_NEAR(state->gradient_norm, std::sqrt(squares), 1e-6 * std::sqrt(squares));
  for (float inverse : {INFINITY, -INFINITY, std::nanf("")}) {
    namp_scaler_state bad = scaler_of(1.0f);
    bad.inverse_scale = inverse;
    Value<namp_scaler_state> scaler(device_, bad);
    ASSERT_EQ(namp_unscale_check(first, 0, -1, scaler.data(), state.data(), 1, nullptr), NAMP_OK);
    EXPECT_EQ(state->found_inf, 1);
    EXPECT_EQ(state->non_finite_count, 0);
  }
}

// A second implementation of the rules in nativeamp.h, in another shape: overflows in a row and
// good steps in a row.
TEST_P(ScalerUpdateTest, FollowsItsRules) {
  std::mt19937 engine(11);
  for (int round = 0; round < (device_.is_gpu() ? 20 : 200); ++round) {
    namp_scaler_options options{};
    options.struct_size = sizeof(options);
    options.growth_interval = 1 + static_cast<int32_t>(engine() % 5);
    options.growth_factor = round % 7 == 0 ? 1.0 : 2.0;
    options.backoff_factor = round % 5 == 0 ? 1.0 : 0.5;
    options.minimum_scale = round % 3 == 0 ? 1.0f : 0.0f;
    options.maximum_scale = round % 2 == 0 ? 65536.0f : INFINITY;
    options.hysteresis = 1 + static_cast<int32_t>(engine() % 3);
    options.hysteresis_refill = round % 2;
    options.growth_delay = round % 4 == 1 ? 1 + static_cast<int32_t>(engine() % 3) : 0;
    namp_scaler_state start = scaler_of(round % 4 == 0 ? 0x1p127f : 256.0f);
    start.hysteresis_left = options.hysteresis;
    start.growth_tracker = -options.growth_delay;
    Value<namp_scaler_state> scaler(device_, start);
    namp_optimizer_state overflowed{};
    overflowed.found_inf = 2;
    Value<namp_optimizer_state> quiet(device_), loud(device_, overflowed);
    double scale = static_cast<double>(start.scale);
    int good = 0, tolerated = options.hysteresis, skipped = 0, in_a_row = 0, stuck = 0;
    bool delayed = true;  // no growth since the start or an overflow
    for (int step = 1; step <= 300; ++step) {
      const bool overflow = engine() % (round % 2 != 0 ? 3 : 10) == 0;
      namp_optimizer_state* states[] = {quiet.data(), overflow ? loud.data() : quiet.data()};
      ASSERT_EQ(namp_scaler_update(device_, scaler.data(), states, 2, &options, nullptr), NAMP_OK);
      const namp_scaler_state state = scaler.get();
      if (overflow) {
        skipped++;
        in_a_row++;
        good = 0;
        delayed = true;
        if (--tolerated <= 0) {
          tolerated = 0;
          stuck += scale <= static_cast<double>(options.minimum_scale) ? 1 : 0;
          scale = std::max(static_cast<double>(options.minimum_scale),
                           static_cast<double>(static_cast<float>(scale * options.backoff_factor)));
        }
      } else {
        in_a_row = 0;
        if (options.hysteresis_refill != 0) tolerated = options.hysteresis;
        if (++good == options.growth_interval + (delayed ? options.growth_delay : 0)) {
          good = 0;
          delayed = false;
          tolerated = options.hysteresis;
          const double grown = scale * options.growth_factor;
          if (grown <= 0x1.fffffep127 && grown <= static_cast<double>(options.maximum_scale)) {
            scale = grown;
          }
        }
      }
      ASSERT_TRUE(same(static_cast<double>(state.scale), scale)) << round << " step " << step;
      ASSERT_EQ(float_bits(state.inverse_scale), float_bits(static_cast<float>(1.0 / scale)));
      ASSERT_EQ(state.growth_tracker, good - (delayed ? options.growth_delay : 0));
      ASSERT_EQ(state.stuck_steps, stuck);
      ASSERT_EQ(state.hysteresis_left, tolerated);
      ASSERT_EQ(state.steps, step);
      ASSERT_EQ(state.skipped_steps, skipped);
      ASSERT_EQ(state.consecutive_skips, in_a_row);
      ASSERT_EQ(state.found_inf, overflow ? 1 : 0);
    }
  }
}

TEST_P(ScalerUpdateTest, CountsStopAtTheirEnd) {
  namp_scaler_state start = scaler_of(256.0f);
  start.steps = start.skipped_steps = start.stuck_steps = INT64_MAX;
  start.consecutive_skips = start.growth_tracker = INT32_MAX;
  const namp_scaler_options options{
      sizeof(options), INT32_MAX, 2.0, 0.5, 256.0f, INFINITY, 1, 0, 0, 0, nullptr};
  namp_optimizer_state overflowed{};
  overflowed.found_inf = 1;
  Value<namp_optimizer_state> quiet(device_), loud(device_, overflowed);
  for (bool overflow : {false, true}) {
    Value<namp_scaler_state> scaler(device_, start);
    namp_optimizer_state* states[] = {overflow ? loud.data() : quiet.data()};
    ASSERT_EQ(namp_scaler_update(device_, scaler.data(), states, 1, &options, nullptr), NAMP_OK);
    EXPECT_EQ(scaler->steps, INT64_MAX);
    EXPECT_EQ(scaler->skipped_steps, INT64_MAX);
    EXPECT_EQ(scaler->stuck_steps, INT64_MAX);
    EXPECT_EQ(scaler->consecutive_skips, overflow ? INT32_MAX : 0);
    EXPECT_EQ(scaler->growth_tracker, 0);
    EXPECT_EQ(scaler->scale, overflow ? 256.0f : 512.0f);
  }
}

namp_scaler_options options_of(int32_t growth_interval) {
  auto options = make_args<namp_scaler_options>();
  options.growth_interval = growth_interval;
  options.growth_factor = 2;
  options.backoff_factor = 0.5;
  options.maximum_scale = INFINITY;
  options.hysteresis = 1;
  return options;
}

TEST_P(UnscaleCheckTest, ACountOfEarlierTablesStaysAtItsEnd) {
  Buffer gradient(device_, NAMP_FLOAT32, {1, kInfinity, kNaN});
  Table table(device_, {3}, {{gradient.cell()}});
  namp_optimizer_state before{};
  before.non_finite_count = INT64_MAX - 1;
  Value<namp_optimizer_state> state(device_, before);
  ASSERT_EQ(namp_unscale_check(table, 0, -1, nullptr, state.data(), 0, nullptr), NAMP_OK);
  EXPECT_EQ(state->non_finite_count, INT64_MAX);
}

// The scale is not to blame for a label: it and what decides over it stay, until the next step.
TEST_P(ScalerUpdateTest, AnOverflowByALabelOutOfRangeLeavesTheScale) {
  namp_scaler_state start = scaler_of(256.0f);
  start.growth_tracker = 7;
  start.hysteresis_left = 1;
  start.bad_indices = 4;
  Value<namp_scaler_state> scaler(device_, start);
  namp_optimizer_state found{};
  found.found_inf = 1;
  Value<namp_optimizer_state> optimizer(device_, found);
  namp_optimizer_state* states[] = {optimizer.data()};
  namp_index_fact told{};
  told.count = 5;
  Value<namp_index_fact> fact(device_, told);
  namp_scaler_options options = options_of(2000);
  options.bad_index = fact.data();
  ASSERT_EQ(namp_scaler_update(device_, scaler.data(), states, 1, &options, nullptr), NAMP_OK);
  EXPECT_EQ(scaler->scale, 256.0f);
  EXPECT_EQ(scaler->growth_tracker, 7);
  EXPECT_EQ(scaler->hysteresis_left, 1);
  EXPECT_EQ(scaler->consecutive_skips, 0);
  EXPECT_EQ(scaler->steps, 1);
  EXPECT_EQ(scaler->skipped_steps, 1);
  EXPECT_EQ(scaler->found_inf, 1);
  EXPECT_EQ(scaler->bad_indices, 5);
  // Nothing new was told: this overflow is the scale's.
  ASSERT_EQ(namp_scaler_update(device_, scaler.data(), states, 1, &options, nullptr), NAMP_OK);
  EXPECT_EQ(scaler->scale, 128.0f);
  EXPECT_EQ(scaler->consecutive_skips, 1);
}

NAMP_ON_EVERY_DEVICE(UnscaleCheckTest);
NAMP_ON_EVERY_DEVICE(ScalerUpdateTest);

}  // namespace
}  // namespace namp_test
