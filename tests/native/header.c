/* The test is that this compiles: the public header alone, as strict C99, included twice, and its
 * _INIT macros. */
#include "nativeamp.h"
#include "nativeamp.h" /* NOLINT: the guard is part of the test */

int main(void) {
  const namp_scaler_options scaler = NAMP_SCALER_OPTIONS_INIT;
  const namp_optimizer_args step = NAMP_OPTIMIZER_ARGS_INIT;
  const int right = scaler.growth_interval == 2000 && scaler.hysteresis == 1 &&
                    scaler.bad_index == 0 && step.columns.gradient == 1 &&
                    step.columns.compute_copy == -1 && step.advance_step == 1 &&
                    step.check_gradients == 1 && step.row_count == 0;
  return right ? 0 : 1;
}
