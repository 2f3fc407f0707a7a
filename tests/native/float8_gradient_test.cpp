// Gradients of FP8: every step and every check is that of the same gradients in float32, bit for bit. The
// test decodes them by itself (numbers.h).
#include "adam_group.h"
#include "state_buffer.h"
#include "two_devices.h"

namespace namp_test {
namespace {

bool is_finite_code(uint32_t code, int32_t dtype) {
  return dtype == NAMP_FLOAT8_E5M2 ? (code & 0x7fu) < 0x7cu : (code & 0x7fu) != 0x7fu;
}

// The float32 of a code times a scale, as the interface promises: rounded once, and a NaN keeps its bits.
uint32_t widened(uint32_t code, int32_t dtype, float scale) {
  if (std::isnan(decode(code, dtype))) return decode_nan(code, dtype);
  return float_bits(static_cast<float>(decode(code, dtype)) * scale);
}

// Gradients of FP8, and the same in float32.
struct Pair {
  Pair(Device& device, int32_t dtype, int64_t n, int64_t shift, float with_scale)
      : codes(device, dtype, n, shift),
        wide(device, NAMP_FLOAT32, n),
        scale(device, NAMP_FLOAT32, std::vector<double>{static_cast<double>(with_scale)}),
        scaled(with_scale != 1.0f) {}

  namp_cell cell() const {
    return namp_test::cell(codes.data(), codes.dtype(), scaled ? scale.floats() : nullptr);
  }
  void set(int64_t i, uint32_t code) {
    codes.set_bits(i, code);
    wide.set_bits(i, widened(code, codes.dtype(), static_cast<float>(scale[0])));
  }
  // All finite codes, in another order for each turn.
  void fill(int turn) {
    for (int64_t i = 0; i < codes.size(); ++i) {
      const auto code = static_cast<uint32_t>(i * 37 + turn * 11) & 0xffu;
      set(i, is_finite_code(code, codes.dtype()) ? code : code & 0x83u);
    }
  }

  Buffer codes;
  Buffer wide;
  Buffer scale;
  bool scaled;
};

struct Layout {
  int32_t rule;
  int32_t parameter;
  bool remainder;
  int32_t rounding;
  std::vector<int32_t> states;
};
constexpr int32_t kNearest = NAMP_ROUND_NEAREST_EVEN, kStochastic = NAMP_ROUND_STOCHASTIC;
const Layout kLayouts[] = {
    {NAMP_RULE_ADAM, NAMP_FLOAT32, false, kNearest, {NAMP_FLOAT32, NAMP_FLOAT32}},
    {NAMP_RULE_ADAM, NAMP_FLOAT32, false, kStochastic, {NAMP_FLOAT32, NAMP_FLOAT32, NAMP_FLOAT32}},
    {NAMP_RULE_ADAM, NAMP_FLOAT32, false, kNearest, {NAMP_BFLOAT16, NAMP_BFLOAT16}},
    {NAMP_RULE_ADAM, NAMP_FLOAT32, false, kNearest, {NAMP_INT8_DYNAMIC, NAMP_UINT8_DYNAMIC}},
    {NAMP_RULE_ADAM, NAMP_BFLOAT16, true, kNearest, {NAMP_BFLOAT16, NAMP_BFLOAT16}},
    {NAMP_RULE_ADAM, NAMP_BFLOAT16, false, kStochastic, {NAMP_FLOAT32, NAMP_FLOAT32}},
    {NAMP_RULE_SGD, NAMP_FLOAT32, false, kNearest, {}},
    {NAMP_RULE_SGD, NAMP_FLOAT16, false, kNearest, {NAMP_BFLOAT16}},
    {NAMP_RULE_LION, NAMP_FLOAT32, false, kNearest, {NAMP_FLOAT32}},
    {NAMP_RULE_RMSPROP, NAMP_FLOAT32, false, kNearest, {NAMP_FLOAT32}},
};

namp_optimizer_group group_for(const Layout& layout) {
  namp_optimizer_group group =
      adam_group(0.01, 0.9, 0.99, 1e-8, 0.05, true, layout.states.size() == 3);
  group.momentum = layout.rule == NAMP_RULE_SGD && !layout.states.empty() ? 0.9 : 0;
  return group;
}

// A tensor's columns but for the gradient.
struct Columns {
  Columns(Device& device, const Layout& layout, int64_t n, int64_t shift)
      : p(device, layout.parameter, uniform_values(n, 1, -1, 1), shift),
        copy(device, NAMP_BFLOAT16, n, shift),
        remainder(device, NAMP_FLOAT16, std::vector<double>(static_cast<size_t>(n), 0.0), shift),
        counts(device, {0}),
        found(device),
        layout_(layout) {
    for (int32_t dtype : layout.states)
      states.push_back(std::make_unique<State>(device, dtype, n, shift));
  }
  std::vector<namp_cell> row(const namp_cell& gradient) const {
    std::vector<namp_cell> cells{
        p.cell(), gradient, layout_.parameter == NAMP_FLOAT32 ? copy.cell() : namp_cell{},
        layout_.remainder ? cell(remainder.data(), NAMP_INT16) : namp_cell{}};
    for (const auto& state : states)
      cells.push_back(state->cell());
    return cells;
  }
  namp_optimizer_args args(const namp_optimizer_group& group) const {
    auto args = make_args<namp_optimizer_args>();
    args.rule = layout_.rule;
    args.group_count = 1;
    args.groups = &group;
    args.columns = {0, 1, {-1, -1, -1}, 2, 3};
    for (size_t k = 0; k < states.size(); ++k)
      args.columns.state[k] = static_cast<int32_t>(4 + k);
    args.advance_step = 1;
    args.weight_rounding = layout_.rounding;
    args.seed = 11;
    args.steps = counts.data();
    return args;
  }
  // What a step has written, without the copies of a tensor that has none.
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> all = p.bytes();
    const auto add = [&](const std::vector<uint8_t>& part) {
      all.insert(all.end(), part.begin(), part.end());
    };
    if (found->step > 0 && layout_.parameter == NAMP_FLOAT32) add(copy.bytes());
    add(remainder.bytes());
    for (const auto& state : states)
      add(state->bytes());
    return all;
  }
  bool intact() const {
    bool all = p.intact() && copy.intact() && remainder.intact();
    for (const auto& state : states)
      all = all && state->intact();
    return all;
  }

  Buffer p, copy, remainder;
  Steps counts;
  Value<namp_optimizer_state> found;
  std::vector<std::unique_ptr<State>> states;

 private:
  const Layout& layout_;
};

class Float8GradientTest : public BackendTest {};

// Normal steps, one that a bad code skips, and one that is not checked, which applies a NaN.
TEST_P(Float8GradientTest, AStepIsThatOfTheSameGradientsInFloat32) {
  Value<namp_scaler_state> scaler(device_, scaler_of(64.0f));
  int turn = 0;
  for (const Layout& layout : kLayouts) {
    const namp_optimizer_group group = group_for(layout);
    for (const auto& [n, aligned] : kLengths) {
      const int32_t dtype = kByteFloats[++turn % 2];
      const float scale = turn % 3 == 0 ? 1.0f : 0.37f;
      std::vector<uint8_t> first;
      for (const Setting& setting : device_.settings({1, 2})) {
        device_.use(setting);
        Pair g(device_, dtype, n, aligned ? 0 : 1 + turn % 3, scale);
        Columns of_codes(device_, layout, n, aligned ? 0 : turn % 4);
        Columns of_floats(device_, layout, n, aligned ? 0 : turn % 4);
        Table table(device_, {n}, {of_codes.row(g.cell())});
        Table exact_table(device_, {n}, {of_floats.row(g.wide.cell())});
        auto args = of_codes.args(group), exact_args = of_floats.args(group);
        args.max_norm = exact_args.max_norm = 0.5f;
        for (int step = 0; step < 4; ++step) {
          g.fill(step);
          if (step == 1) g.set(n / 2, dtype == NAMP_FLOAT8_E5M2 ? 0xfc : 0xff);
          if (step == 3) g.set(n / 3, 0xff);
          args.check_gradients = exact_args.check_gradients = step == 3 ? 0 : 1;
          ASSERT_EQ(
              namp_optimizer_step(table, &args, scaler.data(), of_codes.found.data(), nullptr),
              NAMP_OK)
              << namp_last_error_message();
          ASSERT_EQ(namp_optimizer_step(exact_table, &exact_args, scaler.data(),
                                        of_floats.found.data(), nullptr),
                    NAMP_OK)
              << namp_last_error_message();
          ASSERT_EQ(of_codes.found->found_inf, step == 1 ? 1 : 0);
          ASSERT_EQ(of_codes.found->step, step == 0 ? 1 : step);
          if (step != 1) {
            ASSERT_EQ(float_bits(of_codes.found->gradient_norm),
                      float_bits(of_floats.found->gradient_norm));
            if (n > 1) {
              ASSERT_LT(of_codes.found->clip_coefficient, 1.0f) << "nothing was clipped";
            }
          }
          ASSERT_TRUE(of_codes.bytes() == of_floats.bytes())
              << "rule " << layout.rule << ", " << n << " elements, dtype " << dtype << ", step "
              << step << ", " << setting;
        }
        ASSERT_TRUE(of_codes.intact() && g.codes.intact());
        if (first.empty()) first = of_codes.bytes();
        ASSERT_TRUE(first == of_codes.bytes()) << setting;
      }
    }
  }
}

// One code of each kind, alone.
TEST_P(Float8GradientTest, EveryCodeIsFiniteOrFound) {
  for (const Setting& setting : device_.settings({1})) {
    device_.use(setting);
    for (int32_t dtype : kByteFloats) {
      Pair g(device_, dtype, 256, 0, 1.0f);
      std::vector<namp_cell> cells;
      std::vector<std::vector<namp_cell>> rows;
      for (uint32_t code = 0; code < 256; ++code) {
        g.set(code, code);
        rows.push_back({cell(g.codes.as<uint8_t>() + code, dtype)});
      }
      Table table(device_, std::vector<int64_t>(256, 1), rows);
      Value<namp_optimizer_state> state(device_);
      ASSERT_EQ(namp_unscale_check(table, 0, -1, nullptr, state.data(), 1, nullptr), NAMP_OK);
      EXPECT_EQ(state->non_finite_count, dtype == NAMP_FLOAT8_E5M2 ? 8 : 2);
      EXPECT_EQ(state->first_non_finite_tensor, dtype == NAMP_FLOAT8_E5M2 ? 0x7c : 0x7f);
      for (uint32_t code = 0; code < 256; ++code) {
        const bool finite = is_finite_code(code, dtype);
        const namp_overflow_facts facts = table.facts(code);
        ASSERT_EQ(facts.non_finite_count, finite ? 0 : 1) << code;
        ASSERT_EQ(facts.first_non_finite_index, finite ? -1 : 0) << code;
        ASSERT_EQ(static_cast<double>(facts.largest_magnitude),
                  finite ? std::fabs(decode(code, dtype)) : 0.0)
            << code;
      }
    }
  }
}

TEST_P(Float8GradientTest, ACheckFindsWhatItFindsInFloat32) {
  for (int64_t n : {int64_t{1}, int64_t{67}, kChunk, 2 * kChunk + 17}) {
    for (const Setting& setting : device_.settings({1, 3})) {
      device_.use(setting);
      for (int32_t dtype : kByteFloats) {
        for (float scale : {1.0f, 0.37f, 0x1p-120f}) {
          Pair g(device_, dtype, n, n % 4, scale);
          g.fill(static_cast<int>(n % 5));
          for (int bad : {0, 1}) {
            if (bad != 0) g.set(n / 2, 0x7f);
            Table table(device_, {n}, {{g.cell()}}), exact(device_, {n}, {{g.wide.cell()}});
            Value<namp_optimizer_state> state(device_), expected(device_);
            Value<namp_scaler_state> scaler(device_, scaler_of(3.0f));
            const auto check = [&](namp_table* of, namp_optimizer_state* into) {
              return namp_unscale_check(of, 0, -1, scaler.data(), into, 1, nullptr);
            };
            ASSERT_EQ(check(table, state.data()), NAMP_OK) << namp_last_error_message();
            ASSERT_EQ(check(exact, expected.data()), NAMP_OK) << namp_last_error_message();
            ASSERT_EQ(state->found_inf, bad);
            ASSERT_EQ(state->non_finite_count, expected->non_finite_count);
            if (bad == 0) {
              ASSERT_EQ(float_bits(state->gradient_norm), float_bits(expected->gradient_norm));
            }
            const namp_overflow_facts facts = table.facts(0), expected_facts = exact.facts(0);
            ASSERT_EQ(facts.first_non_finite_index, expected_facts.first_non_finite_index);
            ASSERT_EQ(facts.largest_magnitude, expected_facts.largest_magnitude);
          }
        }
      }
    }
  }
}

TEST_P(Float8GradientTest, AScaleThatIsNotFiniteIsAnOverflow) {
  Pair g(device_, NAMP_FLOAT8_E5M2, 5, 0, std::numeric_limits<float>::infinity());
  g.fill(0);
  for (int64_t i = 0; i < 5; ++i)
    g.set(i, 0x3c);
  Table table(device_, {5}, {{g.cell()}});
  Value<namp_optimizer_state> state(device_);
  ASSERT_EQ(namp_unscale_check(table, 0, -1, nullptr, state.data(), 1, nullptr), NAMP_OK);
  EXPECT_EQ(state->found_inf, 1);
  EXPECT_EQ(state->non_finite_count, 5);
}

// To float32, in place, and from float16 to FP8; beside a tensor without a gradient.
TEST_P(Float8GradientTest, UnscaledValuesAreThoseOfACast) {
  const int64_t n = kChunk + 300;
  const float inverse = 1.0f / 1024.0f;
  Value<namp_scaler_state> scaler(device_, scaler_of(1024.0f));
  for (const Setting& setting : device_.settings({1, 2})) {
    device_.use(setting);
    Pair g(device_, NAMP_FLOAT8_E5M2, n, 1, 0.37f), in_place(device_, NAMP_FLOAT8_E5M2, n, 3, 1.0f);
    g.fill(0);
    in_place.fill(1);
    Buffer halves(device_, NAMP_FLOAT16, uniform_values(n, 3, -300, 300));
    Buffer floats(device_, NAMP_FLOAT32, n, 1), narrow(device_, NAMP_FLOAT8_E4M3, n, 2);
    Buffer alone(device_, NAMP_FLOAT32, std::vector<double>{7.0});
    const std::vector<uint8_t> before = in_place.codes.bytes();
    Table table(device_, {n, n, n, 1},
                {{g.cell(), floats.cell()},
                 {in_place.cell(), in_place.cell()},
                 {halves.cell(), narrow.cell()},
                 {namp_cell{}, alone.cell()}});
    Value<namp_optimizer_state> state(device_);
    ASSERT_EQ(namp_unscale_check(table, 0, 1, scaler.data(), state.data(), 1, nullptr), NAMP_OK)
        << namp_last_error_message();
    EXPECT_EQ(state->unscaled, 1);
    EXPECT_EQ(state->found_inf, 0);
    EXPECT_EQ(alone[0], 7.0);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(floats.bits(i), float_bits(static_cast<float>(g.wide[i]) * inverse)) << i;
      ASSERT_EQ(in_place.codes.bits(i), encode(in_place.wide[i] / 1024.0, NAMP_FLOAT8_E5M2)) << i;
      ASSERT_EQ(narrow.bits(i), encode(halves[i] / 1024.0, NAMP_FLOAT8_E4M3)) << i;
    }
    ASSERT_FALSE(before == in_place.codes.bytes());
    ASSERT_TRUE(floats.intact() && narrow.intact() && in_place.codes.intact());
  }
}

TEST_P(Float8GradientTest, OtherDtypesAreRefused) {
  Buffer p(device_, NAMP_FLOAT32, std::vector<double>{1.0});
  Buffer bytes(device_, NAMP_UINT8, std::vector<double>{1.0});
  Buffer codes(device_, NAMP_FLOAT8_E5M2, std::vector<double>{1.0});
  Value<namp_optimizer_state> state(device_);
  const Layout layout{NAMP_RULE_SGD, NAMP_FLOAT32, false, kNearest, {}};
  const namp_optimizer_group group = group_for(layout);
  const Columns columns(device_, layout, 1, 0);
  const auto args = columns.args(group);
  const auto none = namp_cell{};
  Table bytes_table(device_, {1}, {{p.cell(), bytes.cell(), none, none}});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT,
                 namp_optimizer_step(bytes_table, &args, nullptr, state.data(), nullptr), {&p});
  EXPECT_NE(std::string(namp_last_error_message()).find("NAMP_FLOAT8_E5M2"), std::string::npos);
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT,
                 namp_unscale_check(bytes_table, 1, -1, nullptr, state.data(), 1, nullptr));
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT,
                 namp_unscale_check(bytes_table, 0, 1, nullptr, state.data(), 1, nullptr),
                 {&bytes});
  // FP8 is for gradients, not for parameters.
  Table codes_table(device_, {1}, {{codes.cell(), p.cell(), none, none}});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT,
                 namp_optimizer_step(codes_table, &args, nullptr, state.data(), nullptr),
                 {&p, &codes});
}

NAMP_ON_EVERY_DEVICE(Float8GradientTest);

class Float8GradientDevices : public TwoDevices {};

TEST_F(Float8GradientDevices, GiveTheSameBits) {
  const int64_t n = kChunk + 3 * kBlock + 77;
  const namp_optimizer_group group = adam_group(0.01, 0.9, 0.999, 1e-8, 0.05);
  for (int32_t dtype : kByteFloats) {
    Twin& p = twin(NAMP_FLOAT32, n).random(1);
    Twin& g = twin(dtype, n).random_bits(2);
    Twin& m = twin(NAMP_FLOAT32, n).set(std::vector<double>(static_cast<size_t>(n), 0.0));
    Twin& v = twin(NAMP_FLOAT32, n).set(std::vector<double>(static_cast<size_t>(n), 0.0));
    run([&](Device& device, bool gpu) {
      Table table(device, {n},
                  {{p.on(gpu).cell(), g.on(gpu).cell(), m.on(gpu).cell(), v.on(gpu).cell()}});
      Steps counts(device, {0});
      Value<namp_optimizer_state> found(device);
      auto args = make_args<namp_optimizer_args>();
      args.rule = NAMP_RULE_ADAM;
      args.group_count = 1;
      args.groups = &group;
      args.columns = {0, 1, {2, 3, -1}, -1, -1};
      args.steps = counts.data();
      return namp_optimizer_step(table, &args, nullptr, found.data(), nullptr);
    });
    p.expect_same_numbers("parameters");
    m.expect_same_numbers("first moments");
    v.expect_same_numbers("second moments");
    forget();
  }
}

}  // namespace
}  // namespace namp_test
