// Calls of the four kernel families and of the loss scale.
#include <cmath>
#include <limits>

#include "call.h"
#include "table.h"

namespace namp_campaign {
namespace {

// Source and destination of one size that overlap in part.
void overlap(Call& c, void*& destination, void*& source, int64_t count) {
  c.wrong([&destination, &source, count] {
    if (destination == nullptr || source == nullptr || count < 4) return false;
    destination = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(source) + 4);
    return true;
  });
}

struct Copy {
  namp_cell* destination;
  namp_cell* source;
  int64_t count;
};

namp_cell* draw_cell(Call& c, namp_cell*& cell) {
  cell = static_cast<namp_cell*>(c.block(sizeof(namp_cell)));
  *cell = {};
  c.stored_dtype(cell->dtype);
  if (cell->dtype == NAMP_FLOAT8_E4M3 || cell->dtype == NAMP_FLOAT8_E5M2) {
    c.tensor(cell->scale, NAMP_FLOAT32, 1, false);
  } else {
    c.wrong([&c, cell] {
      cell->scale = static_cast<const float*>(c.elements(NAMP_FLOAT32, 1));
      return true;
    });
  }
  c.wrong([cell] {
    cell->reserved = 1;
    return true;
  });
  c.wrong([&c, &cell] {
    if (c.random.one_in(2)) return c.misalign(cell);
    cell = nullptr;
    return true;
  });
  return cell;
}

Copy& draw_copy(Call& c) {
  auto& copy = *static_cast<Copy*>(c.block(sizeof(Copy)));
  c.size(copy.count, c.small(300));
  namp_cell* const to = draw_cell(c, copy.destination);
  namp_cell* const from = draw_cell(c, copy.source);
  c.tensor(from->data, from->dtype, copy.count);
  if (to->dtype == from->dtype && c.random.one_in(4)) {
    to->data = from->data;
  } else {
    c.tensor(to->data, to->dtype, copy.count);
    // Both float32: 4 bytes further is within both, even if a dtype is wrong too.
    if (to->dtype == NAMP_FLOAT32 && from->dtype == NAMP_FLOAT32) {
      overlap(c, to->data, from->data, copy.count);
    }
  }
  return copy;
}

const namp_cast_options* draw_options(Call& c) {
  if (c.random.one_in(3)) return nullptr;
  auto& options = c.args<namp_cast_options>();
  c.choice(options.rounding, {NAMP_ROUND_NEAREST_EVEN, NAMP_ROUND_STOCHASTIC});
  c.choice(options.flags, {0, NAMP_CAST_SATURATE});
  c.tensor(options.scale, NAMP_FLOAT32, 1, false);
  options.seed = c.random.next();
  options.offset = c.random.one_in(2) ? UINT64_MAX - 3 : c.random.next();
  return &options;
}

void cast(Call& c) {
  Copy& copy = draw_copy(c);
  const namp_cast_options* options = draw_options(c);
  c.make("namp_cast", [&c, &copy, options] {
    return namp_cast(c.device, copy.destination, copy.source, copy.count, options, nullptr);
  });
}

void scale(Call& c) {
  Copy& copy = draw_copy(c);
  auto& factor = *static_cast<const float**>(c.block(sizeof(float*)));
  c.tensor(factor, NAMP_FLOAT32, 1);
  c.make("namp_scale", [&c, &copy, &factor] {
    return namp_scale(c.device, copy.destination, copy.source, copy.count, factor, nullptr);
  });
}

void cast_table(Call& c) {
  TestTable& t = TestTable::draw(c, {0, 0, 0});
  auto& columns = *static_cast<int32_t(*)[2]>(c.block(sizeof(int32_t[2])));
  columns[0] = 0;
  columns[1] = 1;
  c.spoil_choice(columns[0]);
  c.spoil_choice(columns[1]);
  const namp_cast_options* options = draw_options(c);
  c.make("namp_cast_table", [&t, &columns, options] {
    return namp_cast_table(t.table, columns[0], columns[1], options, nullptr);
  });
}

void cross_entropy(Call& c) {
  auto& a = c.args<namp_cross_entropy_args>();
  c.float_dtype(a.logits_dtype);
  c.size(a.rows, c.small(20));
  c.size(a.classes, c.random.between(1, 40));
  a.ignore_index = c.random.of<int32_t>({-100, 0, 3, INT32_MAX});
  c.choice(a.mean, {0, 1});
  c.tensor(a.logits, a.logits_dtype, a.rows * a.classes);
  c.tensor(a.labels, NAMP_INT32, a.rows);
  c.tensor(a.loss, NAMP_FLOAT32, 1, false);
  c.float_dtype(a.gradient_dtype, false);
  c.tensor(a.gradient, a.gradient_dtype, a.rows * a.classes, false);
  c.tensor(a.scale, NAMP_FLOAT32, 1, false);
  c.tensor(a.upstream, NAMP_FLOAT32, 1, false);
  c.tensor(a.class_weights, NAMP_FLOAT32, a.classes, false);
  a.label_smoothing = c.random.of({0.0f, 0.1f, 1.0f});
  c.wrong([&a] {
    a.label_smoothing = -1.0f;
    return true;
  });
  if (c.random.one_in(2)) {
    a.bad_label = static_cast<namp_index_fact*>(c.block(sizeof(namp_index_fact)));
    if (c.random.one_in(2)) *a.bad_label = {};
    c.wrong([&c, &a] { return c.misalign(a.bad_label); });
  }
  c.make("namp_cross_entropy", [&c, &a] { return namp_cross_entropy(c.device, &a, nullptr); });
}

void mse(Call& c) {
  auto& a = c.args<namp_mse_args>();
  c.float_dtype(a.prediction_dtype);
  c.float_dtype(a.target_dtype);
  c.size(a.count, c.small(300));
  c.choice(a.mean, {0, 1});
  c.tensor(a.prediction, a.prediction_dtype, a.count);
  c.tensor(a.target, a.target_dtype, a.count);
  c.tensor(a.loss, NAMP_FLOAT32, 1, false);
  c.float_dtype(a.gradient_dtype, false);
  c.tensor(a.gradient, a.gradient_dtype, a.count, false);
  c.tensor(a.scale, NAMP_FLOAT32, 1, false);
  c.make("namp_mse", [&c, &a] { return namp_mse(c.device, &a, nullptr); });
}

void element_loss(Call& c) {
  auto& a = c.args<namp_element_loss_args>();
  c.choice(a.kind, {NAMP_LOSS_MSE, NAMP_LOSS_SMOOTH_L1, NAMP_LOSS_BINARY_CROSS_ENTROPY});
  c.float_dtype(a.prediction_dtype);
  c.float_dtype(a.target_dtype);
  const int64_t period = c.random.between(1, 30);
  c.size(a.count, c.small(10) * period);
  c.choice(a.mean, {0, 1});
  c.choice(a.for_target, {0, 1});
  a.beta = c.random.of({0.0f, 1.0f});
  c.tensor(a.prediction, a.prediction_dtype, a.count);
  c.tensor(a.target, a.target_dtype, a.count);
  c.tensor(a.loss, NAMP_FLOAT32, 1, false);
  c.float_dtype(a.gradient_dtype, false);
  c.tensor(a.gradient, a.gradient_dtype, a.count, false);
  if (a.kind == NAMP_LOSS_BINARY_CROSS_ENTROPY) {
    c.tensor(a.positive_weight, NAMP_FLOAT32, period, false);
    a.weight_period = period;
  }
  c.tensor(a.scale, NAMP_FLOAT32, 1, false);
  c.make("namp_element_loss", [&c, &a] { return namp_element_loss(c.device, &a, nullptr); });
}

void average_table(Call& c) {
  TestTable& t = TestTable::draw(c, {NAMP_FLOAT32, NAMP_BFLOAT16});
  auto& columns = *static_cast<int32_t(*)[2]>(c.block(sizeof(int32_t[2])));
  columns[0] = 0;
  columns[1] = 1;
  c.spoil_choice(columns[0]);
  c.spoil_choice(columns[1]);
  c.make("namp_average_table", [&t, &columns] {
    return namp_average_table(t.table, columns[0], columns[1], 0.25f, nullptr);
  });
}

void unscale_check(Call& c) {
  TestTable& t = TestTable::draw(c, {0, 0});
  auto& state = draw_state<namp_optimizer_state>(c);
  const namp_scaler_state** scaler = draw_scaler(c);
  auto& numbers = *static_cast<int32_t(*)[3]>(c.block(sizeof(int32_t[3])));
  numbers[0] = 0;
  c.spoil_choice(numbers[0]);
  numbers[1] = c.random.of({-1, 0, 1});
  c.wrong([&numbers] {
    numbers[1] = 2;
    return true;
  });
  c.choice(numbers[2], {0, 1});
  c.make("namp_unscale_check", [&t, &state, scaler, &numbers] {
    return namp_unscale_check(t.table, numbers[0], numbers[1], *scaler, state, numbers[2], nullptr);
  });
}

// Parameter, gradient, two moments, the largest of the second, and a compute copy.
TestTable& draw_optimizer_table(Call& c) {
  return TestTable::draw(c, {NAMP_FLOAT32, 0, NAMP_FLOAT32, NAMP_FLOAT32, NAMP_FLOAT32, 0});
}

constexpr int kGroups = 3;

// The rule, the groups and the columns.
namp_optimizer_args& draw_optimizer_args(Call& c, int rows) {
  auto& a = c.args<namp_optimizer_args>();
  auto* groups = static_cast<namp_optimizer_group*>(
      c.block(static_cast<size_t>(rows) * kGroups * sizeof(namp_optimizer_group)));
  for (int i = 0; i < rows * kGroups; ++i) {
    groups[i] = {};
    groups[i].learning_rate = c.random.of({0.0, 1e-3, 1e30, -1.0});
    groups[i].beta1 = c.random.of({0.0, 0.9});
    groups[i].beta2 = c.random.of({0.0, 0.999});
    groups[i].epsilon = c.random.of({0.0, 1e-8});
    groups[i].weight_decay = c.random.of({0.0, 0.1, 1e20});
    c.choice(groups[i].decoupled, {0, 1});
    c.choice(groups[i].amsgrad, {0, 1});
    // It says which columns of state are there.
    if (i >= kGroups) groups[i].amsgrad = groups[i - kGroups].amsgrad;
    c.choice(groups[i].maximize, {0, 1});
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  c.wrong([&c, groups, nan] {
    double* field = c.random.of({&groups[0].learning_rate, &groups[1].beta1, &groups[2].beta2,
                                 &groups[0].epsilon, &groups[1].weight_decay});
    *field = c.random.of({nan, HUGE_VAL, -HUGE_VAL});
    return true;
  });
  a.groups = groups;
  c.wrong([&a] {
    a.groups = nullptr;
    return true;
  });
  a.group_count = kGroups;
  c.wrong([&c, &a] {
    a.group_count = c.random.of<int32_t>({0, -1, INT32_MIN});
    return true;
  });
  a.rule = NAMP_RULE_ADAM;
  c.wrong([&c, &a] {
    a.rule = c.random.of<int32_t>({0, -1, 99, INT32_MAX});
    return true;
  });
  a.columns = {0, 1, {2, 3, 4}, c.random.of({-1, 5}), -1};
  c.wrong([&c, &a] {
    int32_t* column = c.random.of(
        {&a.columns.parameter, &a.columns.gradient, &a.columns.state[0], &a.columns.state[1]});
    *column = c.random.of<int32_t>({-1, 6, INT32_MAX, INT32_MIN});
    return true;
  });
  return a;
}

void optimizer_write_rows(Call& c) {
  TestTable& t = draw_optimizer_table(c);
  constexpr int kRows = 2;
  auto& a = draw_optimizer_args(c, kRows);
  a.row_count = kRows;
  c.wrong([&c, &a] {
    a.row_count = c.random.of<int32_t>({-1, INT32_MIN});
    return true;
  });
  auto& rows = *static_cast<namp_optimizer_rows**>(c.block(sizeof(namp_optimizer_rows*)));
  rows = static_cast<namp_optimizer_rows*>(c.elements(
      NAMP_UINT8, sizeof(namp_optimizer_rows) + kRows * kGroups * sizeof(namp_optimizer_group)));
  c.wrong([&rows] {
    rows = nullptr;
    return true;
  });
  c.wrong([&c, &rows] { return c.misalign(rows); });
  c.make("namp_optimizer_write_rows",
         [&t, &a, &rows] { return namp_optimizer_write_rows(rows, t.table, &a, nullptr); });
}

void optimizer_step(Call& c) {
  TestTable& t = draw_optimizer_table(c);
  auto& a = draw_optimizer_args(c, 1);
  c.choice(a.weight_rounding, {NAMP_ROUND_NEAREST_EVEN, NAMP_ROUND_STOCHASTIC});
  a.max_norm = c.random.of({0.0f, 1.0f, INFINITY});
  c.wrong([&c, &a] {
    a.max_norm = c.random.of({-1.0f, NAN});
    return true;
  });
  a.seed = c.random.next();
  c.choice(a.advance_step, {0, 1});
  c.choice(a.check_gradients, {0, 1});
  // Any counts, also the largest value.
  a.steps = static_cast<int64_t*>(c.elements(NAMP_UINT8, 4 * 8));
  for (int i = 0; i < 4; ++i)
    a.steps[i] = c.random.of<int64_t>({0, 5, INT64_MAX, INT64_MIN});
  const bool some = t.tensors > 0;
  c.wrong([&c, &a, some] { return c.misalign(a.steps) && some; });
  auto& state = draw_state<namp_optimizer_state>(c);
  const namp_scaler_state** scaler = draw_scaler(c);
  c.make("namp_optimizer_step", [&t, &a, &state, scaler] {
    return namp_optimizer_step(t.table, &a, *scaler, state, nullptr);
  });
}

void scaler_update(Call& c) {
  auto& options = c.args<namp_scaler_options>();
  options.growth_interval = c.random.of<int32_t>({1, 2000, INT32_MAX});
  options.hysteresis = c.random.of<int32_t>({1, 2, INT32_MAX});
  options.growth_factor = c.random.of({1.0, 2.0, 1e30});
  options.backoff_factor = c.random.of({1.0, 0.5, 1e-30});
  options.minimum_scale = c.random.of({0.0f, 1.0f});
  options.maximum_scale = c.random.of({1.0f, 65536.0f, INFINITY});
  c.choice(options.hysteresis_refill, {0, 1});
  c.wrong([&c, &options] {
    *c.random.of({&options.growth_interval, &options.hysteresis}) =
        c.random.of<int32_t>({0, -1, INT32_MIN});
    return true;
  });
  c.wrong([&c, &options] {
    *c.random.of({&options.growth_factor, &options.backoff_factor}) =
        c.random.of({0.0, -1.0, static_cast<double>(NAN), HUGE_VAL});
    return true;
  });
  c.wrong([&c, &options] {
    *c.random.of({&options.minimum_scale, &options.maximum_scale}) = c.random.of({-1.0f, NAN});
    return true;
  });
  if (c.random.one_in(2)) {
    auto* fact = static_cast<namp_index_fact*>(c.block(sizeof(namp_index_fact)));
    *fact = {};
    fact->count = c.random.of<int64_t>({0, 1, INT64_MAX});
    options.bad_index = fact;
    c.wrong([&c, &options] { return c.misalign(options.bad_index); });
  }
  auto& scaler = draw_state<namp_scaler_state>(c);
  const int64_t count = c.random.between(1, 4);
  auto** states = static_cast<namp_optimizer_state**>(
      c.block(static_cast<size_t>(count) * sizeof(namp_optimizer_state*)));
  for (int64_t i = 0; i < count; ++i)
    states[i] =
        static_cast<namp_optimizer_state*>(c.elements(NAMP_UINT8, sizeof(namp_optimizer_state)));
  c.wrong([&c, states, count] {
    states[c.random.below(count)] = nullptr;
    return true;
  });
  auto& number = *static_cast<int32_t*>(c.block(sizeof(int32_t)));
  number = static_cast<int32_t>(count);
  c.wrong([&c, &number] {
    number = c.random.of<int32_t>({0, -1, 65, INT32_MAX});
    return true;
  });
  c.make("namp_scaler_update", [&c, &scaler, states, &number, &options] {
    return namp_scaler_update(c.device, scaler, states, number, &options, nullptr);
  });
}

}  // namespace

const std::vector<Function> kFamilies = {
    {"namp_cast", cast},
    {"namp_scale", scale},
    {"namp_cast_table", cast_table},
    {"namp_cross_entropy", cross_entropy},
    {"namp_mse", mse},
    {"namp_element_loss", element_loss},
    {"namp_average_table", average_table},
    {"namp_unscale_check", unscale_check},
    {"namp_optimizer_step", optimizer_step},
    {"namp_optimizer_write_rows", optimizer_write_rows},
    {"namp_scaler_update", scaler_update},
};

}  // namespace namp_campaign
