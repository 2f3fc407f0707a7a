// Each rule against its formula in double, with the same bits for every instruction set and number
// of threads. adam_test.cpp tests the loop that all rules share (overflow, clipping, groups,
// counts, copies past the cache).
#include <array>
#include <cmath>
#include <functional>
#include <string>

#include "backend_test.h"

namespace namp_test {
namespace {

// One element's step in double. state has the rule's columns; step counts from 1.
using Formula = void (*)(const namp_optimizer_group& group, double& p, double* state, double g,
                         int step);

void sgd(const namp_optimizer_group& group, double& p, double* state, double g, int step) {
  double direction = g;
  if (group.momentum != 0) {
    state[0] = step == 1 ? g : group.momentum * state[0] + (1 - group.dampening) * g;
    direction = group.nesterov != 0 ? g + group.momentum * state[0] : state[0];
  }
  p -= group.learning_rate * direction;
}

void lion(const namp_optimizer_group& group, double& p, double* state, double g, int) {
  const double blend = group.beta1 * state[0] + (1 - group.beta1) * g;
  p -= group.learning_rate * ((blend > 0) - (blend < 0));
  state[0] = group.beta2 * state[0] + (1 - group.beta2) * g;
}

void rmsprop(const namp_optimizer_group& group, double& p, double* state, double g, int) {
  const double alpha = group.beta2;
  state[0] = alpha * state[0] + (1 - alpha) * g * g;
  double direction = g / (std::sqrt(state[0]) + group.epsilon);
  if (group.momentum != 0) direction = state[1] = group.momentum * state[1] + direction;
  p -= group.learning_rate * direction;
}

struct RuleCase {
  const char* name;
  int32_t rule;
  int32_t states;
  namp_optimizer_group group;
  Formula formula;
};

namp_optimizer_group group_of(double learning_rate, double weight_decay, int32_t decoupled) {
  namp_optimizer_group group{};
  group.learning_rate = learning_rate;
  group.weight_decay = weight_decay;
  group.decoupled = decoupled;
  return group;
}

std::vector<RuleCase> cases() {
  std::vector<RuleCase> all;
  namp_optimizer_group group = group_of(0.1, 0.02, 0);
  all.push_back({"plain SGD", NAMP_RULE_SGD, 0, group, sgd});
  group = group_of(0.01, 0.02, 0);
  group.momentum = 0.9;
  group.dampening = 0.3;
  group.maximize = 1;
  all.push_back({"SGD with momentum and dampening", NAMP_RULE_SGD, 1, group, sgd});
  group = group_of(0.01, 0.1, 1);
  group.momentum = 0.95;
  group.nesterov = 1;
  all.push_back({"SGD with Nesterov's momentum and decoupled decay", NAMP_RULE_SGD, 1, group, sgd});
  group = group_of(0.01, 0.1, 1);
  group.beta1 = 0.9;
  group.beta2 = 0.99;
  all.push_back({"Lion", NAMP_RULE_LION, 1, group, lion});
  group = group_of(0.001, 0.1, 0);
  group.beta2 = 0.9;
  group.epsilon = 1e-8;
  all.push_back({"RMSprop", NAMP_RULE_RMSPROP, 1, group, rmsprop});
  group.momentum = 0.9;
  all.push_back({"RMSprop with momentum", NAMP_RULE_RMSPROP, 2, group, rmsprop});
  return all;
}

class RulesTest : public BackendTest {};

TEST_P(RulesTest, FollowTheirFormulasWithTheSameBitsEverywhere) {
  constexpr int kSteps = 3;
  Value<namp_scaler_state> scaler(device_, scaler_of(64.0f));
  int turn = 0;
  for (const RuleCase& rule : cases()) {
    for (int64_t n : {int64_t{1}, int64_t{37}, 2 * kChunk + 5}) {
      for (int32_t gradient_dtype : kFloats) {
        const int32_t copy_dtype = kFloats[++turn % 3];
        std::vector<uint8_t> bytes;
        for (const Setting& setting : device_.settings({1, 2, 3})) {
          device_.use(setting);
          Buffer p(device_, NAMP_FLOAT32, uniform_values(n, 1, -1, 1), turn % 4);
          Buffer g(device_, gradient_dtype, n, (turn + 1) % 4);
          const std::vector<double> zeros(static_cast<size_t>(n), 0.0);
          Buffer state(device_, NAMP_FLOAT32, zeros, (turn + 2) % 4);
          Buffer second(device_, NAMP_FLOAT32, zeros, turn % 2);
          Buffer copy(device_, copy_dtype, n, turn % 3);
          std::vector<double> exact;
          std::vector<std::array<double, 2>> exact_state(static_cast<size_t>(n), {0.0, 0.0});
          for (int64_t i = 0; i < n; ++i)
            exact.push_back(p[i]);
          Table table(device_, {n},
                      {{p.cell(), g.cell(), state.cell(), copy.cell(), second.cell()}});
          Steps counts(device_, {0});
          namp_optimizer_args args{};
          args.struct_size = sizeof(args);
          args.rule = rule.rule;
          args.group_count = 1;
          args.groups = &rule.group;
          args.columns = {0, 1, {rule.states > 0 ? 2 : -1, rule.states > 1 ? 4 : -1, -1}, 3, -1};
          args.advance_step = 1;
          args.steps = counts.data();
          Value<namp_optimizer_state> found(device_);
          for (int step = 1; step <= kSteps; ++step) {
            g.set(uniform_values(n, static_cast<uint32_t>(step), -64, 64));
            for (int64_t i = 0; bytes.empty() && i < n; ++i) {
              double& x = exact[static_cast<size_t>(i)];
              double gradient = (rule.group.maximize != 0 ? -g[i] : g[i]) / 64;
              if (rule.group.decoupled != 0) {
                x -= rule.group.learning_rate * rule.group.weight_decay * x;
              } else {
                gradient += rule.group.weight_decay * x;
              }
              rule.formula(rule.group, x, exact_state[static_cast<size_t>(i)].data(), gradient,
                           step);
            }
            ASSERT_EQ(namp_optimizer_step(table, &args, scaler.data(), found.data(), nullptr),
                      NAMP_OK)
                << namp_last_error_message();
          }
          ASSERT_EQ(found->step, kSteps);
          // The first setting's numbers are those of the formula, the others' its bits.
          for (int64_t i = 0; bytes.empty() && i < n; ++i) {
            ASSERT_NEAR(p[i], exact[static_cast<size_t>(i)], 1e-6) << rule.name << " at " << i;
            const auto& states = exact_state[static_cast<size_t>(i)];
            ASSERT_NEAR(state[i], states[0], 1e-6) << rule.name;
            ASSERT_NEAR(second[i], states[1], 2e-6) << rule.name;
            ASSERT_EQ(copy.bits(i), encode(p[i], copy_dtype)) << rule.name;
          }
          ASSERT_TRUE(p.intact() && g.intact() && state.intact() && second.intact() &&
                      copy.intact());
          std::vector<uint8_t> now = p.bytes();
          for (const Buffer* buffer : {&state, &second, &copy}) {
            const auto part = buffer->bytes();
            now.insert(now.end(), part.begin(), part.end());
          }
          if (bytes.empty()) bytes = now;
          ASSERT_EQ(bytes, now) << rule.name << ", " << setting;
        }
      }
    }
  }
}

TEST_P(RulesTest, RefuseHyperparametersThatAreNone) {
  Buffer p(device_, NAMP_FLOAT32, std::vector<double>{1.0});
  Buffer g(device_, NAMP_FLOAT32, std::vector<double>{1.0});
  Buffer state(device_, NAMP_FLOAT32, std::vector<double>{0.0});
  Table table(device_, {1}, {{p.cell(), g.cell(), state.cell()}});
  Steps counts(device_, {0});
  Value<namp_optimizer_state> found(device_);
  const auto step = [&](int32_t rule, const std::function<void(namp_optimizer_group&)>& spoil) {
    namp_optimizer_group group = group_of(0.1, 0, 0);
    group.momentum = 0.9;
    spoil(group);
    namp_optimizer_args args{};
    args.struct_size = sizeof(args);
    args.rule = rule;
    args.group_count = 1;
    args.groups = &group;
    args.columns = {0, 1, {2, -1, -1}, -1, -1};
    args.advance_step = 1;
    args.steps = counts.data();
    return namp_optimizer_step(table, &args, nullptr, found.data(), nullptr);
  };
  using G = namp_optimizer_group;
  const auto bad = NAMP_ERROR_INVALID_ARGUMENT;
  const auto expect_error = [](int32_t status, int32_t expected, const char* part) {
    EXPECT_EQ(status, expected);
    EXPECT_NE(std::string(namp_last_error_message()).find(part), std::string::npos)
        << namp_last_error_message();
  };
  expect_error(step(NAMP_RULE_SGD, [](G& x) { x.momentum = -0.1; }), bad, "momentum");
  expect_error(step(NAMP_RULE_SGD, [](G& x) { x.momentum = NAN; }), bad, "momentum");
  expect_error(step(NAMP_RULE_SGD, [](G& x) { x.dampening = INFINITY; }), bad, "dampening");
  expect_error(step(NAMP_RULE_SGD, [](G& x) { x.nesterov = 2; }), bad, "nesterov");
  const auto dampened = [](G& x) {
    x.nesterov = 1;
    x.dampening = 0.1;
  };
  expect_error(step(NAMP_RULE_SGD, dampened), bad, "nesterov");
  const auto without_momentum = [](G& x) {
    x.nesterov = 1;
    x.momentum = 0;
  };
  expect_error(step(NAMP_RULE_SGD, without_momentum), bad, "nesterov");
  expect_error(step(NAMP_RULE_LION, [](G& x) { x.beta1 = 1; }), bad, "beta1");
  expect_error(step(NAMP_RULE_LION, [](G& x) { x.beta2 = NAN; }), bad, "beta2");
  expect_error(step(NAMP_RULE_RMSPROP, [](G& x) { x.beta2 = 1; }), bad, "alpha");
  expect_error(step(NAMP_RULE_RMSPROP, [](G& x) { x.epsilon = -1; }), bad, "epsilon");
  expect_error(step(NAMP_RULE_RMSPROP, [](G& x) { x.momentum = NAN; }), bad, "momentum");
  EXPECT_EQ(p[0], 1.0);
  EXPECT_EQ(step(NAMP_RULE_SGD, [](G&) {}), NAMP_OK) << namp_last_error_message();
  EXPECT_NE(p[0], 1.0);
}

NAMP_ON_EVERY_DEVICE(RulesTest);

}  // namespace
}  // namespace namp_test
