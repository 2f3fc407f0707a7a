// Matrix products against a triple loop in double.
#pragma once

#include "matrix_test.h"

namespace namp_test {

struct GemmCase {
  int64_t m, n, k;
  int32_t dtype = NAMP_FLOAT32;
  int32_t c_dtype = NAMP_FLOAT32;
  int32_t bias_dtype = NAMP_DTYPE_NONE;
  bool transpose_a = false;
  bool transpose_b = false;
  int64_t batch = 1;
  bool shared_b = false;
  int64_t padding = 0;  // of rows, in elements
  float alpha = 1.0f;
  float beta = 0.0f;
  int32_t activation = NAMP_ACTIVATION_NONE;
  bool pre_activation = false;
  bool words = false;     // every row begins at a multiple of 16 bytes
  bool row_sums = false;  // of a dense, transposed A
};

inline std::string describe(const GemmCase& c) {
  return "m " + std::to_string(c.m) + " n " + std::to_string(c.n) + " k " + std::to_string(c.k) +
         " dtype " + std::to_string(c.dtype) + " c " + std::to_string(c.c_dtype) + " bias " +
         std::to_string(c.bias_dtype) + " ta " + std::to_string(c.transpose_a) + " tb " +
         std::to_string(c.transpose_b) + " batch " + std::to_string(c.batch) + " padding " +
         std::to_string(c.padding) + " alpha " + std::to_string(c.alpha) + " beta " +
         std::to_string(c.beta) + " activation " + std::to_string(c.activation) + " pre " +
         std::to_string(c.pre_activation) + " words " + std::to_string(c.words) + " row sums " +
         std::to_string(c.row_sums);
}

inline double activate(double x, int32_t activation) {
  switch (activation) {
    case NAMP_ACTIVATION_RELU:
      return x > 0 ? x : 0;
    case NAMP_ACTIVATION_GELU:
      return x * 0.5 * (1 + std::erf(x / std::sqrt(2.0)));
    case NAMP_ACTIVATION_GELU_TANH:
      return x * 0.5 *
             (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    default:
      return x;
  }
}

class GemmTest : public MatrixTest {
 protected:
  void check(const GemmCase& c) {
    SCOPED_TRACE(describe(c));
    // Of a row's elements, from one to the next.
    const auto pitch = [&](int64_t elements) {
      return c.words ? (elements + 7) / 8 * 8 : elements + c.padding;
    };
    const int64_t lda = pitch(c.transpose_a ? c.m : c.k);
    const int64_t ldb = pitch(c.transpose_b ? c.k : c.n);
    const int64_t ldc = pitch(c.n);
    const int64_t offset = c.words ? 0 : 1;
    const int64_t stride_a = (c.transpose_a ? c.k : c.m) * lda + c.padding;
    const int64_t stride_b = c.shared_b ? 0 : (c.transpose_b ? c.n : c.k) * ldb + c.padding;
    const int64_t stride_c = c.m * ldc + c.padding;
    const int64_t size_b = c.shared_b ? (c.transpose_b ? c.n : c.k) * ldb : c.batch * stride_b;
    Buffer a(device_, c.dtype, random_values(c.batch * stride_a, 1), offset);
    Buffer b(device_, c.dtype, random_values(size_b, 2), 3 * offset);
    Buffer bias(device_, c.bias_dtype == NAMP_DTYPE_NONE ? NAMP_FLOAT32 : c.bias_dtype,
                random_values(c.n, 3), offset);
    Buffer out(device_, c.c_dtype, random_values(c.batch * stride_c, 4), offset);
    Buffer before(device_, c.c_dtype, random_values(c.batch * stride_c, 5), offset);
    const std::vector<double> old = out.values();
    const std::vector<double> old_before = before.values();
    auto args = make_args<namp_gemm_args>();
    args.transpose_a = c.transpose_a;
    args.transpose_b = c.transpose_b;
    args.a_dtype = args.b_dtype = c.dtype;
    args.c_dtype = c.c_dtype;
    args.m = c.m;
    args.n = c.n;
    args.k = c.k;
    args.batch = c.batch;
    args.a = a.data();
    args.lda = lda;
    args.stride_a = stride_a;
    args.b = b.data();
    args.ldb = ldb;
    args.stride_b = stride_b;
    args.c = out.data();
    args.ldc = ldc;
    args.stride_c = stride_c;
    args.bias = c.bias_dtype == NAMP_DTYPE_NONE ? nullptr : bias.data();
    args.bias_dtype = c.bias_dtype;
    args.alpha = c.alpha;
    args.beta = c.beta;
    args.activation = c.activation;
    args.pre_activation = c.pre_activation ? before.data() : nullptr;

    Buffer row_sums(device_, c.c_dtype, c.row_sums ? c.m : 0, offset);
    args.row_sums = c.row_sums ? row_sums.data() : nullptr;
    std::vector<double> expected_row_sums;
    std::vector<double> row_magnitudes;
    for (int64_t i = 0; c.row_sums && i < c.m; ++i) {
      expected_row_sums.push_back(0);
      row_magnitudes.push_back(1);
      for (int64_t k = 0; k < c.k; ++k) {
        expected_row_sums.back() += a[k * lda + i];
        row_magnitudes.back() += std::abs(a[k * lda + i]);
      }
    }

    // The expected products are the same for all runs: computed once.
    std::vector<double> sums(old.size(), kNaN);
    std::vector<double> products(old.size(), 0.0);
    std::vector<double> magnitudes(old.size(), 0.0);
    for (int64_t p = 0; p < c.batch; ++p) {
      for (int64_t i = 0; i < c.m; ++i) {
        for (int64_t j = 0; j < c.n; ++j) {
          double sum = 0;
          double magnitude = 0;
          for (int64_t k = 0; c.alpha != 0 && k < c.k; ++k) {
            const double x = a[p * stride_a + (c.transpose_a ? k * lda + i : i * lda + k)] *
                             b[p * stride_b + (c.transpose_b ? j * ldb + k : k * ldb + j)];
            sum += x;
            magnitude += std::abs(x);
          }
          const auto at = static_cast<size_t>(p * stride_c + i * ldc + j);
          sum *= static_cast<double>(c.alpha);
          magnitude *= std::abs(static_cast<double>(c.alpha));
          products[at] = sum;
          if (c.beta != 0) sum += static_cast<double>(c.beta) * old[at];
          if (args.bias != nullptr) sum += bias[j];
          sums[at] = sum;
          magnitudes[at] = magnitude + std::abs(static_cast<double>(c.beta)) + 1;
        }
      }
    }
    run_each(
        [&](namp_device* device) { return namp_gemm(device, &args, nullptr); },
        {&out, &before, &row_sums},
        [&] {
          for (size_t i = 0; i < expected_row_sums.size(); ++i) {
            expect_sum(row_sums[static_cast<int64_t>(i)], expected_row_sums[i], row_magnitudes[i],
                       c.c_dtype, [&] { return "the sum of row " + std::to_string(i); });
            if (HasFatalFailure()) return;
          }
          for (int64_t i = 0; i < out.size(); ++i) {
            const auto at = static_cast<size_t>(i);
            const auto what = [&] { return "element " + std::to_string(i); };
            if (std::isnan(sums[at])) {
              ASSERT_EQ(out[i], old[at]) << what() << " is not of C";
              ASSERT_EQ(before[i], old_before[at]) << what() << " is not of the pre-activation";
              continue;
            }
            double source = sums[at];
            // cuBLAS on an H100 rounded the product before it added the bias to it. What it starts from is
            // the dtype's already.
            double on_the_way = device_.is_gpu() && source != products[at] ? products[at] : 0.0;
            if (c.pre_activation) {
              expect_sum(
                  before[i], sums[at], magnitudes[at], c.c_dtype,
                  [&] { return what() + " before"; }, on_the_way);
              source = before[i];
              // cuBLASLt's GELU is of the sum before it is rounded.
              const bool fused = device_.is_gpu() && c.activation == NAMP_ACTIVATION_GELU_TANH;
              on_the_way = fused ? source : 0.0;
            } else {
              ASSERT_EQ(before[i], old_before[at]);
            }
            expect_sum(out[i], activate(source, c.activation), magnitudes[at], c.c_dtype, what,
                       on_the_way);
            if (HasFatalFailure()) return;
          }
        });
  }

  // With alpha 0 A and B are not read, with beta 0 C is not: their NaNs have no effect.
  void check_zero_factors() {
    const std::vector<double> nans(16, kNaN);
    for (int32_t dtype : kFloats) {
      Buffer nan(device_, dtype, nans);
      Buffer one(device_, dtype, std::vector<double>(16, 1.0));
      Buffer bias(device_, dtype, {1, 2, 3, 4});
      for (const bool reads_c : {false, true}) {
        for (const bool reads_product : {false, true}) {
          for (const bool has_bias : {false, true}) {
            SCOPED_TRACE(testing::Message() << "dtype " << dtype << ", alpha " << reads_product
                                            << ", beta " << reads_c << ", bias " << has_bias);
            auto args = make_args<namp_gemm_args>();
            args.a_dtype = args.b_dtype = args.c_dtype = dtype;
            args.m = args.n = args.k = args.lda = args.ldb = args.ldc = 4;
            args.a = args.b = reads_product ? one.data() : nan.data();
            args.alpha = reads_product ? 1.0f : 0.0f;
            args.beta = reads_c ? 1.0f : 0.0f;
            args.bias = has_bias ? bias.data() : nullptr;
            args.bias_dtype = has_bias ? dtype : NAMP_DTYPE_NONE;
            Buffer out(device_, dtype, reads_c ? one.values() : nans);
            args.c = out.data();
            run_each([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
                     [&] {
                       for (int64_t i = 0; i < 16; ++i) {
                         ASSERT_EQ(out[i], (reads_product ? 4.0 : 0.0) + (reads_c ? 1.0 : 0.0) +
                                               (has_bias ? static_cast<double>(i % 4 + 1) : 0.0))
                             << i;
                       }
                     });
            if (HasFailure()) return;
          }
        }
      }
    }
  }
};

}  // namespace namp_test
