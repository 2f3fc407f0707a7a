// Family 4: the optimizers' steps.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>

#include "abi/check.h"
#include "abi/table.h"
#include "abi/wall.h"
#include "lists/rules.h"
#include "optimizer_rows.h"

namespace namp {
namespace {

template <class Rule>
void check_group(const namp_optimizer_group& group) {
  require(std::isfinite(group.learning_rate), "A group's learning_rate must be finite.");
  require(std::isfinite(group.weight_decay), "A group's weight_decay must be finite.");
  check_flag(group.decoupled, "a group's decoupled");
  check_flag(group.amsgrad, "a group's amsgrad");
  check_flag(group.maximize, "a group's maximize");
  if (const char* problem = Rule::invalid(group)) fail(NAMP_ERROR_INVALID_ARGUMENT, problem);
}

// Checks an optional column, which may be -1.
void check_optional_column(const namp_table& table, int32_t column, const char* name) {
  if (column != -1) check_column(table, column, name);
}

// A column that served two purposes would be read as one and overwritten as the other.
void check_distinct(const namp_optimizer_columns& columns) {
  const int32_t all[] = {columns.parameter, columns.gradient, columns.state[0],
                         columns.state[1],  columns.state[2], columns.compute_copy,
                         columns.remainder};
  for (const int32_t* one = std::begin(all); one != std::end(all); ++one) {
    if (*one >= 0 && std::find(one + 1, std::end(all), *one) != std::end(all)) {
      fail(NAMP_ERROR_INVALID_ARGUMENT, "args->columns has column " + std::to_string(*one) +
                                            " twice; give each purpose a column of its own, and "
                                            "-1 to those that are not used.");
    }
  }
}

// The parameter and its remainder, if there is one.
void check_parameter(const namp_table& table, int64_t tensor,
                     const namp_optimizer_columns& columns) {
  if (columns.remainder < 0 || table.cell(tensor, columns.remainder).data == nullptr) {
    return check_cell(table, tensor, columns.parameter, "parameter");
  }
  check_cell(table, tensor, columns.parameter, "parameter with a remainder", NAMP_BFLOAT16);
  check_cell(table, tensor, columns.remainder, "remainder", NAMP_INT16);
}

template <class Rule>
void check_tensors(const namp_table& table, OptimizerNeeds& needs) {
  const namp_optimizer_columns& columns = needs.columns;
  for (int64_t tensor = 0; tensor < table.view.tensor_count; ++tensor) {
    if (table.cell(tensor, columns.gradient).data == nullptr) continue;
    const int32_t group = table.groups[static_cast<size_t>(tensor)];
    if (static_cast<size_t>(group) >= needs.states.size()) {
      fail(NAMP_ERROR_INVALID_ARGUMENT, "Tensor " + std::to_string(tensor) + " is in group " +
                                            std::to_string(group) + ", but args->group_count is " +
                                            std::to_string(needs.states.size()) +
                                            "; give the hyperparameters of every group.");
    }
    check_gradient_cell(table, tensor, columns.gradient, "gradient");
    needs.compact |= is_float8(table.cell(tensor, columns.gradient).dtype);
    check_parameter(table, tensor, columns);
    needs.compact |= table.cell(tensor, columns.parameter).dtype != NAMP_FLOAT32;
    for (int32_t k = 0; k < needs.states[static_cast<size_t>(group)]; ++k) {
      check_state_cell(table, tensor, columns.state[k], Rule::kStateNames[k]);
      needs.compact |= table.cell(tensor, columns.state[k]).dtype != NAMP_FLOAT32;
    }
    if (columns.compute_copy >= 0 && table.cell(tensor, columns.compute_copy).data != nullptr) {
      check_cell(table, tensor, columns.compute_copy, "compute_copy");
    }
  }
}

int32_t rows_of(const namp_optimizer_args& args) { return std::max(args.row_count, 1); }

// The rule's part of the checks.
template <class Rule>
void check_rule(namp_table& table, const namp_optimizer_args& args) {
  const namp_optimizer_columns& columns = args.columns;
  const auto states_of = [](const namp_optimizer_group& group) { return Rule::states(group); };
  int32_t states = 0;
  for (int64_t i = 0; i < int64_t{rows_of(args)} * args.group_count; ++i) {
    check_group<Rule>(args.groups[i]);
    if (states_of(args.groups[i]) != states_of(args.groups[i % args.group_count])) {
      fail(NAMP_ERROR_INVALID_ARGUMENT,
           "args->groups has rows that need different columns of state for group " +
               std::to_string(i % args.group_count) + "; only its numbers may differ.");
    }
    states = std::max(states, states_of(args.groups[i]));
  }
  static_assert(Rule::kMaxStates <= NAMP_MAX_STATE_COLUMNS);
  for (int32_t k = 0; k < states; ++k) {
    if (columns.state[k] >= 0 && columns.state[k] < table.view.column_count) continue;
    const std::string name =
        "args->columns.state[" + std::to_string(k) + "], " + Rule::kStateNames[k];
    check_column(table, columns.state[k], name.c_str());
  }
  if (table.fulfilled && table.fulfilled->are_those_of(args, states_of)) return;
  check_distinct(columns);
  OptimizerNeeds needs{columns, {}, false};
  for (int32_t group = 0; group < args.group_count; ++group)
    needs.states.push_back(states_of(args.groups[group]));
  check_tensors<Rule>(table, needs);
  table.fulfilled = std::move(needs);
}

// The checks that a step and a writing of its rows share.
void check_args(namp_table& table, const namp_optimizer_args* args) {
  check_struct(args, "args");
  check_range(args->group_count, 1, INT32_MAX, "args->group_count");
  check_object(args->groups, "args->groups");
  check_range(args->row_count, 0, INT32_MAX, "args->row_count");
  check_count(args->first_step, "args->first_step");
  check_product({rows_of(*args), args->group_count}, "args->row_count and args->group_count");
  const namp_optimizer_columns& columns = args->columns;
  check_column(table, columns.parameter, "args->columns.parameter");
  check_column(table, columns.gradient, "args->columns.gradient");
  check_optional_column(table, columns.compute_copy, "args->columns.compute_copy");
  check_optional_column(table, columns.remainder, "args->columns.remainder");
  const bool known =
      with_rule(args->rule, [&](auto rule) { check_rule<decltype(rule)>(table, *args); });
  if (known) return;
  fail(NAMP_ERROR_INVALID_ARGUMENT,
       "args->rule is " + std::to_string(args->rule) + ", which is no namp_rule.");
}

}  // namespace
}  // namespace namp

int32_t namp_optimizer_step(namp_table* table, const namp_optimizer_args* args,
                            const namp_scaler_state* scaler, namp_optimizer_state* state,
                            namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_args(checked, args);
    namp::check_range(args->weight_rounding, NAMP_ROUND_NEAREST_EVEN, NAMP_ROUND_STOCHASTIC,
                      "args->weight_rounding");
    namp::require(args->max_norm >= 0.0f, "args->max_norm must be 0 or more, and not NaN.");
    namp::check_flag(args->advance_step, "args->advance_step");
    const bool checks = namp::check_flag(args->check_gradients, "args->check_gradients");
    if (scaler != nullptr) namp::check_object(scaler, "scaler");
    namp::check_object(state, "state");
    if (checked.view.tensor_count > 0) namp::check_object(args->steps, "args->steps");
    if (args->rows != nullptr) namp::check_object(args->rows, "args->rows");
    checked.use_on(stream);
    if (checks) {
      checked.device.backend->unscale_check(checked.view, args->columns.gradient, -1, false, scaler,
                                            state, true, stream);
    }
    checked.device.backend->optimizer_step(checked.view, *args, checked.fulfilled->compact, scaler,
                                           state, stream);
  });
}

int32_t namp_optimizer_write_rows(namp_optimizer_rows* rows, namp_table* table,
                                  const namp_optimizer_args* args, namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_object(rows, "rows");
    namp::check_args(checked, args);
    namp::refuse_capture(checked.device,
                         "namp_optimizer_write_rows copies from the host. Call it before each "
                         "launch.");
    const std::vector<char> image = namp::rows_image(*args);
    checked.device.backend->copy(rows, image.data(), static_cast<int64_t>(image.size()),
                                 NAMP_COPY_HOST_TO_DEVICE, stream);
  });
}
