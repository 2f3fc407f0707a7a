// Family 3, unscale and check, and the scale's update.
#include <cmath>
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/table.h"
#include "abi/wall.h"

namespace namp {
namespace {

// Checks the gradients, and the cells that they are written to (unless write_column is -1). Whether some
// are FP8.
bool check_gradients(const namp_table& table, int32_t gradient_column, int32_t write_column) {
  bool any_fp8 = false;
  for (int64_t tensor = 0; tensor < table.view.tensor_count; ++tensor) {
    if (table.cell(tensor, gradient_column).data == nullptr) continue;
    check_gradient_cell(table, tensor, gradient_column, "gradient");
    any_fp8 |= is_float8(table.cell(tensor, gradient_column).dtype);
    if (write_column < 0 || write_column == gradient_column) continue;
    check_gradient_cell(table, tensor, write_column, "unscaled gradient");
    any_fp8 |= is_float8(table.cell(tensor, write_column).dtype);
  }
  return any_fp8;
}

void check_options(const namp_scaler_options* options) {
  check_struct(options, "options");
  if (options->bad_index != nullptr) check_object(options->bad_index, "options->bad_index");
  check_range(options->growth_interval, 1, INT32_MAX, "options->growth_interval");
  check_range(options->hysteresis, 1, INT32_MAX, "options->hysteresis");
  check_flag(options->hysteresis_refill, "options->hysteresis_refill");
  check_range(options->growth_delay, 0, INT32_MAX, "options->growth_delay");
  require(std::isfinite(options->growth_factor) && options->growth_factor >= 1.0,
          "options->growth_factor must be finite and 1 or more.");
  require(options->backoff_factor > 0.0 && options->backoff_factor <= 1.0,
          "options->backoff_factor must be above 0 and no more than 1.");
  require(std::isfinite(options->minimum_scale) && options->minimum_scale >= 0.0f,
          "options->minimum_scale must be finite and 0 or more.");
  require(options->maximum_scale > 0.0f && options->maximum_scale >= options->minimum_scale,
          "options->maximum_scale must be above 0 and no less than minimum_scale.");
}

}  // namespace
}  // namespace namp

int32_t namp_unscale_check(namp_table* table, int32_t gradient_column, int32_t write_column,
                           const namp_scaler_state* scaler, namp_optimizer_state* state,
                           int32_t reset, namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_column(checked, gradient_column, "gradient_column");
    if (write_column != -1) namp::check_column(checked, write_column, "write_column");
    if (scaler != nullptr) namp::check_object(scaler, "scaler");
    namp::check_object(state, "state");
    const bool resets = namp::check_flag(reset, "reset");
    const bool writes = write_column >= 0;
    const bool casts = namp::check_gradients(checked, gradient_column, write_column) && writes;
    checked.use_on(stream);
    namp::Backend& backend = *checked.device.backend;
    backend.unscale_check(checked.view, gradient_column, casts ? -1 : write_column, writes, scaler,
                          state, resets, stream);
    if (!casts) return;
    namp_cast_options options{};
    if (scaler != nullptr) options.scale = &scaler->inverse_scale;
    backend.cast_table(checked.view, write_column, gradient_column, options, stream);
  });
}

int32_t namp_scaler_update(namp_device* device, namp_scaler_state* scaler,
                           namp_optimizer_state* const* states, int32_t count,
                           const namp_scaler_options* options, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_object(scaler, "scaler");
    namp::check_range(count, 1, NAMP_SCALER_MAX_STATES, "count");
    namp::check_object(states, "states");
    for (int32_t i = 0; i < count; ++i)
      namp::check_object(states[i], "states[i]");
    namp::check_options(options);
    checked->backend->scaler_update(scaler, states, count, *options, stream);
  });
}
