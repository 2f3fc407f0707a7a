// Family 4, FP32 Adam.
#include <cmath>
#include <string>
#include <utility>

#include "abi/check.h"
#include "abi/table.h"
#include "abi/wall.h"

namespace namp {
namespace {

void check_group(const namp_adam_group& group) {
  require(std::isfinite(group.learning_rate), "A group's learning_rate must be finite.");
  require(group.beta1 >= 0.0 && group.beta1 < 1.0, "A group's beta1 must be in [0, 1).");
  require(group.beta2 >= 0.0 && group.beta2 < 1.0, "A group's beta2 must be in [0, 1).");
  require(std::isfinite(group.epsilon) && group.epsilon >= 0.0,
          "A group's epsilon must be finite and 0 or more.");
  require(std::isfinite(group.weight_decay), "A group's weight_decay must be finite.");
  check_flag(group.decoupled, "a group's decoupled");
  check_flag(group.amsgrad, "a group's amsgrad");
  check_flag(group.maximize, "a group's maximize");
}

// A column that may be left out as -1.
void check_optional_column(const namp_table& table, int32_t column, const char* name) {
  if (column != -1) check_column(table, column, name);
}

void check_tensors(const namp_table& table, const AdamNeeds& needs) {
  const namp_adam_columns& columns = needs.columns;
  for (int64_t tensor = 0; tensor < table.view.tensor_count; ++tensor) {
    if (table.cell(tensor, columns.gradient).data == nullptr) continue;
    const int32_t group = table.groups[static_cast<size_t>(tensor)];
    if (static_cast<size_t>(group) >= needs.amsgrad.size()) {
      fail(NAMP_ERROR_INVALID_ARGUMENT, "Tensor " + std::to_string(tensor) + " is in group " +
                                            std::to_string(group) + ", but args->group_count is " +
                                            std::to_string(needs.amsgrad.size()) +
                                            "; give the hyperparameters of every group.");
    }
    check_cell(table, tensor, columns.gradient, "gradient");
    check_cell(table, tensor, columns.parameter, "parameter", NAMP_FLOAT32);
    check_cell(table, tensor, columns.exp_avg, "exp_avg", NAMP_FLOAT32);
    check_cell(table, tensor, columns.exp_avg_sq, "exp_avg_sq", NAMP_FLOAT32);
    if (needs.amsgrad[static_cast<size_t>(group)]) {
      check_cell(table, tensor, columns.max_exp_avg_sq, "max_exp_avg_sq", NAMP_FLOAT32);
    }
    if (columns.half_copy >= 0 && table.cell(tensor, columns.half_copy).data != nullptr) {
      check_cell(table, tensor, columns.half_copy, "half_copy");
    }
  }
}

}  // namespace
}  // namespace namp

int32_t namp_adam_step(namp_table* table, const namp_adam_args* args,
                       const namp_scaler_state* scaler, namp_optimizer_state* state,
                       namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_struct(args, "args");
    namp::check_range(args->group_count, 1, INT32_MAX, "args->group_count");
    namp::check_object(args->groups, "args->groups");
    bool amsgrad = false;
    for (int32_t group = 0; group < args->group_count; ++group) {
      namp::check_group(args->groups[group]);
      amsgrad = amsgrad || args->groups[group].amsgrad != 0;
    }
    const namp_adam_columns& columns = args->columns;
    namp::check_column(checked, columns.parameter, "args->columns.parameter");
    namp::check_column(checked, columns.gradient, "args->columns.gradient");
    namp::check_column(checked, columns.exp_avg, "args->columns.exp_avg");
    namp::check_column(checked, columns.exp_avg_sq, "args->columns.exp_avg_sq");
    if (amsgrad) {
      namp::check_column(checked, columns.max_exp_avg_sq, "args->columns.max_exp_avg_sq");
    }
    namp::check_optional_column(checked, columns.half_copy, "args->columns.half_copy");
    namp::check_range(args->half_copy_rounding, NAMP_ROUND_NEAREST_EVEN, NAMP_ROUND_STOCHASTIC,
                      "args->half_copy_rounding");
    namp::require(args->max_norm >= 0.0f, "args->max_norm must be 0 or more, and not NaN.");
    namp::check_flag(args->advance_step, "args->advance_step");
    const bool checks = namp::check_flag(args->check_gradients, "args->check_gradients");
    if (scaler != nullptr) namp::check_object(scaler, "scaler");
    namp::check_object(state, "state");
    if (checked.view.tensor_count > 0) namp::check_object(args->steps, "args->steps");
    if (!checked.fulfilled || !checked.fulfilled->are_those_of(*args)) {
      namp::AdamNeeds needs{columns, {}};
      for (int32_t group = 0; group < args->group_count; ++group)
        needs.amsgrad.push_back(args->groups[group].amsgrad != 0);
      namp::check_tensors(checked, needs);
      checked.fulfilled = std::move(needs);
    }
    if (checks) {
      checked.device.backend->unscale_check(checked.view, columns.gradient, -1, scaler, state, true,
                                            stream);
    }
    checked.device.backend->adam_step(checked.view, *args, scaler, state, stream);
  });
}
