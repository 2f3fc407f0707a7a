// Adam against a plain loop in double. It also tests the loop that all rules share.
#include <memory>

#include "adam_group.h"
#include "backend_test.h"

namespace namp_test {
namespace {

std::vector<double> zeros(int64_t n) { return std::vector<double>(static_cast<size_t>(n), 0.0); }

// The tensors of one optimizer's parameter, and the same in double.
struct Parameter {
  Parameter(Device& device, int64_t n, int32_t gradient_dtype, int32_t half_dtype,
            int64_t misalignment)
      : p(device, NAMP_FLOAT32, uniform_values(n, 1, -1, 1), misalignment),
        g(device, gradient_dtype, n, (misalignment + 1) % 4),
        m(device, NAMP_FLOAT32, zeros(n), (misalignment + 2) % 4),
        v(device, NAMP_FLOAT32, zeros(n), (misalignment + 3) % 4),
        vmax(device, NAMP_FLOAT32, zeros(n), misalignment),
        half(device, half_dtype, n, (misalignment + 1) % 3) {
    for (int64_t i = 0; i < n; ++i)
      exact.push_back({p[i], 0, 0, 0});
  }

  std::vector<namp_cell> row() {
    return {p.cell(), g.cell(), m.cell(), v.cell(), vmax.cell(), half.cell()};
  }
  bool intact() const {
    return p.intact() && g.intact() && m.intact() && v.intact() && vmax.intact() && half.intact();
  }
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> all;
    for (const Buffer* buffer : {&p, &m, &v, &vmax, &half}) {
      const auto part = buffer->bytes();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

  struct Exact {
    double p, m, v, vmax;
  };
  Buffer p, g, m, v, vmax, half;
  std::vector<Exact> exact;
};

// The step of one element by the papers' formulas.
void step_exactly(Parameter::Exact& x, double g, const namp_optimizer_group& group, int step) {
  if (group.maximize != 0) g = -g;
  if (group.decoupled != 0) {
    x.p -= group.learning_rate * group.weight_decay * x.p;
  } else {
    g += group.weight_decay * x.p;
  }
  x.m = group.beta1 * x.m + (1 - group.beta1) * g;
  x.v = group.beta2 * x.v + (1 - group.beta2) * g * g;
  x.vmax = std::max(x.vmax, x.v);
  const double v = group.amsgrad != 0 ? x.vmax : x.v;
  const double m_hat = x.m / (1 - std::pow(group.beta1, step));
  const double v_hat = v / (1 - std::pow(group.beta2, step));
  x.p -= group.learning_rate * m_hat / (std::sqrt(v_hat) + group.epsilon);
}

namp_optimizer_args args_of(const std::vector<namp_optimizer_group>& groups, const Steps& steps) {
  namp_optimizer_args args{};
  args.struct_size = sizeof(args);
  args.group_count = static_cast<int32_t>(groups.size());
  args.groups = groups.data();
  args.rule = NAMP_RULE_ADAM;
  args.columns = {0, 1, {2, 3, 4}, 5, -1};
  args.advance_step = 1;
  args.steps = steps.data();
  return args;
}

void expect_as_computed_exactly(const Parameter& x) {
  for (int64_t i = 0; i < x.p.size(); ++i) {
    const auto& exact = x.exact[static_cast<size_t>(i)];
    ASSERT_NEAR(x.p[i], exact.p, 2e-6) << i;
    ASSERT_NEAR(x.m[i], exact.m, 1e-6 * std::fabs(exact.m) + 1e-7);
    ASSERT_NEAR(x.v[i], exact.v, 2e-6 * std::fabs(exact.v) + 1e-12);
    ASSERT_EQ(x.half.bits(i), encode(x.p[i], x.half.dtype()));
  }
  ASSERT_TRUE(x.intact());
}

class AdamTest : public BackendTest {};

TEST_P(AdamTest, EveryLengthAlignmentDtypeAndSetting) {
  Value<namp_scaler_state> scaler(device_, scaler_of(64.0f));
  int turn = 0;
  for (int64_t n : lengths()) {
    for (int32_t gradient_dtype : kFloats) {
      const int32_t half_dtype = kFloats[++turn % 3];
      namp_optimizer_group group = adam_group(1e-2, 0.9, 0.99, 1e-6, 0.05, turn % 2 != 0,
                                              turn / 2 % 2 != 0, turn / 4 % 2 != 0);
      const std::vector<namp_optimizer_group> groups{group};
      std::vector<uint8_t> bytes;
      for (const Setting& setting : device_.settings({1, 2, 3, 8})) {
        if (setting.threads > 1 && n < kChunk) continue;
        device_.use(setting);
        Parameter x(device_, n, gradient_dtype, half_dtype, turn % 4);
        Table table(device_, {n}, {x.row()});
        Steps steps(device_, {0});
        namp_optimizer_args args = args_of(groups, steps);
        Value<namp_optimizer_state> state(device_);
        for (int step = 1; step <= 3; ++step) {
          x.g.set(uniform_values(n, static_cast<uint32_t>(step), -64, 64));
          for (int64_t i = 0; bytes.empty() && i < n; ++i)
            step_exactly(x.exact[static_cast<size_t>(i)], x.g[i] / 64, group, step);
          ASSERT_EQ(namp_optimizer_step(table, &args, scaler.data(), state.data(), nullptr),
                    NAMP_OK)
              << namp_last_error_message();
          ASSERT_EQ(state->step, step);
          ASSERT_EQ(state->clip_coefficient, 1.0f);
        }
        // The first setting's numbers are those of exact arithmetic, the others' its bits.
        if (bytes.empty()) {
          expect_as_computed_exactly(x);
          bytes = x.bytes();
        }
        ASSERT_EQ(bytes, x.bytes()) << setting;
        ASSERT_TRUE(x.intact()) << setting;
      }
    }
  }
}

// Enough elements that the CPU's compute copies bypass the cache; aligned for that and not aligned.
TEST_P(AdamTest, BigTablesGiveTheSameBits) {
  const std::vector<namp_optimizer_group> groups{adam_group(1e-2, 0.9, 0.99, 1e-6, 0.05)};
  const int64_t many = device_.is_gpu() ? 3 * kChunk : 4 << 20;
  Buffer big(device_, NAMP_FLOAT32, many), m(device_, NAMP_FLOAT32, many);
  Buffer v(device_, NAMP_FLOAT32, many), g(device_, NAMP_BFLOAT16, many);
  for (const Setting& setting : device_.settings({2})) {
    for (int32_t half_dtype : kFloats) {
      device_.use(setting);
      Parameter aligned(device_, kChunk + 9, NAMP_FLOAT16, half_dtype, 2);
      Parameter shifted(device_, kChunk + 9, NAMP_FLOAT16, half_dtype, 1);
      aligned.g.set(uniform_values(kChunk + 9, 3, -1, 1));
      shifted.g.set(uniform_values(kChunk + 9, 3, -1, 1));
      Table small(device_, {shifted.p.size()}, {shifted.row()});
      Table table(
          device_, {aligned.p.size(), many},
          {aligned.row(), {big.cell(), g.cell(), m.cell(), v.cell(), namp_cell{}, namp_cell{}}});
      Steps of_two(device_, {0, 0}), of_one(device_, {0});
      namp_optimizer_args args = args_of(groups, of_two);
      Value<namp_optimizer_state> first(device_), second(device_);
      ASSERT_EQ(namp_optimizer_step(table, &args, nullptr, first.data(), nullptr), NAMP_OK);
      args.steps = of_one.data();
      ASSERT_EQ(namp_optimizer_step(small, &args, nullptr, second.data(), nullptr), NAMP_OK);
      EXPECT_EQ(aligned.bytes(), shifted.bytes());
      EXPECT_TRUE(aligned.intact());
    }
  }
}

TEST_P(AdamTest, SkipsWhollyOnOverflow) {
  const std::vector<namp_optimizer_group> groups{adam_group(1e-2, 0.9, 0.99, 1e-6, 0.05)};
  Parameter x(device_, 3000, NAMP_FLOAT16, NAMP_FLOAT16, 1);
  x.g.set(uniform_values(3000, 5, -1, 1));
  x.g.set(1234, kInfinity);
  Table table(device_, {3000}, {x.row()});
  Steps steps(device_, {5});
  namp_optimizer_args args = args_of(groups, steps);
  namp_optimizer_state start{};
  start.step = 7;
  Value<namp_optimizer_state> state(device_, start);
  const auto before = x.bytes();
  ASSERT_EQ(namp_unscale_check(table, 1, -1, nullptr, state.data(), 1, nullptr), NAMP_OK);
  ASSERT_EQ(namp_optimizer_step(table, &args, nullptr, state.data(), nullptr), NAMP_OK);
  EXPECT_EQ(state->step, 7);
  EXPECT_EQ(steps.get(), std::vector<int64_t>{5});
  EXPECT_EQ(x.bytes(), before);
}

TEST_P(AdamTest, GroupsClippingUnscaledGradientsAndTensorsLeftOut) {
  const std::vector<namp_optimizer_group> groups{
      adam_group(1e-2, 0.9, 0.99, 1e-6, 0.0),
      adam_group(1e-3, 0.8, 0.95, 1e-5, 0.1, false, true, true)};
  Parameter a(device_, 100, NAMP_FLOAT32, NAMP_BFLOAT16, 0);
  Parameter b(device_, kChunk + 1, NAMP_FLOAT32, NAMP_FLOAT16, 1);
  Parameter out(device_, 10, NAMP_FLOAT32, NAMP_FLOAT16, 0);
  auto left_out = out.row();
  left_out[1] = namp_cell{};
  const auto untouched = out.bytes();
  Table table(device_, {100, 10, b.p.size()}, {a.row(), left_out, b.row()}, {0, 0, 1});
  Steps steps(device_, {0, 0, 0});
  namp_optimizer_args args = args_of(groups, steps);
  args.max_norm = 0.5f;
  Value<namp_scaler_state> scaler(device_, scaler_of(8.0f));
  Value<namp_optimizer_state> state(device_);
  for (int step = 1; step <= 2; ++step) {
    a.g.set(uniform_values(a.g.size(), 1, -8, 8));
    b.g.set(uniform_values(b.g.size(), 2, -8, 8));
    double squares = 0;
    for (Parameter* x : {&a, &b}) {
      for (int64_t i = 0; i < x->g.size(); ++i)
        squares += std::pow(x->g[i] / 8, 2);
    }
    const double clip = std::min(1.0, 0.5 / (std::sqrt(squares) + 1e-6));
    for (int64_t i = 0; i < a.g.size(); ++i)
      step_exactly(a.exact[static_cast<size_t>(i)], a.g[i] / 8 * clip, groups[0], step);
    for (int64_t i = 0; i < b.g.size(); ++i)
      step_exactly(b.exact[static_cast<size_t>(i)], b.g[i] / 8 * clip, groups[1], step);
    // In the second step the gradients are unscaled in place, and not again.
    ASSERT_EQ(
        namp_unscale_check(table, 1, step == 2 ? 1 : -1, scaler.data(), state.data(), 1, nullptr),
        NAMP_OK);
    args.advance_step = 0;
    Value<namp_optimizer_state> peek(device_, state.get());
    Parameter scratch(device_, 4, NAMP_FLOAT32, NAMP_FLOAT16, 0);
    Table other(device_, {4}, {scratch.row()});
    Steps others(device_, {0});
    args.steps = others.data();
    ASSERT_EQ(namp_optimizer_step(other, &args, scaler.data(), peek.data(), nullptr), NAMP_OK);
    EXPECT_EQ(peek->step, state->step);
    EXPECT_EQ(others.get(), std::vector<int64_t>{1}) << "each tensor is in one table only";
    args.advance_step = 1;
    args.steps = steps.data();
    ASSERT_EQ(namp_optimizer_step(table, &args, scaler.data(), state.data(), nullptr), NAMP_OK);
    EXPECT_NEAR(state->clip_coefficient, clip, 1e-6);
    EXPECT_EQ(state->step, step);
  }
  expect_as_computed_exactly(a);
  expect_as_computed_exactly(b);
  EXPECT_EQ(out.bytes(), untouched);
  EXPECT_EQ(steps.get(), (std::vector<int64_t>{2, 0, 2}));
}

TEST_P(AdamTest, CheckingInTheSameCallIsCheckingBefore) {
  const std::vector<namp_optimizer_group> groups{adam_group(1e-2, 0.9, 0.99, 1e-6, 0.05)};
  Value<namp_scaler_state> scaler(device_, scaler_of(8.0f));
  Parameter apart(device_, 2 * kChunk + 3, NAMP_FLOAT16, NAMP_FLOAT16, 0);
  Parameter together(device_, 2 * kChunk + 3, NAMP_FLOAT16, NAMP_FLOAT16, 0);
  Table apart_table(device_, {apart.p.size()}, {apart.row()});
  Table together_table(device_, {together.p.size()}, {together.row()});
  Value<namp_optimizer_state> apart_state(device_);
  Value<namp_optimizer_state> together_state(device_);
  Steps apart_steps(device_, {0}), together_steps(device_, {0});
  // The second step is skipped, and does not affect the third.
  for (int turn = 0; turn < 3; ++turn) {
    auto values = uniform_values(apart.g.size(), static_cast<uint32_t>(turn), -8, 8);
    if (turn == 1) values[kChunk + 1] = kInfinity;
    apart.g.set(values);
    together.g.set(values);
    namp_optimizer_args args = args_of(groups, apart_steps);
    args.max_norm = 0.5f;
    ASSERT_EQ(namp_unscale_check(apart_table, 1, -1, scaler.data(), apart_state.data(), 1, nullptr),
              NAMP_OK);
    ASSERT_EQ(namp_optimizer_step(apart_table, &args, scaler.data(), apart_state.data(), nullptr),
              NAMP_OK);
    args.check_gradients = 1;
    args.steps = together_steps.data();
    ASSERT_EQ(
        namp_optimizer_step(together_table, &args, scaler.data(), together_state.data(), nullptr),
        NAMP_OK);
    EXPECT_EQ(together.bytes(), apart.bytes()) << turn;
    EXPECT_EQ(together_state->gradient_norm, apart_state->gradient_norm) << turn;
    EXPECT_EQ(together_state->found_inf, turn == 1);
    EXPECT_EQ(together_state->step, turn == 0 ? 1 : turn);
    EXPECT_EQ(together_steps.get(), std::vector<int64_t>{turn == 0 ? 1 : turn});
    EXPECT_EQ(together_table.facts(0).non_finite_count, turn == 1);
  }
}

TEST_P(AdamTest, StochasticComputeCopyIsTheStepsAndUnbiased) {
  const std::vector<namp_optimizer_group> groups{adam_group(0.0, 0.9, 0.99, 1e-6, 0.0)};
  Parameter x(device_, 2 * kChunk, NAMP_FLOAT32, NAMP_BFLOAT16, 0);
  for (int64_t i = 0; i < x.p.size(); ++i)
    x.p.set(i, 1.001);
  x.g.set(uniform_values(x.g.size(), 1, -1, 1));
  Table table(device_, {x.p.size()}, {x.row()});
  Steps counts(device_, {0});
  namp_optimizer_args args = args_of(groups, counts);
  args.weight_rounding = NAMP_ROUND_STOCHASTIC;
  args.seed = 9;
  std::vector<uint8_t> steps[2];
  for (auto& bytes : steps) {
    for (const Setting& setting : device_.settings({1, 3})) {
      device_.use(setting);
      namp_optimizer_state start{};
      start.step = &bytes - steps;
      Value<namp_optimizer_state> state(device_, start);
      ASSERT_EQ(namp_optimizer_step(table, &args, nullptr, state.data(), nullptr), NAMP_OK);
      if (bytes.empty()) bytes = x.half.bytes();
      ASSERT_EQ(bytes, x.half.bytes());
    }
    double sum = 0;
    for (int64_t i = 0; i < x.half.size(); ++i)
      sum += x.half[i];
    EXPECT_NEAR(sum / static_cast<double>(x.half.size()), 1.001, 1e-4);
  }
  EXPECT_NE(steps[0], steps[1]);
}

// Counted as in torch.optim: the first update, at any step, is lr * g / (|g| + eps).
TEST_P(AdamTest, CountsEachTensorsOwnSteps) {
  const std::vector<namp_optimizer_group> groups{
      adam_group(1e-2, 0.9, 0.99, 1e-6, 0.0),
      adam_group(1e-3, 0.8, 0.95, 1e-5, 0.1, false, true, true)};
  // Always; from the fourth step on; at every third step. The last tensor is in the same group as
  // the second.
  const auto has_gradient = [](size_t tensor, int turn) {
    return tensor == 0 || (tensor == 1 ? turn >= 4 : turn % 3 == 2);
  };
  constexpr int kOverflow = 5;
  const std::vector<int64_t> counts{3 * kChunk + 1, 100, kChunk + 7};
  std::vector<uint8_t> bytes;
  for (const Setting& setting : device_.settings({1, 2, 5})) {
    device_.use(setting);
    std::vector<std::unique_ptr<Parameter>> all;
    std::vector<std::vector<namp_cell>> rows;
    for (int64_t count : counts) {
      all.push_back(std::make_unique<Parameter>(device_, count, NAMP_BFLOAT16, NAMP_FLOAT16, 0));
      rows.push_back(all.back()->row());
    }
    Table table(device_, counts, rows, {0, 1, 1});
    Steps steps(device_, {0, 0, 0});
    Value<namp_optimizer_state> state(device_);
    namp_optimizer_args args = args_of(groups, steps);
    args.check_gradients = 1;
    std::vector<int64_t> expected{0, 0, 0};
    for (int turn = 1; turn <= 8; ++turn) {
      std::vector<namp_cell> gradients;
      for (size_t t = 0; t < all.size(); ++t) {
        Parameter& x = *all[t];
        x.g.set(uniform_values(counts[t], static_cast<uint32_t>(10 * turn) + t, -1, 1));
        gradients.push_back(has_gradient(t, turn) ? x.g.cell() : namp_cell{});
        if (!has_gradient(t, turn) || turn == kOverflow) continue;
        ++expected[t];
        for (int64_t i = 0; i < counts[t]; ++i)
          step_exactly(x.exact[static_cast<size_t>(i)], x.g[i], groups[t == 0 ? 0 : 1],
                       static_cast<int>(expected[t]));
      }
      if (turn == kOverflow) all[0]->g.set(kChunk + 1, kInfinity);
      ASSERT_EQ(namp_table_set_column(table, 1, gradients.data(), nullptr), NAMP_OK);
      ASSERT_EQ(namp_optimizer_step(table, &args, nullptr, state.data(), nullptr), NAMP_OK)
          << namp_last_error_message();
      ASSERT_EQ(steps.get(), expected) << turn;
      ASSERT_EQ(state->step, turn < kOverflow ? turn : turn - 1);
    }
    std::vector<uint8_t> now;
    for (const auto& x : all) {
      expect_as_computed_exactly(*x);
      const auto part = x->bytes();
      now.insert(now.end(), part.begin(), part.end());
    }
    if (bytes.empty()) bytes = now;
    ASSERT_EQ(now, bytes) << setting;
  }
}

// More groups than fit into a launch's arguments; the host changes them between steps without
// waiting.
TEST_P(AdamTest, AnyNumberOfGroupsEachWithItsOwnHyperparameters) {
  constexpr size_t kGroups = 1000;
  constexpr int64_t kCount = 3;
  std::vector<namp_optimizer_group> groups(kGroups);
  std::vector<std::unique_ptr<Parameter>> all;
  std::vector<std::vector<namp_cell>> rows;
  std::vector<int32_t> group_of;
  for (size_t t = 0; t < kGroups; ++t) {
    all.push_back(std::make_unique<Parameter>(device_, kCount, NAMP_FLOAT32, NAMP_FLOAT16, 0));
    all[t]->g.set(uniform_values(kCount, static_cast<uint32_t>(t), -1, 1));
    rows.push_back(all[t]->row());
    group_of.push_back(static_cast<int32_t>(kGroups - 1 - t));
    groups[t] = adam_group(1e-5 * static_cast<double>(t), 0.9, 0.99, 1e-6, 0.01, true, t % 2 == 0,
                           t % 3 == 0);
  }
  Table table(device_, std::vector<int64_t>(kGroups, kCount), rows, group_of);
  Steps steps(device_, std::vector<int64_t>(kGroups, 0));
  Value<namp_optimizer_state> state(device_);
  namp_table* handle = table;
  namp_optimizer_args args = args_of(groups, steps);
  namp_optimizer_state* const on_device = state.data();
  std::vector<std::vector<double>> gradients(kGroups);
  for (size_t t = 0; t < kGroups; ++t) {
    for (int64_t i = 0; i < kCount; ++i)
      gradients[t].push_back(all[t]->g[i]);
  }
  for (int step = 1; step <= 3; ++step) {
    for (size_t t = 0; t < kGroups; ++t) {
      namp_optimizer_group& group = groups[static_cast<size_t>(group_of[t])];
      group.learning_rate *= step;
      for (int64_t i = 0; i < kCount; ++i)
        step_exactly(all[t]->exact[static_cast<size_t>(i)], gradients[t][static_cast<size_t>(i)],
                     group, step);
    }
    ASSERT_EQ(namp_optimizer_step(handle, &args, nullptr, on_device, nullptr), NAMP_OK)
        << namp_last_error_message();
  }
  device_.hand_over();
  for (const auto& x : all)
    expect_as_computed_exactly(*x);
}

NAMP_ON_EVERY_DEVICE(AdamTest);

}  // namespace
}  // namespace namp_test
