// The stand-in cuBLAS against plain loops in double.
#include "cublas/cublas_api.h"

#include <cmath>
#include <limits>

#include "device_test.h"
#include "half_table.h"

namespace nampemu_test {
namespace {

class CublasTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    ASSERT_EQ(cublasCreate_v2(&handle_), CUBLAS_STATUS_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(cublasDestroy_v2(handle_), CUBLAS_STATUS_SUCCESS);
    DeviceTest::TearDown();
  }
  static float value(size_t i) { return static_cast<float>(static_cast<int>(i * 7 % 23) - 11) / 8; }

  cublasHandle_t handle_ = nullptr;
};

TEST_F(CublasTest, EveryTransposition) {
  const int m = 5, n = 4, k = 3, lda = 7, ldb = 6, ldc = 8;
  std::vector<float> a(7 * 5), b(6 * 5), c(8 * 4);
  for (size_t i = 0; i < a.size(); ++i)
    a[i] = value(i);
  for (size_t i = 0; i < b.size(); ++i)
    b[i] = value(i + 5);
  for (size_t i = 0; i < c.size(); ++i)
    c[i] = value(i + 9);
  const float alpha = 0.5F, beta = 2;
  for (const int ta : {0, 1}) {
    for (const int tb : {0, 1, 2}) {
      const Buffer da(a), db(b), dc(c);
      ASSERT_EQ(cublasGemmEx(
                    handle_, ta, tb, m, n, k, &alpha, reinterpret_cast<void*>(da.address()),
                    CUDA_R_32F, lda, reinterpret_cast<void*>(db.address()), CUDA_R_32F, ldb, &beta,
                    reinterpret_cast<void*>(dc.address()), CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F, -1),
                CUBLAS_STATUS_SUCCESS);
      const auto got = dc.read<float>();
      for (int i = 0; i < ldc; ++i) {
        for (int j = 0; j < n; ++j) {
          double wanted = c[static_cast<size_t>(j * ldc + i)];
          if (i < m) {
            double sum = 0;
            for (int p = 0; p < k; ++p) {
              sum +=
                  static_cast<double>(a[static_cast<size_t>(ta == 0 ? p * lda + i : i * lda + p)]) *
                  static_cast<double>(b[static_cast<size_t>(tb == 0 ? j * ldb + p : p * ldb + j)]);
            }
            wanted = 0.5 * sum + 2 * wanted;
          }
          EXPECT_NEAR(got[static_cast<size_t>(j * ldc + i)], wanted, 1e-5)
              << ta << tb << " at " << i << "," << j;
        }
      }
    }
  }
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

TEST_F(CublasTest, HalvesInBatchesRoundOnce) {
  ASSERT_EQ(cublasSetMathMode(handle_, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
            CUBLAS_STATUS_SUCCESS);
  const int m = 3, n = 2, k = 64, batch = 3;
  const HalfTable& table = HalfTable::binary16();
  std::vector<uint16_t> a(static_cast<size_t>(m * k * batch)), b(static_cast<size_t>(k * n));
  for (size_t i = 0; i < a.size(); ++i)
    a[i] = table.nearest(value(i));
  for (size_t i = 0; i < b.size(); ++i)
    b[i] = table.nearest(value(i + 3));
  const Buffer da(a), db(b), dc(static_cast<size_t>(m * n * batch) * 2);
  const float alpha = 1, beta = 0;  // beta of 0: what C holds isn't read
  ASSERT_EQ(cublasGemmStridedBatchedEx(handle_, 0, 0, m, n, k, &alpha,
                                       reinterpret_cast<void*>(da.address()), CUDA_R_16F, m, m * k,
                                       reinterpret_cast<void*>(db.address()), CUDA_R_16F, k, 0,
                                       &beta, reinterpret_cast<void*>(dc.address()), CUDA_R_16F, m,
                                       m * n, batch, CUBLAS_COMPUTE_32F, -1),
            CUBLAS_STATUS_SUCCESS);
  const auto got = dc.read<uint16_t>();
  for (int g = 0; g < batch; ++g) {
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < m; ++i) {
        double sum = 0;  // exact: eighths of small numbers
        for (int p = 0; p < k; ++p)
          sum += static_cast<double>(table.value(a[static_cast<size_t>(g * m * k + p * m + i)]) *
                                     table.value(b[static_cast<size_t>(j * k + p)]));
        EXPECT_EQ(got[static_cast<size_t>(g * m * n + j * m + i)], table.nearest(sum));
      }
    }
  }
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

// As the documentation allows: what a product is cut into may be added in the type of C.
TEST_F(CublasTest, TheDefaultMathModeMayAddPartsInHalfPrecision) {
  const HalfTable& table = HalfTable::binary16();
  const std::vector<uint16_t> large{table.nearest(300), table.nearest(300)};
  const std::vector<uint16_t> signs{table.nearest(300), table.nearest(-300)};
  const float alpha = 1, beta = 0;
  for (const int mode : {0, static_cast<int>(CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)}) {
    ASSERT_EQ(cublasSetMathMode(handle_, mode), CUBLAS_STATUS_SUCCESS);
    const Buffer a(large), b(signs), c(size_t{2});
    ASSERT_EQ(
        cublasGemmEx(handle_, 0, 0, 1, 1, 2, &alpha, reinterpret_cast<void*>(a.address()),
                     CUDA_R_16F, 1, reinterpret_cast<void*>(b.address()), CUDA_R_16F, 2, &beta,
                     reinterpret_cast<void*>(c.address()), CUDA_R_16F, 1, CUBLAS_COMPUTE_32F, -1),
        CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(c.read<uint16_t>()[0], mode == 0 ? 0x7c00 : 0) << mode;
  }
}

TEST_F(CublasTest, Tf32RoundsWhatIsMultiplied) {
  const std::vector<float> a{1.0F + 0x1p-11F + 0x1p-13F}, b{1.0F};
  const float alpha = 1, beta = 0;
  for (const int compute : {CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32}) {
    const Buffer da(a), db(b), dc(size_t{4});
    ASSERT_EQ(
        cublasGemmEx(handle_, 0, 0, 1, 1, 1, &alpha, reinterpret_cast<void*>(da.address()),
                     CUDA_R_32F, 1, reinterpret_cast<void*>(db.address()), CUDA_R_32F, 1, &beta,
                     reinterpret_cast<void*>(dc.address()), CUDA_R_32F, 1, compute, -1),
        CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(dc.read<float>()[0], compute == CUBLAS_COMPUTE_32F ? a[0] : 1.0F + 0x1p-10F);
  }
}

// As cuBLASLt 13 does; a beta of 0 keeps C unread.
TEST_F(CublasTest, AnAlphaOfZeroIsMultipliedBy) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Buffer a(std::vector<float>{nan}), b(std::vector<float>{1}), c(std::vector<float>{nan});
  for (const float alpha : {0.0F, 1.0F}) {
    const float beta = 0;
    const Buffer& left = alpha == 0 ? a : b;
    ASSERT_EQ(
        cublasGemmEx(handle_, 0, 0, 1, 1, 1, &alpha, reinterpret_cast<void*>(left.address()),
                     CUDA_R_32F, 1, reinterpret_cast<void*>(b.address()), CUDA_R_32F, 1, &beta,
                     reinterpret_cast<void*>(c.address()), CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, -1),
        CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(std::isnan(c.read<float>()[0]), alpha == 0);
  }
}

// A stream that is set brings cuBLAS's own workspace back.
TEST_F(CublasTest, TheWorkspaceIsMemoryOfTheDevice) {
  const Buffer a(std::vector<float>(1, 2)), c(std::vector<float>(1, 0));
  const float one = 1, zero = 0;
  const auto multiply = [&] {
    void* pointer = reinterpret_cast<void*>(a.address());
    ASSERT_EQ(cublasGemmEx(handle_, 0, 0, 1, 1, 1, &one, pointer, CUDA_R_32F, 1, pointer,
                           CUDA_R_32F, 1, &zero, reinterpret_cast<void*>(c.address()), CUDA_R_32F,
                           1, CUBLAS_COMPUTE_32F, -1),
              CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  };
  const Buffer workspace(size_t{1024});
  void* memory = reinterpret_cast<void*>(workspace.address());
  ASSERT_EQ(cublasSetWorkspace_v2(handle_, memory, 1024), CUBLAS_STATUS_SUCCESS);
  multiply();
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  ASSERT_EQ(cublasSetWorkspace_v2(handle_, memory, 1025), CUBLAS_STATUS_SUCCESS);
  multiply();
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_OUT_OF_BOUNDS), 1U) << findings();
  nampemu_reset();
  ASSERT_EQ(cublasSetStream_v2(handle_, nullptr), CUBLAS_STATUS_SUCCESS);
  multiply();
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

TEST_F(CublasTest, ArgumentsAreChecked) {
  const Buffer a(std::vector<float>(16, 1)), c(std::vector<float>(16, 1));
  const float one = 1, zero = 0;
  const auto call = [&](int m, int lda, int type_c, int compute, const Buffer& from) {
    return cublasGemmEx(handle_, 0, 0, m, 4, 4, &one, reinterpret_cast<void*>(from.address()),
                        CUDA_R_32F, lda, reinterpret_cast<void*>(a.address()), CUDA_R_32F, 4, &zero,
                        reinterpret_cast<void*>(c.address()), type_c, 4, compute, -1);
  };
  EXPECT_EQ(call(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F, a), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(call(-1, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F, a), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(4, 3, CUDA_R_32F, CUBLAS_COMPUTE_32F, a), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(4, 4, CUDA_R_16F, CUBLAS_COMPUTE_32F, a), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(call(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_16F, a), CUBLAS_STATUS_NOT_SUPPORTED);
  nampemu_reset_findings();
  const Buffer small(std::vector<float>(15, 1));
  // The product reads its memory when its turn comes.
  EXPECT_EQ(call(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F, small), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_OUT_OF_BOUNDS), 1U) << findings();
  nampemu_reset_findings();
  const Buffer empty(64);
  EXPECT_EQ(call(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F, empty), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_UNWRITTEN_READ), 1U) << findings();
  EXPECT_EQ(nampemu_fail("cublasGemmEx", 1, CUBLAS_STATUS_EXECUTION_FAILED), 0);
  EXPECT_EQ(call(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F, a), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(call(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F, a), CUBLAS_STATUS_SUCCESS);
}

}  // namespace
}  // namespace nampemu_test
