// Integer codes, and products and convolutions with them.
#include "workloads.h"

namespace gpu_report {
namespace {

int8_t* codes(EmulatedGpu& gpu, int64_t count) {
  return static_cast<int8_t*>(gpu.numbers(NAMP_UINT8, count));
}
float* floats(EmulatedGpu& gpu, int64_t count) {
  return static_cast<float*>(gpu.numbers(NAMP_FLOAT32, count));
}

constexpr int64_t kWidth = 1024;  // of a row

Workload row_codes(int64_t n, bool back) {
  const int64_t rows = n / kWidth;
  return {back ? "dequantize rows f16" : "quantize rows f16",
          "element",
          rows * kWidth,
          3 + 4 / d(kWidth),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_row_codes_args>();
            args.dtype = NAMP_FLOAT16;
            args.rows = rows;
            args.width = kWidth;
            args.input = gpu.numbers(NAMP_FLOAT16, n);
            args.output = gpu.numbers(NAMP_FLOAT16, n);
            args.codes = codes(gpu, n);
            args.scales = floats(gpu, rows);
            return [=, &gpu] {
              return back ? namp_dequantize_rows(gpu.device(), &args, nullptr)
                          : namp_quantize_rows(gpu.device(), &args, nullptr);
            };
          }};
}

Workload tensor_codes(int64_t n) {
  return {"quantize f16", "element", n, 3, false, [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_tensor_codes_args>();
            args.dtype = NAMP_FLOAT16;
            args.count = n;
            args.input = gpu.numbers(NAMP_FLOAT16, n);
            args.codes = codes(gpu, n);
            args.scale = 0.01f;
            args.zero_point = 3;
            return [=, &gpu] { return namp_quantize_tensor(gpu.device(), &args, nullptr); };
          }};
}

std::string sizes(int64_t m, int64_t n, int64_t k) {
  return std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
}

Workload int8_gemm(int64_t m, int64_t n, int64_t k, int compute) {
  return {"int8 gemm, " + sizes(m, n, k),
          "product",
          m * n * k,
          d((m + n) * k + 4 * m * n + 8 * n) / d(m * n * k),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_int8_gemm_args>();
            args.c_dtype = NAMP_FLOAT32;
            args.m = m;
            args.n = n;
            args.k = k;
            args.a = codes(gpu, m * k);
            args.b = codes(gpu, n * k);
            args.b_bytes = n * k;
            args.b_scales = floats(gpu, n);
            args.bias = floats(gpu, n);
            args.c = gpu.numbers(NAMP_FLOAT32, m * n);
            args.a_scale = 0.01f;
            args.a_zero_point = -128;
            return [=, &gpu] { return namp_int8_gemm(gpu.device(), &args, nullptr); };
          },
          compute};
}

Workload code_gemm(int64_t m, int64_t n, int64_t k, int32_t bits) {
  const int64_t group = bits == 4 ? 64 : 0;
  const int64_t scales = bits == 4 ? n * k / group : n;
  const int64_t bytes = n * k * bits / 8;
  return {"int" + std::to_string(bits) + " weights, f32, " + sizes(m, n, k),
          "product",
          m * n * k,
          d(4 * m * k + bytes + 4 * scales + 4 * m * n + 4 * n) / d(m * n * k),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_code_gemm_args>();
            args.a_dtype = args.c_dtype = NAMP_FLOAT32;
            args.bits = bits;
            args.m = m;
            args.n = n;
            args.k = k;
            args.group = group;
            args.a = gpu.numbers(NAMP_FLOAT32, m * k);
            args.codes = static_cast<const uint8_t*>(gpu.numbers(NAMP_UINT8, bytes));
            args.scales = floats(gpu, scales);
            args.bias = floats(gpu, n);
            args.c = gpu.numbers(NAMP_FLOAT32, m * n);
            return [=, &gpu] { return namp_code_gemm(gpu.device(), &args, nullptr); };
          }};
}

Workload int4_gemm(int64_t m, int64_t n, int64_t k) {
  const int64_t group = 64;
  const int64_t groups = k / group;
  const int64_t bytes = n * groups * (group / 2 + 4);
  return {"int4 gemm, " + sizes(m, n, k),
          "product",
          m * n * k,
          d(m * k + 4 * m * groups + bytes + 4 * m * n + 4 * n) / d(m * n * k),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_int4_gemm_args>();
            args.c_dtype = NAMP_FLOAT32;
            args.m = m;
            args.n = n;
            args.k = k;
            args.group = group;
            args.a = codes(gpu, m * k);
            args.a_scales = floats(gpu, m * groups);
            args.b = floats(gpu, bytes / 4);
            args.b_bytes = bytes;
            args.bias = floats(gpu, n);
            args.c = gpu.numbers(NAMP_FLOAT32, m * n);
            return [=, &gpu] { return namp_int4_gemm(gpu.device(), &args, nullptr); };
          }};
}

Workload int8_conv2d() {
  const int64_t channels = 16, side = 16, kernel = 3;
  const int64_t pixels = channels * side * side;
  const int64_t taps = channels * kernel * kernel;
  return {"int8 convolution 3x3, f32 out",
          "product",
          pixels * taps,
          d(5 * pixels + channels * (taps + 8)) / d(pixels * taps),
          false,
          [=](EmulatedGpu& gpu) -> Call {
            auto args = sized<namp_int8_conv2d_args>();
            args.dtype = NAMP_FLOAT32;
            args.batch = args.groups = 1;
            args.in_channels = args.out_channels = channels;
            args.in_h = args.in_w = side;
            args.kernel_h = args.kernel_w = kernel;
            args.stride_h = args.stride_w = args.pad_h = args.pad_w = 1;
            args.dilation_h = args.dilation_w = 1;
            args.input = codes(gpu, pixels);
            args.weight = codes(gpu, channels * taps);
            args.weight_bytes = channels * taps;
            args.weight_scales = floats(gpu, channels);
            args.bias = floats(gpu, channels);
            args.output = gpu.numbers(NAMP_FLOAT32, pixels);
            args.scale = 0.01f;
            args.zero_point = -128;
            args.activation = NAMP_ACTIVATION_RELU;
            return [=, &gpu] { return namp_int8_conv2d(gpu.device(), &args, nullptr); };
          }};
}

}  // namespace

std::vector<Workload> integer_workloads(int64_t n) {
  std::vector<Workload> all{row_codes(n, false), row_codes(n, true), tensor_codes(n),
                            int8_gemm(1, 512, 1024, 80)};
  // A kernel for each of these: the side decides the tile.
  for (const int compute : {75, 80}) {
    for (const int64_t side : {128, 256})
      all.push_back(int8_gemm(side, side, 128, compute));
  }
  for (const int32_t bits : {8, 4}) {
    all.push_back(code_gemm(1, 256, 2048, bits));
    all.push_back(code_gemm(16, 64, 512, bits));
  }
  all.push_back(int4_gemm(1, 256, 2048));
  all.push_back(int4_gemm(16, 64, 1024));
  all.push_back(int8_conv2d());
  return all;
}

}  // namespace gpu_report
