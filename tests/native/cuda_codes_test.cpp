// Products with coded weights: the GPU's bits are the CPU's. That they are right is
// integer_products_test.cpp's to say.
#include "two_devices.h"

namespace namp_test {
namespace {

class CudaCodes : public TwoDevices {
 protected:
  // factor: of the rows of A.
  void check(int64_t m, int64_t n, int64_t k, int64_t group, int32_t dtype, int64_t shift,
             double factor = 1) {
    const int64_t groups = group == 0 ? 1 : (k + group - 1) / group;
    const int64_t row_bytes = group == 0 ? k : groups * group / 2;
    Twin& a = twin(dtype, m * k, shift);
    std::vector<double> values = uniform_values(m * k, 1, -2, 2);
    for (double& value : values)
      value *= factor;
    a.set(values);
    Twin& codes = twin(NAMP_UINT8, n * row_bytes, shift).random_bits(2);
    Twin& scales = twin(NAMP_FLOAT32, n * groups, shift).random(3);
    Twin& bias = twin(NAMP_FLOAT32, n, shift).random(4);
    Twin& c = twin(NAMP_FLOAT32, m * n, shift);
    run([&](Device& device, bool gpu) {
      auto args = make_args<namp_code_gemm_args>();
      args.a_dtype = dtype;
      args.c_dtype = NAMP_FLOAT32;
      args.bits = group == 0 ? 8 : 4;
      args.m = m;
      args.n = n;
      args.k = k;
      args.group = group;
      args.a = a.on(gpu).data();
      args.codes = codes.on(gpu).as<uint8_t>();
      args.scales = scales.on(gpu).floats();
      args.bias = factor == 1 ? bias.on(gpu).floats() : nullptr;
      args.c = c.on(gpu).data();
      return namp_code_gemm(device, &args, nullptr);
    });
    c.expect_same_bits(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
                       ", group " + std::to_string(group) + ", dtype " + std::to_string(dtype));
    forget();
  }
};

TEST_F(CudaCodes, products_have_the_same_bits) {
  for (int64_t group : {0, 32, 64, 128, 256}) {
    check(1, 37, 2048 + 96, group, NAMP_FLOAT32, 0);
    check(1, 5, 1093, group, NAMP_BFLOAT16, 1);
    check(11, 70, 576, group, NAMP_FLOAT16, 0);
    check(9, 33, 331, group, NAMP_FLOAT32, 3);
  }
}

// Sums of subnormal numbers, and zeros of both signs.
TEST_F(CudaCodes, products_of_tiny_numbers_have_the_same_bits) {
  for (int64_t group : {0, 32}) {
    check(1, 19, 133, group, NAMP_FLOAT32, 0, 1e-41);
    check(9, 19, 33, group, NAMP_FLOAT32, 0, 1e-45);
  }
}

}  // namespace
}  // namespace namp_test
