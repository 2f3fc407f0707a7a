// Family 4 against a plain loop in double.
#include "support.h"

namespace test {
namespace {

// The tensors of one optimizer's parameter, and the same in double.
struct Parameter {
  Parameter(int64_t n, int32_t gradient_dtype, int32_t half_dtype, int64_t misalignment)
      : p(n, NAMP_FLOAT32, misalignment),
        g(n, gradient_dtype, (misalignment + 1) % 4),
        m(n, NAMP_FLOAT32, (misalignment + 2) % 4),
        v(n, NAMP_FLOAT32, (misalignment + 3) % 4),
        vmax(n, NAMP_FLOAT32, misalignment),
        half(n, half_dtype, (misalignment + 1) % 3) {
    p.fill_random(1, -1, 1);
    for (Buffer* zero : {&m, &v, &vmax})
      zero->fill_random(2, 0, 0);
    for (int64_t i = 0; i < n; ++i)
      exact.push_back({p.get(i), 0, 0, 0});
  }

  std::vector<namp_cell> row() {
    return {cell(p), cell(g), cell(m), cell(v), cell(vmax), cell(half)};
  }
  bool intact() const {
    return p.intact() && g.intact() && m.intact() && v.intact() && vmax.intact() && half.intact();
  }
  std::vector<unsigned char> bytes() const {
    std::vector<unsigned char> all;
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

// One element, as the papers have it.
void step_exactly(Parameter::Exact& x, double g, const namp_adam_group& group, int step) {
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

namp_adam_args args_of(const std::vector<namp_adam_group>& groups) {
  namp_adam_args args{};
  args.struct_size = sizeof(args);
  args.group_count = static_cast<int32_t>(groups.size());
  args.groups = groups.data();
  args.columns = {0, 1, 2, 3, 4, 5};
  args.advance_step = 1;
  return args;
}

void expect_close(const Parameter& x) {
  for (int64_t i = 0; i < x.p.count(); ++i) {
    const auto& exact = x.exact[static_cast<size_t>(i)];
    ASSERT_NEAR(x.p.get(i), exact.p, 2e-6) << i;
    ASSERT_NEAR(x.m.get(i), exact.m, 1e-6 * std::fabs(exact.m) + 1e-7);
    ASSERT_NEAR(x.v.get(i), exact.v, 2e-6 * std::fabs(exact.v) + 1e-12);
    ASSERT_EQ(x.half.bits(i), encode(x.p.get(i), x.half.dtype()));
  }
  ASSERT_TRUE(x.intact());
}

TEST(Adam, EveryLengthAlignmentDtypeAndSetting) {
  Device device;
  namp_scaler_state scaler{};
  scaler.scale = 64.0f;
  scaler.inverse_scale = 1.0f / 64.0f;
  int turn = 0;
  for (int64_t n : lengths()) {
    for (int32_t gradient_dtype : kDtypes) {
      const int32_t half_dtype = kDtypes[++turn % 3];
      namp_adam_group group{1e-2, 0.9, 0.99, 1e-6, 0.05, turn % 2, turn / 2 % 2, turn / 4 % 2, 0};
      const std::vector<namp_adam_group> groups{group};
      std::vector<unsigned char> bytes;
      for (int32_t target : device.targets()) {
        for (int32_t threads : {1, 2, 3, 8}) {
          if (threads > 1 && n < kChunk) continue;
          device.use(target, threads);
          Parameter x(n, gradient_dtype, half_dtype, turn % 4);
          Table table(device, {n}, {x.row()});
          namp_adam_args args = args_of(groups);
          namp_optimizer_state state{};
          for (int step = 1; step <= 3; ++step) {
            x.g.fill_random(static_cast<uint32_t>(step), -64, 64);
            for (int64_t i = 0; i < n; ++i) {
              step_exactly(x.exact[static_cast<size_t>(i)], x.g.get(i) / 64, group, step);
            }
            ASSERT_EQ(namp_adam_step(table, &args, &scaler, &state, nullptr), NAMP_OK)
                << namp_last_error_message();
            ASSERT_EQ(state.step, step);
            ASSERT_EQ(state.clip_coefficient, 1.0f);
          }
          expect_close(x);
          if (bytes.empty()) bytes = x.bytes();
          ASSERT_EQ(bytes, x.bytes()) << "target " << target << " threads " << threads;
        }
      }
    }
  }
}

// So many elements that the half copies go past the cache; aligned for that and not.
TEST(Adam, BigTablesGiveTheSameBits) {
  Device device;
  const std::vector<namp_adam_group> groups{{1e-2, 0.9, 0.99, 1e-6, 0.05, 1, 0, 0, 0}};
  Buffer big(4 << 20, NAMP_FLOAT32), m(4 << 20, NAMP_FLOAT32), v(4 << 20, NAMP_FLOAT32);
  Buffer g(4 << 20, NAMP_BFLOAT16);
  for (int32_t target : device.targets()) {
    for (int32_t half_dtype : kDtypes) {
      device.use(target, 2);
      Parameter aligned(kChunk + 9, NAMP_FLOAT16, half_dtype, 2);
      Parameter shifted(kChunk + 9, NAMP_FLOAT16, half_dtype, 1);
      aligned.g.fill_random(3, -1, 1);
      shifted.g.fill_random(3, -1, 1);
      Table small(device, {shifted.p.count()}, {shifted.row()});
      Table table(device, {aligned.p.count(), big.count()},
                  {aligned.row(),
                   {cell(big), cell(g), cell(m), cell(v), {nullptr, 0, 0}, {nullptr, 0, 0}}});
      const namp_adam_args args = args_of(groups);
      namp_optimizer_state first{}, second{};
      ASSERT_EQ(namp_adam_step(table, &args, nullptr, &first, nullptr), NAMP_OK);
      ASSERT_EQ(namp_adam_step(small, &args, nullptr, &second, nullptr), NAMP_OK);
      EXPECT_EQ(aligned.bytes(), shifted.bytes());
      EXPECT_TRUE(aligned.intact());
    }
  }
}

TEST(Adam, SkipsWhollyOnOverflow) {
  Device device;
  const std::vector<namp_adam_group> groups{{1e-2, 0.9, 0.99, 1e-6, 0.05, 1, 0, 0, 0}};
  Parameter x(3000, NAMP_FLOAT16, NAMP_FLOAT16, 1);
  x.g.fill_random(5, -1, 1);
  x.g.set(1234, INFINITY);
  Table table(device, {3000}, {x.row()});
  namp_adam_args args = args_of(groups);
  namp_optimizer_state state{};
  state.step = 7;
  const auto before = x.bytes();
  ASSERT_EQ(namp_unscale_check(table, 1, -1, nullptr, &state, 1, nullptr), NAMP_OK);
  ASSERT_EQ(namp_adam_step(table, &args, nullptr, &state, nullptr), NAMP_OK);
  EXPECT_EQ(state.step, 7);
  EXPECT_EQ(x.bytes(), before);
}

TEST(Adam, GroupsClippingUnscaledGradientsAndTensorsLeftOut) {
  Device device;
  const std::vector<namp_adam_group> groups{{1e-2, 0.9, 0.99, 1e-6, 0.0, 1, 0, 0, 0},
                                            {1e-3, 0.8, 0.95, 1e-5, 0.1, 0, 1, 1, 0}};
  Parameter a(100, NAMP_FLOAT32, NAMP_BFLOAT16, 0), b(kChunk + 1, NAMP_FLOAT32, NAMP_FLOAT16, 1);
  Parameter out(10, NAMP_FLOAT32, NAMP_FLOAT16, 0);
  auto left_out = out.row();
  left_out[1] = {nullptr, 0, 0};
  const auto untouched = out.bytes();
  Table table(device, {100, 10, b.p.count()}, {a.row(), left_out, b.row()}, {0, 0, 1});
  namp_adam_args args = args_of(groups);
  args.max_norm = 0.5f;
  namp_scaler_state scaler{};
  scaler.scale = 8.0f;
  scaler.inverse_scale = 0.125f;
  namp_optimizer_state state{};
  for (int step = 1; step <= 2; ++step) {
    a.g.fill_random(1, -8, 8);
    b.g.fill_random(2, -8, 8);
    double squares = 0;
    for (Parameter* x : {&a, &b}) {
      for (int64_t i = 0; i < x->g.count(); ++i)
        squares += std::pow(x->g.get(i) / 8, 2);
    }
    const double clip = std::min(1.0, 0.5 / (std::sqrt(squares) + 1e-6));
    for (int64_t i = 0; i < a.g.count(); ++i) {
      step_exactly(a.exact[static_cast<size_t>(i)], a.g.get(i) / 8 * clip, groups[0], step);
    }
    for (int64_t i = 0; i < b.g.count(); ++i) {
      step_exactly(b.exact[static_cast<size_t>(i)], b.g.get(i) / 8 * clip, groups[1], step);
    }
    // In the second step the gradients are unscaled in place, and not again.
    ASSERT_EQ(namp_unscale_check(table, 1, step == 2 ? 1 : -1, &scaler, &state, 1, nullptr),
              NAMP_OK);
    args.advance_step = 0;
    namp_optimizer_state peek = state;
    Parameter scratch(4, NAMP_FLOAT32, NAMP_FLOAT16, 0);
    Table other(device, {4}, {scratch.row()});
    ASSERT_EQ(namp_adam_step(other, &args, &scaler, &peek, nullptr), NAMP_OK);
    EXPECT_EQ(peek.step, state.step);
    args.advance_step = 1;
    ASSERT_EQ(namp_adam_step(table, &args, &scaler, &state, nullptr), NAMP_OK);
    EXPECT_NEAR(state.clip_coefficient, clip, 1e-6);
    EXPECT_EQ(state.step, step);
  }
  expect_close(a);
  expect_close(b);
  EXPECT_EQ(out.bytes(), untouched);
}

TEST(Adam, StochasticHalfCopyIsTheStepsAndUnbiased) {
  Device device;
  const std::vector<namp_adam_group> groups{{0.0, 0.9, 0.99, 1e-6, 0.0, 1, 0, 0, 0}};
  Parameter x(2 * kChunk, NAMP_FLOAT32, NAMP_BFLOAT16, 0);
  for (int64_t i = 0; i < x.p.count(); ++i)
    x.p.set(i, 1.001);
  x.g.fill_random(1, -1, 1);
  Table table(device, {x.p.count()}, {x.row()});
  namp_adam_args args = args_of(groups);
  args.half_copy_rounding = NAMP_ROUND_STOCHASTIC;
  args.seed = 9;
  std::vector<unsigned char> steps[2];
  for (auto& bytes : steps) {
    for (int32_t target : device.targets()) {
      for (int32_t threads : {1, 3}) {
        device.use(target, threads);
        namp_optimizer_state state{};
        state.step = &bytes - steps;
        ASSERT_EQ(namp_adam_step(table, &args, nullptr, &state, nullptr), NAMP_OK);
        if (bytes.empty()) bytes = x.half.bytes();
        ASSERT_EQ(bytes, x.half.bytes());
      }
    }
    double sum = 0;
    for (int64_t i = 0; i < x.half.count(); ++i)
      sum += x.half.get(i);
    EXPECT_NEAR(sum / static_cast<double>(x.half.count()), 1.001, 1e-4);
  }
  EXPECT_NE(steps[0], steps[1]);
}

}  // namespace
}  // namespace test
