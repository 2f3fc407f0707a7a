// Optimizers' steps with compact state: those of float32 state between a decoding and an encoding of
// it, bit for bit. block_code_test.cpp tests the codes; adam_test.cpp and rules_test.cpp the rules.
#include "adam_group.h"
#include "state_buffer.h"
#include "two_devices.h"

namespace namp_test {
namespace {

const StateLayout kCompactLayouts[] = {
    {NAMP_RULE_ADAM, {NAMP_BFLOAT16, NAMP_BFLOAT16}},
    {NAMP_RULE_ADAM, {NAMP_INT8_DYNAMIC, NAMP_UINT8_DYNAMIC}},
    {NAMP_RULE_ADAM, {NAMP_BFLOAT16, NAMP_FLOAT32, NAMP_UINT8_DYNAMIC}},
    {NAMP_RULE_ADAM, {NAMP_INT8_LINEAR, NAMP_UINT8_LINEAR, NAMP_BFLOAT16}},
    {NAMP_RULE_SGD, {NAMP_INT8_DYNAMIC}},
    {NAMP_RULE_LION, {NAMP_BFLOAT16}},
    {NAMP_RULE_LION, {NAMP_INT8_LINEAR}},
};

namp_optimizer_group group_for(const StateLayout& layout) {
  namp_optimizer_group group =
      adam_group(0.01, 0.9, 0.999, 1e-8, 0.05, true, layout.states.size() == 3);
  group.momentum = layout.rule == NAMP_RULE_SGD ? 0.9 : 0;
  return group;
}

namp_optimizer_args args_for(const StateLayout& layout, const namp_optimizer_group& group,
                             const Steps& counts) {
  auto args = make_args<namp_optimizer_args>();
  args.rule = layout.rule;
  args.group_count = 1;
  args.groups = &group;
  args.columns = {0, 1, {-1, -1, -1}, 2, -1};
  for (size_t k = 0; k < layout.states.size(); ++k)
    args.columns.state[k] = static_cast<int32_t>(3 + k);
  args.advance_step = 1;
  args.seed = 11;
  args.steps = counts.data();
  return args;
}

class CompactStateTest : public BackendTest {};

TEST_P(CompactStateTest, AStepIsThatOfFloat32BetweenDecodingAndEncoding) {
  Value<namp_scaler_state> scaler(device_, scaler_of(64.0f));
  int turn = 0;
  for (const StateLayout& layout : kCompactLayouts) {
    const namp_optimizer_group group = group_for(layout);
    for (const auto& [n, aligned] : kLengths) {
      const int32_t gradient_dtype = kFloats[++turn % 3];
      const int32_t copy_dtype = !aligned        ? kFloats[(turn + 1) % 3]
                                 : turn % 2 == 0 ? NAMP_FLOAT16
                                                 : NAMP_BFLOAT16;
      const int32_t rounding =
          !aligned && turn % 2 == 0 ? NAMP_ROUND_STOCHASTIC : NAMP_ROUND_NEAREST_EVEN;
      const int64_t shift = aligned ? 0 : 1 + turn % 3;
      std::vector<uint8_t> first;
      for (const Setting& setting : device_.settings({1, 2})) {
        device_.use(setting);
        const std::vector<double> start = uniform_values(n, 1, -1, 1);
        Buffer p(device_, NAMP_FLOAT32, start, shift), exact_p(device_, NAMP_FLOAT32, start);
        Buffer g(device_, gradient_dtype, n, aligned ? 0 : (turn + 1) % 4);
        Buffer copy(device_, copy_dtype, n, shift), exact_copy(device_, copy_dtype, n);
        std::vector<std::unique_ptr<State>> states;
        std::vector<std::unique_ptr<Buffer>> floats;
        std::vector<namp_cell> row{p.cell(), g.cell(), copy.cell()};
        std::vector<namp_cell> exact_row{exact_p.cell(), g.cell(), exact_copy.cell()};
        for (int32_t dtype : layout.states) {
          states.push_back(std::make_unique<State>(device_, dtype, n, aligned ? 0 : turn % 5));
          floats.push_back(std::make_unique<Buffer>(device_, NAMP_FLOAT32, n));
          row.push_back(states.back()->cell());
          exact_row.push_back(floats.back()->cell());
        }
        Table table(device_, {n}, {row}), exact_table(device_, {n}, {exact_row});
        Steps counts(device_, {0}), exact_counts(device_, {0});
        Value<namp_optimizer_state> found(device_), exact_found(device_);
        auto args = args_for(layout, group, counts);
        args.weight_rounding = rounding;
        args.max_norm = 0.5f;
        args.check_gradients = 1;
        auto exact_args = args;
        exact_args.steps = exact_counts.data();
        for (int step = 0; step < 3; ++step) {
          g.set(uniform_values(n, static_cast<uint32_t>(step), -64, 64));
          // A step that is skipped: it leaves the state alone.
          if (step == 1) g.set(n / 2, kInfinity);
          const auto cast_all = [&, n = n](bool decodes) {
            for (size_t k = 0; k < states.size(); ++k) {
              const namp_cell compact = states[k]->cell();
              ASSERT_EQ(cast(device_, decodes ? floats[k]->cell() : compact,
                             decodes ? compact : floats[k]->cell(), n),
                        NAMP_OK)
                  << namp_last_error_message();
            }
          };
          cast_all(true);
          ASSERT_EQ(namp_optimizer_step(exact_table, &exact_args, scaler.data(), exact_found.data(),
                                        nullptr),
                    NAMP_OK)
              << namp_last_error_message();
          ASSERT_EQ(namp_optimizer_step(table, &args, scaler.data(), found.data(), nullptr),
                    NAMP_OK)
              << namp_last_error_message();
          ASSERT_EQ(found->found_inf, step == 1 ? 1 : 0);
          std::vector<std::vector<uint8_t>> after;
          for (const auto& state : states)
            after.push_back(state->bytes());
          cast_all(false);
          for (size_t k = 0; k < states.size(); ++k)
            ASSERT_EQ(after[k], states[k]->bytes())
                << "rule " << layout.rule << ", state " << k << " of " << layout.states[k] << ", "
                << n << " elements, step " << step << ", " << setting;
          ASSERT_EQ(p.bytes(), exact_p.bytes()) << "step " << step;
          if (step != 1) {
            ASSERT_EQ(copy.bytes(), exact_copy.bytes()) << "step " << step;
          }
        }
        ASSERT_EQ(found->step, 2);
        ASSERT_TRUE(p.intact() && copy.intact());
        std::vector<uint8_t> now = p.bytes();
        for (const auto& state : states) {
          ASSERT_TRUE(state->intact());
          const auto part = state->bytes();
          now.insert(now.end(), part.begin(), part.end());
        }
        if (first.empty()) first = now;
        ASSERT_EQ(first, now) << setting;
      }
    }
  }
}

// Embeddings and small tensors stay in float32 beside others.
TEST_P(CompactStateTest, TensorsOfATableMayHaveDifferentLayouts) {
  const StateLayout layout{NAMP_RULE_ADAM, {NAMP_INT8_DYNAMIC, NAMP_UINT8_DYNAMIC}};
  const namp_optimizer_group group = group_for(layout);
  const std::vector<int64_t> counts{40, 600};
  std::vector<std::vector<uint8_t>> alone, together;
  for (bool both : {false, true}) {
    std::vector<std::unique_ptr<Buffer>> parameters, gradients;
    std::vector<std::unique_ptr<State>> states;
    std::vector<std::vector<namp_cell>> rows;
    for (size_t i = 0; i < 2; ++i) {
      const int64_t n = counts[i];
      const auto seed = static_cast<uint32_t>(i);
      parameters.push_back(
          std::make_unique<Buffer>(device_, NAMP_FLOAT32, uniform_values(n, seed, -1, 1)));
      gradients.push_back(
          std::make_unique<Buffer>(device_, NAMP_FLOAT32, uniform_values(n, seed + 5, -1, 1)));
      std::vector<namp_cell> row{parameters.back()->cell(), gradients.back()->cell(), {}};
      for (int32_t dtype : layout.states) {
        states.push_back(
            std::make_unique<State>(device_, i == 0 ? int32_t{NAMP_FLOAT32} : dtype, n, 0));
        row.push_back(states.back()->cell());
      }
      rows.push_back(row);
    }
    const auto step = [&](const std::vector<int64_t>& of,
                          const std::vector<std::vector<namp_cell>>& with) {
      Table table(device_, of, with);
      Steps taken(device_, std::vector<int64_t>(of.size(), 0));
      Value<namp_optimizer_state> found(device_);
      auto args = args_for(layout, group, taken);
      for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(namp_optimizer_step(table, &args, nullptr, found.data(), nullptr), NAMP_OK)
            << namp_last_error_message();
      }
    };
    if (both) {
      step(counts, rows);
    } else {
      step({counts[0]}, {rows[0]});
      step({counts[1]}, {rows[1]});
    }
    auto& bytes = both ? together : alone;
    for (const auto& parameter : parameters)
      bytes.push_back(parameter->bytes());
    for (const auto& state : states)
      bytes.push_back(state->bytes());
  }
  ASSERT_EQ(alone, together);
}

TEST_P(CompactStateTest, RefusesWhatIsNoState) {
  Buffer p(device_, NAMP_FLOAT32, std::vector<double>{1.0});
  Buffer g(device_, NAMP_FLOAT32, std::vector<double>{1.0});
  Buffer halves(device_, NAMP_FLOAT16, std::vector<double>{0.0});
  const StateLayout layout{NAMP_RULE_LION, {NAMP_FLOAT16}};
  const namp_optimizer_group group = group_for(layout);
  Steps counts(device_, {0});
  Value<namp_optimizer_state> found(device_);
  Table table(device_, {1}, {{p.cell(), g.cell(), {}, halves.cell()}});
  const auto args = args_for(layout, group, counts);
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT,
                 namp_optimizer_step(table, &args, nullptr, found.data(), nullptr), {&p, &halves});
  // Codes need their scales, from the registration on.
  const namp_cell codes = cell(halves.data(), NAMP_INT8_DYNAMIC);
  const namp_cell cells[] = {p.cell(), g.cell(), {}, codes};
  const int64_t count = 1;
  auto description = make_args<namp_table_description>();
  description.tensor_count = 1;
  description.column_count = 4;
  description.counts = &count;
  description.cells = cells;
  namp_table* none = nullptr;
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_table_create(&none, device_, &description));
}

NAMP_ON_EVERY_DEVICE(CompactStateTest);

class CompactStateDevices : public TwoDevices {};

TEST_F(CompactStateDevices, GiveTheSameBits) {
  const int64_t n = kChunk + 3 * kBlock + 77;
  for (const StateLayout& layout : kCompactLayouts) {
    const namp_optimizer_group group = group_for(layout);
    Twin& p = twin(NAMP_FLOAT32, n, 1).random(1);
    Twin& g = twin(NAMP_FLOAT16, n, 3).random(2);
    Twin& copy = twin(NAMP_BFLOAT16, n, 1);
    std::vector<Twin*> codes, scales;
    for (int32_t dtype : layout.states) {
      const auto zeros = [](int64_t count) {
        return std::vector<double>(static_cast<size_t>(count), 0.0);
      };
      codes.push_back(&twin(in_blocks(dtype) ? int32_t{NAMP_UINT8} : dtype, n, 5).set(zeros(n)));
      scales.push_back(&twin(NAMP_FLOAT32, n / kBlock + 1).set(zeros(n / kBlock + 1)));
    }
    run([&](Device& device, bool gpu) {
      std::vector<namp_cell> row{p.on(gpu).cell(), g.on(gpu).cell(), copy.on(gpu).cell()};
      for (size_t k = 0; k < codes.size(); ++k) {
        const int32_t dtype = layout.states[k];
        row.push_back(cell(codes[k]->on(gpu).data(), dtype,
                           in_blocks(dtype) ? scales[k]->on(gpu).floats() : nullptr));
      }
      Table table(device, {n}, {row});
      Steps counts(device, {0});
      Value<namp_optimizer_state> found(device);
      auto args = args_for(layout, group, counts);
      args.weight_rounding = NAMP_ROUND_STOCHASTIC;
      for (int step = 0; step < 3; ++step) {
        const int32_t result = namp_optimizer_step(table, &args, nullptr, found.data(), nullptr);
        if (result != NAMP_OK) return result;
      }
      return int32_t{NAMP_OK};
    });
    p.expect_same_bits("parameters");
    copy.expect_same_bits("copies");
    for (Twin* column : codes)
      column->expect_same_bits("codes");
    for (Twin* column : scales)
      column->expect_same_bits("scales");
    forget();
  }
}

}  // namespace
}  // namespace namp_test
