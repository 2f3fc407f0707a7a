// Checks of the arguments of softmax and argmax.
#include <limits>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The number of elements.
int64_t check_softmax(const namp_softmax_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->input_dtype, "args->input_dtype");
  check_float_dtype(args->output_dtype, "args->output_dtype");
  check_positive(args->width, "args->width");
  const int64_t count = check_product({args->rows, args->width}, "args->rows and args->width");
  check_tensor(args->output, args->output_dtype, count, "args->output");
  return count;
}

}  // namespace
}  // namespace namp

int32_t namp_softmax_forward(namp_device* device, const namp_softmax_args* args,
                             namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_softmax(args);
    namp::check_tensor(args->input, args->input_dtype, count, "args->input");
    if (count != 0) checked->backend->softmax_forward(*args, stream);
  });
}

int32_t namp_softmax_backward(namp_device* device, const namp_softmax_args* args,
                              namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_softmax(args);
    namp::check_tensor(args->output_gradient, args->output_dtype, count, "args->output_gradient");
    namp::check_tensor(args->input_gradient, args->input_dtype, count, "args->input_gradient");
    if (count != 0) checked->backend->softmax_backward(*args, stream);
  });
}

int32_t namp_argmax(namp_device* device, int32_t* out, const void* in, int32_t dtype, int64_t rows,
                    int64_t width, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const namp_dtype known = namp::check_float_dtype(dtype, "dtype");
    namp::check_range(width, 1, std::numeric_limits<int32_t>::max(), "width");
    const int64_t count = namp::check_product({rows, width}, "rows and width");
    namp::check_tensor(out, NAMP_INT32, rows, "out");
    namp::check_tensor(in, dtype, count, "in");
    if (count != 0) checked->backend->argmax(out, in, known, rows, width, stream);
  });
}
