// Checks of the arguments of integer codes and of products with them.
#include <cmath>
#include <type_traits>

#include "abi/check.h"
#include "abi/check_convolution.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The number of elements.
int64_t check_row_codes(const namp_row_codes_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->dtype, "args->dtype");
  check_count(args->rows, "args->rows");
  check_positive(args->width, "args->width");
  check_count(args->group, "args->group");
  const int64_t count = check_product({args->rows, args->width}, "args->rows and args->width");
  check_tensor(args->codes, NAMP_UINT8, count, "args->codes");
  check_tensor(args->scales, NAMP_FLOAT32, args->rows * code_groups(args->width, args->group),
               "args->scales");
  return count;
}

// Of codes of a whole tensor.
void check_codes_of(float scale, int32_t zero_point) {
  if (!(scale > 0 && std::isfinite(scale))) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         "The scale of the codes is " + std::to_string(scale) + "; it must be finite and above 0.");
  }
  check_range(zero_point, INT8_MIN, INT8_MAX, "the zero point of the codes");
}

void check_tensor_codes(const namp_tensor_codes_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->dtype, "args->dtype");
  check_count(args->count, "args->count");
  check_codes_of(args->scale, args->zero_point);
  check_tensor(args->input, args->dtype, args->count, "args->input");
  check_tensor(args->codes, NAMP_UINT8, args->count, "args->codes");
}

// The bytes of a weight that is laid out, by its sizes.
int64_t check_packed(const Backend& backend, const namp_int8_pack_args& sizes) {
  check_count(sizes.n, "n");
  if (sizes.kernel_h == 0 && sizes.kernel_w == 0) {
    check_range(sizes.k, 0, NAMP_INT8_GEMM_MAX_K, "k");
  } else {
    check_range(sizes.k, 1, NAMP_INT8_SHIFTED_MAX_K,
                "the number of inputs of a convolution's output");
    check_positive(sizes.kernel_h, "kernel_h");
    check_positive(sizes.kernel_w, "kernel_w");
    require(sizes.k % check_product({sizes.kernel_h, sizes.kernel_w}, "the kernel's sizes") == 0,
            "k is not a multiple of kernel_h * kernel_w; it must be that times input channels.");
  }
  // With what a layout adds.
  check_product({sizes.n, sizes.k + 64}, "n and k");
  return backend.int8_packed_bytes(sizes);
}

// The columns of a weight of 4 bits that share a scale.
void check_int4_group(int64_t group, const char* otherwise) {
  if (group != 32 && group != 64 && group != 128 && group != 256) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         std::string("args->group is not 32, 64, 128 or 256") + otherwise);
  }
}

// The bytes of a weight of 4 bits that is laid out, by its sizes.
int64_t check_packed(const Backend& backend, const namp_int4_pack_args& sizes) {
  check_count(sizes.n, "n");
  check_count(sizes.k, "k");
  check_int4_group(sizes.group, ".");
  // With what a layout adds.
  check_product({sizes.n, sizes.k + 512}, "n and k");
  return backend.int4_packed_bytes(sizes);
}

// A weight that is laid out, or memory for it.
template <class Sizes>
void check_packed(const Backend& backend, const Sizes& sizes, const void* packed, int64_t bytes,
                  const char* name) {
  constexpr bool kInt4 = std::is_same_v<Sizes, namp_int4_pack_args>;
  const int64_t needed = check_packed(backend, sizes);
  if (bytes != needed) {
    const std::string function = kInt4 ? "namp_int4_pack" : "namp_int8_pack";
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         std::string(name) + " has " + std::to_string(bytes) + " bytes; a weight of " +
             std::to_string(sizes.n) + " x " + std::to_string(sizes.k) + " has " +
             std::to_string(needed) + " where " + function + " laid it out on this device. Use " +
             function + "ed_bytes.");
  }
  check_tensor(packed, kInt4 ? NAMP_FLOAT32 : NAMP_UINT8, kInt4 ? bytes / 4 : bytes, name);
}

// Whether there is anything to compute.
bool check_int8_conv2d(const Backend& backend, const namp_int8_conv2d_args* args) {
  check_struct(args, "args");
  check_reserved(args->reserved, "args", "reserved");
  const Conv2dCounts counts = check_conv2d(*args);
  check_codes_of(args->scale, args->zero_point);
  check_product({args->in_channels, args->in_h + 2 * args->pad_h + args->stride_h,
                 args->in_w + 2 * args->pad_w + args->stride_w},
                "the padded input's sizes");
  check_tensor(args->input, NAMP_UINT8, counts.input, "args->input");
  namp_int8_pack_args sizes{};
  sizes.n = args->out_channels;
  sizes.k = counts.weight / args->out_channels;
  sizes.kernel_h = args->kernel_h;
  sizes.kernel_w = args->kernel_w;
  check_packed(backend, sizes, args->weight, args->weight_bytes, "args->weight");
  check_tensor(args->weight_scales, NAMP_FLOAT32, args->out_channels, "args->weight_scales");
  check_optional_tensor(args->bias, NAMP_FLOAT32, "args->bias");
  check_tensor(args->output, args->dtype, counts.output, "args->output");
  return counts.output != 0;
}

// Whether there is anything to lay out.
bool check_int8_pack(const Backend& backend, const namp_int8_pack_args* args) {
  check_struct(args, "args");
  check_packed(backend, *args, args->packed, args->packed_bytes, "args->packed");
  check_tensor(args->weight, NAMP_UINT8, args->n * args->k, "args->weight");
  return args->packed_bytes != 0;
}

// Whether there is anything to compute.
bool check_int8_gemm(const Backend& backend, const namp_int8_gemm_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->c_dtype, "args->c_dtype");
  check_count(args->m, "args->m");
  check_count(args->n, "args->n");
  check_range(args->a_zero_point, INT8_MIN, INT8_MAX, "args->a_zero_point");
  check_range(args->k, 0, args->a_zero_point == 0 ? NAMP_INT8_GEMM_MAX_K : NAMP_INT8_SHIFTED_MAX_K,
              "args->k");
  const int64_t a = check_product({args->m, args->k}, "args->m and args->k");
  const int64_t c = check_product({args->m, args->n}, "args->m and args->n");
  check_tensor(args->a, NAMP_UINT8, a, "args->a");
  namp_int8_pack_args sizes{};
  sizes.n = args->n;
  sizes.k = args->k;
  check_packed(backend, sizes, args->b, args->b_bytes, "args->b");
  check_optional_tensor(args->a_scales, NAMP_FLOAT32, "args->a_scales");
  if (args->a_scales == nullptr && args->m != 0) check_codes_of(args->a_scale, args->a_zero_point);
  check_tensor(args->b_scales, NAMP_FLOAT32, args->n, "args->b_scales");
  check_optional_tensor(args->bias, NAMP_FLOAT32, "args->bias");
  check_tensor(args->c, args->c_dtype, c, "args->c");
  return c != 0;
}

bool check_code_gemm(const namp_code_gemm_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->a_dtype, "args->a_dtype");
  check_float_dtype(args->c_dtype, "args->c_dtype");
  require(args->bits == 4 || args->bits == 8, "args->bits is neither 4 nor 8.");
  check_count(args->m, "args->m");
  check_count(args->n, "args->n");
  check_count(args->k, "args->k");
  const int64_t group = args->group;
  if (args->bits == 4) {
    check_int4_group(group, " with 4 bits.");
  } else {
    require(group == 0, "args->group is not 0 with 8 bits.");
  }
  const int64_t groups = code_groups(args->k, group);
  const int64_t a = check_product({args->m, args->k}, "args->m and args->k");
  const int64_t codes =
      args->bits == 4 ? check_product({args->n, groups, group / 2}, "args->n and groups of args->k")
                      : check_product({args->n, args->k}, "args->n and args->k");
  const int64_t c = check_product({args->m, args->n}, "args->m and args->n");
  check_tensor(args->a, args->a_dtype, a, "args->a");
  check_tensor(args->codes, NAMP_UINT8, codes, "args->codes");
  check_tensor(args->scales, NAMP_FLOAT32, args->n * groups, "args->scales");
  check_optional_tensor(args->bias, NAMP_FLOAT32, "args->bias");
  check_tensor(args->c, args->c_dtype, c, "args->c");
  return c != 0;
}

// Whether there is anything to lay out.
bool check_int4_pack(const Backend& backend, const namp_int4_pack_args* args) {
  check_struct(args, "args");
  check_reserved(args->reserved, "args", "reserved");
  check_packed(backend, *args, args->packed, args->packed_bytes, "args->packed");
  const int64_t groups = args->n * code_groups(args->k, args->group);
  check_tensor(args->codes, NAMP_UINT8, groups * args->group / 2, "args->codes");
  check_tensor(args->scales, NAMP_FLOAT32, groups, "args->scales");
  return args->packed_bytes != 0;
}

// Whether there is anything to compute.
bool check_int4_gemm(const Backend& backend, const namp_int4_gemm_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->c_dtype, "args->c_dtype");
  check_count(args->m, "args->m");
  namp_int4_pack_args sizes{};
  sizes.n = args->n;
  sizes.k = args->k;
  sizes.group = args->group;
  check_packed(backend, sizes, args->b, args->b_bytes, "args->b");
  const int64_t a = check_product({args->m, args->k}, "args->m and args->k");
  const int64_t c = check_product({args->m, args->n}, "args->m and args->n");
  check_tensor(args->a, NAMP_UINT8, a, "args->a");
  check_tensor(args->a_scales, NAMP_FLOAT32, args->m * code_groups(args->k, args->group),
               "args->a_scales");
  check_optional_tensor(args->bias, NAMP_FLOAT32, "args->bias");
  check_tensor(args->c, args->c_dtype, c, "args->c");
  return c != 0;
}

}  // namespace
}  // namespace namp

int32_t namp_quantize_rows(namp_device* device, const namp_row_codes_args* args,
                           namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_row_codes(args);
    namp::check_tensor(args->input, args->dtype, count, "args->input");
    if (count != 0) checked->backend->quantize_rows(*args, stream);
  });
}

int32_t namp_dequantize_rows(namp_device* device, const namp_row_codes_args* args,
                             namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_row_codes(args);
    namp::check_tensor(args->output, args->dtype, count, "args->output");
    if (count != 0) checked->backend->dequantize_rows(*args, stream);
  });
}

int32_t namp_quantize_tensor(namp_device* device, const namp_tensor_codes_args* args,
                             namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_tensor_codes(args);
    if (args->count != 0) checked->backend->quantize_tensor(*args, stream);
  });
}

int32_t namp_int8_conv2d(namp_device* device, const namp_int8_conv2d_args* args,
                         namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::Backend& backend = *checked->backend;
    if (namp::check_int8_conv2d(backend, args)) backend.int8_conv2d(*args, stream);
  });
}

int32_t namp_int8_packed_bytes(int64_t* bytes, namp_device* device,
                               const namp_int8_pack_args* args) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_object(bytes, "bytes");
    namp::check_struct(args, "args");
    *bytes = namp::check_packed(*checked->backend, *args);
  });
}

int32_t namp_int8_pack(namp_device* device, const namp_int8_pack_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::Backend& backend = *checked->backend;
    if (namp::check_int8_pack(backend, args)) backend.int8_pack(*args, stream);
  });
}

int32_t namp_int8_gemm(namp_device* device, const namp_int8_gemm_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::Backend& backend = *checked->backend;
    if (namp::check_int8_gemm(backend, args)) backend.int8_gemm(*args, stream);
  });
}

int32_t namp_code_gemm(namp_device* device, const namp_code_gemm_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    if (namp::check_code_gemm(args)) checked->backend->code_gemm(*args, stream);
  });
}

int32_t namp_int4_packed_bytes(int64_t* bytes, namp_device* device,
                               const namp_int4_pack_args* args) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_object(bytes, "bytes");
    namp::check_struct(args, "args");
    *bytes = namp::check_packed(*checked->backend, *args);
  });
}

int32_t namp_int4_pack(namp_device* device, const namp_int4_pack_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::Backend& backend = *checked->backend;
    if (namp::check_int4_pack(backend, args)) backend.int4_pack(*args, stream);
  });
}

int32_t namp_int4_gemm(namp_device* device, const namp_int4_gemm_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::Backend& backend = *checked->backend;
    if (namp::check_int4_gemm(backend, args)) backend.int4_gemm(*args, stream);
  });
}
