// The input's gradient of a norm that is added to what the input has from elsewhere.
#pragma once

#include "backend_test.h"

namespace namp_test {

// Of a backward call that has been made, runs it again with a residual gradient, and with a copy of the
// sum. `expected` has the
// input's gradient without it, in double. run is run_everywhere of the test.
template <class Args, class Backward, class Run, class Expect>
void check_residual_gradient(Device& device, Args args, Backward backward,
                             const Buffer& input_gradient, const std::vector<double>& expected,
                             const Run& run, const Expect& expect_close) {
  const int64_t count = input_gradient.size();
  const int32_t dtype = args.input_dtype;
  const std::vector<double> residuals = random_values(count, 5);
  // Where the input's gradient begins at 16 bytes, the others do too.
  const int64_t unit = reinterpret_cast<uintptr_t>(args.input_gradient) % 16 == 0 ? 16 : 1;
  const Buffer residual(device, dtype, residuals, 2 * unit);
  Buffer sum(device, dtype, count, unit);
  args.input_gradient = sum.data();
  args.residual_gradient = residual.data();
  // Once is enough for the gradients of parameters.
  args.gamma_gradient = nullptr;
  run([&] { return backward(device, &args, nullptr); }, {&sum});
  std::vector<double> sums;
  for (int64_t i = 0; i < count; ++i)
    sums.push_back(expected[static_cast<size_t>(i)] + residual[i]);
  expect_close(sum, sums);
  // float32 is not rounded before the sum is.
  for (int64_t i = 0; dtype == NAMP_FLOAT32 && i < count; ++i) {
    ASSERT_EQ(static_cast<float>(sum[i]),
              static_cast<float>(residual[i]) + static_cast<float>(input_gradient[i]))
        << i;
  }
  Buffer both(device, dtype, residuals, 2 * unit);
  args.input_gradient = both.data();
  args.residual_gradient = both.data();
  Buffer copy(device, args.output_dtype, count, 3 * unit);
  args.input_gradient_copy = copy.data();
  if (dtype != NAMP_FLOAT32) {
    EXPECT_EQ(backward(device, &args, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(both.bytes(), Buffer(device, dtype, residuals, 2 * unit).bytes())
        << "a call that was refused";
    args.input_gradient_copy = nullptr;
  }
  ASSERT_EQ(backward(device, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(both.bytes(), sum.bytes()) << "in place";
  if (dtype != NAMP_FLOAT32) return;
  std::vector<double> rounded;
  for (int64_t i = 0; i < count; ++i)
    rounded.push_back(sum[i]);
  EXPECT_EQ(copy.bytes(), Buffer(device, args.output_dtype, rounded, 3 * unit).bytes());
}

}  // namespace namp_test
