// Calls of integer codes and products with them.
#include <cmath>

#include "call.h"
#include "windows.h"

namespace namp_campaign {
namespace {

void rows(Call& c, bool back) {
  auto& a = c.args<namp_row_codes_args>();
  const int32_t dtype = c.float_dtype(a.dtype);
  c.size(a.rows, c.small(9));
  c.size(a.width, c.random.between(1, 70));
  const int64_t count = a.rows * a.width;
  a.group = c.random.of<int64_t>({0, 1, 32, 70, int64_t{1} << 58});
  c.wrong([&c, &a] {
    a.group = c.random.of<int64_t>({-1, INT64_MIN, INT64_MAX});
    return true;
  });
  const int64_t groups = a.group == 0 ? 1 : 1 + (a.width - 1) / a.group;
  c.tensor(a.codes, NAMP_UINT8, count);
  c.tensor(a.scales, NAMP_FLOAT32, a.rows * groups);
  if (back) {
    c.tensor(a.output, dtype, count);
    c.make("namp_dequantize_rows", [&] { return namp_dequantize_rows(c.device, &a, nullptr); });
  } else {
    c.tensor(a.input, dtype, count);
    c.make("namp_quantize_rows", [&] { return namp_quantize_rows(c.device, &a, nullptr); });
  }
}

// is_read: whether the call looks at the scale, which it does not where there is nothing to scale.
void codes_of(Call& c, float& scale, int32_t& zero_point, bool is_read = true) {
  scale = 0.01F;
  zero_point = static_cast<int32_t>(c.random.between(-128, 127));
  c.wrong([&c, &scale, is_read] {
    scale = c.random.of({0.0F, -1.0F, std::nanf(""), HUGE_VALF});
    return is_read;
  });
  c.wrong([&c, &zero_point] {
    zero_point = c.random.of<int32_t>({-129, 128, INT32_MIN, INT32_MAX});
    return true;
  });
}

void tensor_codes(Call& c) {
  auto& a = c.args<namp_tensor_codes_args>();
  const int32_t dtype = c.float_dtype(a.dtype);
  c.size(a.count, c.small(300));
  c.tensor(a.input, dtype, a.count);
  c.tensor(a.codes, NAMP_UINT8, a.count);
  codes_of(c, a.scale, a.zero_point);
  c.make("namp_quantize_tensor", [&] { return namp_quantize_tensor(c.device, &a, nullptr); });
}

void wrong_bytes(Call& c, int64_t& bytes) {
  c.wrong([&c, &bytes, right = bytes] {  // twice is not right again
    bytes = right + c.random.of<int64_t>({-1, 1, -128, 4096, int64_t{1} << 62});
    return true;
  });
}

// A weight that is laid out, or memory for it; its bytes can be wrong.
template <class T>
void packed(Call& c, T*& field, int64_t& bytes, const namp_int8_pack_args& sizes) {
  namp_int8_packed_bytes(&bytes, c.device, &sizes);
  c.tensor(field, NAMP_UINT8, bytes);
  wrong_bytes(c, bytes);
}

// The same of 4 bits.
template <class T>
void packed(Call& c, T*& field, int64_t& bytes, const namp_int4_pack_args& sizes) {
  namp_int4_packed_bytes(&bytes, c.device, &sizes);
  c.tensor(field, NAMP_FLOAT32, bytes / 4);
  wrong_bytes(c, bytes);
}
// The sizes of a weight of a product, or of a convolution.
void draw_weight(Call& c, namp_int8_pack_args& a) {
  c.size(a.n, c.small(70));
  if (c.random.one_in(2)) {
    c.size(a.k, c.small(140));
    return;
  }
  c.size(a.kernel_h, c.random.between(1, 4));
  c.size(a.kernel_w, c.random.between(1, 9));
  c.size(a.k, a.kernel_h * a.kernel_w * c.random.between(1, 6));
}

void packed_bytes(Call& c) {
  auto& a = c.args<namp_int8_pack_args>();
  draw_weight(c, a);
  int64_t*& bytes = *static_cast<int64_t**>(c.block(sizeof(int64_t*)));
  c.tensor(bytes, NAMP_INT32, 2);  // as many bytes
  c.make("namp_int8_packed_bytes", [&] { return namp_int8_packed_bytes(bytes, c.device, &a); });
}

void int8_pack(Call& c) {
  auto& a = c.args<namp_int8_pack_args>();
  draw_weight(c, a);
  c.tensor(a.weight, NAMP_UINT8, a.n * a.k);
  packed(c, a.packed, a.packed_bytes, a);
  c.make("namp_int8_pack", [&] { return namp_int8_pack(c.device, &a, nullptr); });
}

void int8_gemm(Call& c) {
  auto& a = c.args<namp_int8_gemm_args>();
  const int32_t dtype = c.float_dtype(a.c_dtype);
  c.size(a.m, c.small(9));
  c.size(a.n, c.small(70));
  c.size(a.k, c.small(140));
  c.tensor(a.a, NAMP_UINT8, a.m * a.k);
  namp_int8_pack_args weight{};
  weight.struct_size = sizeof weight;
  weight.n = a.n;
  weight.k = a.k;
  packed(c, a.b, a.b_bytes, weight);
  // Without scales of the rows there is one of all.
  if (c.random.one_in(2)) {
    c.tensor(a.a_scales, NAMP_FLOAT32, a.m);
  } else {
    codes_of(c, a.a_scale, a.a_zero_point, a.m != 0);
  }
  c.tensor(a.b_scales, NAMP_FLOAT32, a.n);
  c.tensor(a.bias, NAMP_FLOAT32, a.n, false);
  c.tensor(a.c, dtype, a.m * a.n);
  c.make("namp_int8_gemm", [&] { return namp_int8_gemm(c.device, &a, nullptr); });
}

void int8_conv2d(Call& c) {
  auto& a = c.args<namp_int8_conv2d_args>();
  const int32_t dtype = c.float_dtype(a.dtype);
  const Convolution sizes = draw_convolution(c, a);
  c.tensor(a.input, NAMP_UINT8, sizes.inputs);
  namp_int8_pack_args weight{};
  weight.struct_size = sizeof weight;
  weight.n = a.out_channels;
  weight.k = sizes.weights / a.out_channels;
  weight.kernel_h = a.kernel_h;
  weight.kernel_w = a.kernel_w;
  packed(c, a.weight, a.weight_bytes, weight);
  c.tensor(a.weight_scales, NAMP_FLOAT32, a.out_channels);
  c.tensor(a.bias, NAMP_FLOAT32, a.out_channels, false);
  c.tensor(a.output, dtype, sizes.outputs);
  codes_of(c, a.scale, a.zero_point);
  c.make("namp_int8_conv2d", [&] { return namp_int8_conv2d(c.device, &a, nullptr); });
}

void draw_group(Call& c, int64_t& group, bool none) {
  group = none ? 0 : c.random.of<int64_t>({32, 64, 128, 256});
  c.wrong([&c, &group] {
    group = c.random.of<int64_t>({-32, 1, 16, 96, 512, INT64_MAX});
    return true;
  });
}

// The sizes of a weight of 4 bits; its groups of columns.
int64_t draw_int4(Call& c, namp_int4_pack_args& a) {
  draw_group(c, a.group, false);
  c.size(a.n, c.small(70));
  c.size(a.k, c.small(300));
  return (a.k + a.group - 1) / a.group;
}

void int4_packed_bytes(Call& c) {
  auto& a = c.args<namp_int4_pack_args>();
  draw_int4(c, a);
  int64_t*& bytes = *static_cast<int64_t**>(c.block(sizeof(int64_t*)));
  c.tensor(bytes, NAMP_INT32, 2);  // as many bytes
  c.make("namp_int4_packed_bytes", [&] { return namp_int4_packed_bytes(bytes, c.device, &a); });
}

void int4_pack(Call& c) {
  auto& a = c.args<namp_int4_pack_args>();
  const int64_t groups = draw_int4(c, a);
  c.tensor(a.codes, NAMP_UINT8, a.n * groups * a.group / 2);
  c.tensor(a.scales, NAMP_FLOAT32, a.n * groups);
  packed(c, a.packed, a.packed_bytes, a);
  c.make("namp_int4_pack", [&] { return namp_int4_pack(c.device, &a, nullptr); });
}

void int4_gemm(Call& c) {
  auto& a = c.args<namp_int4_gemm_args>();
  const int32_t dtype = c.float_dtype(a.c_dtype);
  draw_group(c, a.group, false);
  c.size(a.m, c.small(15));
  c.size(a.n, c.small(70));
  c.size(a.k, c.small(300));
  namp_int4_pack_args weight{};
  weight.struct_size = sizeof weight;
  weight.n = a.n;
  weight.k = a.k;
  weight.group = a.group;
  packed(c, a.b, a.b_bytes, weight);
  c.tensor(a.a, NAMP_UINT8, a.m * a.k);
  c.tensor(a.a_scales, NAMP_FLOAT32, a.m * ((a.k + a.group - 1) / a.group));
  c.tensor(a.bias, NAMP_FLOAT32, a.n, false);
  c.tensor(a.c, dtype, a.m * a.n);
  c.make("namp_int4_gemm", [&] { return namp_int4_gemm(c.device, &a, nullptr); });
}

void code_gemm(Call& c) {
  auto& a = c.args<namp_code_gemm_args>();
  const int32_t in = c.float_dtype(a.a_dtype), out = c.float_dtype(a.c_dtype);
  c.choice(a.bits, {4, 8});
  draw_group(c, a.group, a.bits == 8);
  c.size(a.m, c.small(9));
  c.size(a.n, c.small(40));
  c.size(a.k, c.small(300));
  const int64_t groups = a.bits == 8 ? 1 : (a.k + a.group - 1) / a.group;
  c.tensor(a.a, in, a.m * a.k);
  c.tensor(a.codes, NAMP_UINT8, a.n * (a.bits == 8 ? a.k : groups * a.group / 2));
  c.tensor(a.scales, NAMP_FLOAT32, a.n * groups);
  c.tensor(a.bias, NAMP_FLOAT32, a.n, false);
  c.tensor(a.c, out, a.m * a.n);
  c.make("namp_code_gemm", [&] { return namp_code_gemm(c.device, &a, nullptr); });
}

}  // namespace

const std::vector<Function> kIntegers = {
    {"namp_quantize_rows", [](Call& c) { rows(c, false); }},
    {"namp_dequantize_rows", [](Call& c) { rows(c, true); }},
    {"namp_quantize_tensor", tensor_codes},
    {"namp_int8_packed_bytes", packed_bytes},
    {"namp_int8_pack", int8_pack},
    {"namp_int8_gemm", int8_gemm},
    {"namp_int8_conv2d", int8_conv2d},
    {"namp_code_gemm", code_gemm},
    {"namp_int4_packed_bytes", int4_packed_bytes},
    {"namp_int4_pack", int4_pack},
    {"namp_int4_gemm", int4_gemm},
};

}  // namespace namp_campaign
