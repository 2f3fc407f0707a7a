// A stand-in for cuBLAS: column-major GEMM in plain loops over the emulated device's memory,
// products and sums in FP32 (FP64 for doubles), one rounding at the end. Arguments are checked as
// cuBLAS checks them, and memory more than it does.
#include "cublas/cublas_api.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cublas/version.h"
#include "exec/rounding.h"
#include "nampemu.h"

#define NAMPEMU_API extern "C" __attribute__((visibility("default")))

namespace {

struct Handle {
  CUstream stream = nullptr;
  int math_mode = 0;
  int pointer_mode = CUBLAS_POINTER_MODE_HOST;
  uint64_t workspace = 0;  // the caller's; 0: cuBLAS's own
  size_t workspace_bytes = 0;
};

std::mutex mutex;
std::set<Handle*>& handles() {
  static std::set<Handle*>* const all = new std::set<Handle*>();
  return *all;
}

Handle* unwrap(cublasHandle_t handle) {
  const std::lock_guard lock(mutex);
  auto* known = reinterpret_cast<Handle*>(handle);
  return handles().count(known) != 0 ? known : nullptr;
}

uint64_t size_of(int type) {
  switch (type) {
    case CUDA_R_32F:
      return 4;
    case CUDA_R_64F:
      return 8;
    case CUDA_R_16F:
    case CUDA_R_16BF:
      return 2;
    default:
      return 0;
  }
}

float read(const void* from, uint64_t index, int type) {
  if (type == CUDA_R_32F) return static_cast<const float*>(from)[index];
  const uint16_t bits = static_cast<const uint16_t*>(from)[index];
  return type == CUDA_R_16F ? nampemu::half_to_float(bits) : nampemu::bfloat_to_float(bits);
}
void write(void* to, uint64_t index, int type, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(to)[index] = value;
  } else {
    static_cast<uint16_t*>(to)[index] =
        type == CUDA_R_16F ? nampemu::float_to_half(value) : nampemu::float_to_bfloat(value);
  }
}

struct Matrix {
  const void* data = nullptr;
  int type = 0;
  int rows = 0, columns = 0;  // as stored
  int leading = 0;
  long long stride = 0;
  uint64_t bytes() const {
    if (rows == 0 || columns == 0) return 0;
    return (static_cast<uint64_t>(leading) * (static_cast<uint64_t>(columns) - 1) +
            static_cast<uint64_t>(rows)) *
           size_of(type);
  }
  uint64_t address(int batch) const {
    return reinterpret_cast<uint64_t>(data) + static_cast<uint64_t>(stride * batch) * size_of(type);
  }
  void* storage(int batch) const { return nampemu_storage(address(batch)); }
};

struct Gemm {
  int transa = 0, transb = 0;
  int m = 0, n = 0, k = 0;
  const void* alpha = nullptr;
  const void* beta = nullptr;
  Matrix a, b, c;
  int batch = 1;
  int compute = 0;
};

bool is_operation(int op) { return op >= CUBLAS_OP_N && op <= CUBLAS_OP_C; }

bool valid(const Gemm& g) {
  if (!is_operation(g.transa) || !is_operation(g.transb)) return false;
  if (g.m < 0 || g.n < 0 || g.k < 0 || g.batch < 0) return false;
  if (g.alpha == nullptr || g.beta == nullptr) return false;
  return g.a.leading >= std::max(1, g.a.rows) && g.b.leading >= std::max(1, g.b.rows) &&
         g.c.leading >= std::max(1, g.m);
}

// The combinations of the documentation's table that have FP32 or FP64 arithmetic.
bool supported(const Gemm& g) {
  const int a = g.a.type;
  const int c = g.c.type;
  if (a != g.b.type) return false;
  switch (g.compute) {
    case CUBLAS_COMPUTE_64F:
      return a == CUDA_R_64F && c == CUDA_R_64F;
    case CUBLAS_COMPUTE_32F:
    case CUBLAS_COMPUTE_32F_PEDANTIC:
      return (a == CUDA_R_32F && c == CUDA_R_32F) ||
             ((a == CUDA_R_16F || a == CUDA_R_16BF) && (c == a || c == CUDA_R_32F));
    case CUBLAS_COMPUTE_32F_FAST_16F:
    case CUBLAS_COMPUTE_32F_FAST_16BF:
    case CUBLAS_COMPUTE_32F_FAST_TF32:
      return a == CUDA_R_32F && c == CUDA_R_32F;
    default:
      return false;
  }
}

template <class T>
bool read_scalar(const Handle& handle, const void* from, const char* who, T& value) {
  if (handle.pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    const auto address = reinterpret_cast<uint64_t>(from);
    if (nampemu_check_read(address, sizeof(T), who) == 0) return false;
    from = nampemu_storage(address);
  }
  std::memcpy(&value, from, sizeof value);
  return true;
}

// Every matrix of the batch in live memory, A and B written, C too where beta isn't 0. Checked
// before anything changes.
bool check_memory(const Gemm& g, bool reads_product, bool reads_c, const char* who) {
  const std::string name = who;
  for (int i = 0; i < g.batch; ++i) {
    const auto read_columns = [&](const Matrix& matrix, const std::string& what) {
      // Column by column: what lies between them may be anything, or nothing.
      const uint64_t column = static_cast<uint64_t>(matrix.leading) * size_of(matrix.type);
      const uint64_t bytes = static_cast<uint64_t>(matrix.rows) * size_of(matrix.type);
      for (int j = 0; j < matrix.columns; ++j) {
        if (nampemu_check_read(matrix.address(i) + static_cast<uint64_t>(j) * column, bytes,
                               (name + ", matrix " + what).c_str()) == 0) {
          return false;
        }
      }
      return true;
    };
    if (reads_product && (!read_columns(g.a, "A") || !read_columns(g.b, "B"))) return false;
    if (reads_c && !read_columns(g.c, "C")) return false;
  }
  return true;
}

bool mark_result(const Gemm& g, const char* who) {
  const std::string name = std::string(who) + ", matrix C";
  const uint64_t column = static_cast<uint64_t>(g.c.leading) * size_of(g.c.type);
  for (int i = 0; i < g.batch; ++i) {
    for (int j = 0; j < g.n; ++j) {
      if (nampemu_check_write(g.c.address(i) + static_cast<uint64_t>(j) * column,
                              static_cast<uint64_t>(g.m) * size_of(g.c.type), name.c_str()) == 0) {
        return false;
      }
    }
  }
  return true;
}

// op(X) as dense floats, rows first: [rows of op][columns of op].
std::vector<float> gather(const Matrix& x, int batch, bool transposed) {
  const int rows = transposed ? x.columns : x.rows;
  const int columns = transposed ? x.rows : x.columns;
  std::vector<float> out(static_cast<size_t>(rows) * static_cast<size_t>(columns));
  const void* data = x.storage(batch);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      const auto row = static_cast<uint64_t>(transposed ? c : r);
      const auto column = static_cast<uint64_t>(transposed ? r : c);
      out[static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(c)] =
          read(data, column * static_cast<uint64_t>(x.leading) + row, x.type);
    }
  }
  return out;
}

// Rounds a sum halfway where the parts of a split product are added in the type of C, as the
// default math mode allows.
float round_part(float sum, int type) {
  char part[sizeof(float)];
  write(part, 0, type, sum);
  return read(part, 0, type);
}

void multiply(const Gemm& g, int batch, float alpha, float beta, bool reduces_in_c) {
  const auto m = static_cast<size_t>(g.m);
  const auto n = static_cast<size_t>(g.n);
  const auto k = static_cast<size_t>(g.k);
  std::vector<float> sum(m * n, 0.0F);  // [m][n]
  if (alpha != 0 && k != 0) {
    std::vector<float> a = gather(g.a, batch, g.transa != CUBLAS_OP_N);  // [m][k]
    std::vector<float> b = gather(g.b, batch, g.transb != CUBLAS_OP_N);  // [k][n]
    if (g.compute == CUBLAS_COMPUTE_32F_FAST_TF32) {
      std::transform(a.begin(), a.end(), a.begin(), nampemu::float_to_tf32);
      std::transform(b.begin(), b.end(), b.begin(), nampemu::float_to_tf32);
    }
    for (size_t i = 0; i < m; ++i) {
      for (size_t p = 0; p < k; ++p) {
        const float x = a[i * k + p];
        for (size_t j = 0; j < n; ++j) {
          float& s = sum[i * n + j];
          s += x * b[p * n + j];
          if (reduces_in_c && p + 1 == k / 2) s = round_part(s, g.c.type);
        }
      }
    }
  }
  void* c = g.c.storage(batch);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      const uint64_t at = j * static_cast<uint64_t>(g.c.leading) + i;
      // beta of 0 reads nothing, so that a NaN there stays out.
      const float before = beta == 0 ? 0 : beta * read(c, at, g.c.type);
      write(c, at, g.c.type, alpha * sum[i * n + j] + before);
    }
  }
}

void multiply_double(const Gemm& g, int batch, double alpha, double beta) {
  const auto* a = static_cast<const double*>(g.a.storage(batch));
  const auto* b = static_cast<const double*>(g.b.storage(batch));
  auto* c = static_cast<double*>(g.c.storage(batch));
  for (int j = 0; j < g.n; ++j) {
    for (int i = 0; i < g.m; ++i) {
      double sum = 0;
      for (int p = 0; p < g.k && alpha != 0; ++p) {
        const double x = g.transa == CUBLAS_OP_N ? a[static_cast<size_t>(p) * g.a.leading + i]
                                                 : a[static_cast<size_t>(i) * g.a.leading + p];
        const double y = g.transb == CUBLAS_OP_N ? b[static_cast<size_t>(j) * g.b.leading + p]
                                                 : b[static_cast<size_t>(p) * g.b.leading + j];
        sum += x * y;
      }
      double& out = c[static_cast<size_t>(j) * g.c.leading + i];
      out = alpha * sum + (beta == 0 ? 0 : beta * out);
    }
  }
}

// A product in its stream's order: what is on the device is read when it is its turn.
struct Product {
  const char* who;
  Handle handle;
  Gemm g;
  float alpha = 0, beta = 0;
  double alpha_wide = 0, beta_wide = 0;

  bool is_wide() const { return g.compute == CUBLAS_COMPUTE_64F; }

  bool read_scalars() {
    return is_wide()
               ? read_scalar(handle, g.alpha, who, alpha_wide) &&
                     read_scalar(handle, g.beta, who, beta_wide)
               : read_scalar(handle, g.alpha, who, alpha) && read_scalar(handle, g.beta, who, beta);
  }

  // The first byte and the last stand for all.
  bool use_workspace() const {
    const std::string name = std::string(who) + ", workspace";
    return handle.workspace_bytes == 0 ||
           (nampemu_check_write(handle.workspace, 1, name.c_str()) != 0 &&
            nampemu_check_write(handle.workspace + handle.workspace_bytes - 1, 1, name.c_str()) !=
                0);
  }

  void run() {
    const bool wide = is_wide();
    if (handle.pointer_mode == CUBLAS_POINTER_MODE_DEVICE && !read_scalars()) return;
    const bool reads_product = g.k != 0 && (wide ? alpha_wide != 0 : alpha != 0);
    const bool reads_c = wide ? beta_wide != 0 : beta != 0;
    if (!check_memory(g, reads_product, reads_c, who) || !mark_result(g, who)) return;
    if (!use_workspace()) return;
    const bool reduces_in_c =
        (handle.math_mode & CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION) == 0;
    for (int i = 0; i < g.batch; ++i) {
      wide ? multiply_double(g, i, alpha_wide, beta_wide)
           : multiply(g, i, alpha, beta, reduces_in_c);
    }
  }
};

cublasStatus_t run(const char* who, cublasHandle_t raw, Gemm g) {
  if (const int32_t injected = nampemu_enter(who)) return static_cast<cublasStatus_t>(injected);
  const Handle* handle = unwrap(raw);
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (nampemu_check_context(who) == 0) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (!valid(g)) {
    nampemu_report(
        NAMPEMU_ARGUMENT,
        (std::string(who) + ": a size, leading dimension, operation or pointer").c_str());
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (!supported(g)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (g.m == 0 || g.n == 0 || g.batch == 0) return CUBLAS_STATUS_SUCCESS;
  nampemu_count_gemm(handle->workspace_bytes == 0 ? 1 : 0);
  auto work = std::make_unique<Product>(Product{who, *handle, g});
  if (handle->pointer_mode == CUBLAS_POINTER_MODE_HOST) work->read_scalars();
  const auto call = [](void* data) { static_cast<Product*>(data)->run(); };
  const auto release = [](void* data) { delete static_cast<Product*>(data); };
  return nampemu_put(handle->stream, call, work.release(), release) == 0
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}

Gemm describe(int transa, int transb, int m, int n, int k, const void* alpha, const void* a,
              int a_type, int lda, long long stride_a, const void* b, int b_type, int ldb,
              long long stride_b, const void* beta, void* c, int c_type, int ldc,
              long long stride_c, int batch, int compute) {
  Gemm g;
  g.transa = transa;
  g.transb = transb;
  g.m = m;
  g.n = n;
  g.k = k;
  g.alpha = alpha;
  g.beta = beta;
  g.a = {a, a_type, transa == CUBLAS_OP_N ? m : k, transa == CUBLAS_OP_N ? k : m, lda, stride_a};
  g.b = {b, b_type, transb == CUBLAS_OP_N ? k : n, transb == CUBLAS_OP_N ? n : k, ldb, stride_b};
  g.c = {c, c_type, m, n, ldc, stride_c};
  g.batch = batch;
  g.compute = compute;
  return g;
}

// The checks that every other function makes first.
template <class F>
cublasStatus_t with_handle(const char* who, cublasHandle_t raw, F f) {
  if (const int32_t injected = nampemu_enter(who)) return static_cast<cublasStatus_t>(injected);
  Handle* handle = unwrap(raw);
  return handle == nullptr ? CUBLAS_STATUS_NOT_INITIALIZED : f(*handle);
}

}  // namespace

NAMPEMU_API cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (const int32_t injected = nampemu_enter("cublasCreate"))
    return static_cast<cublasStatus_t>(injected);
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (nampemu_check_context("cublasCreate") == 0 || !nampemu::cublas_starts())
    return CUBLAS_STATUS_NOT_INITIALIZED;
  const std::lock_guard lock(mutex);
  auto* created = new Handle();
  handles().insert(created);
  *handle = reinterpret_cast<cublasHandle_t>(created);
  return CUBLAS_STATUS_SUCCESS;
}
NAMPEMU_API cublasStatus_t cublasDestroy_v2(cublasHandle_t raw) {
  return with_handle("cublasDestroy", raw, [](Handle& handle) {
    const std::lock_guard lock(mutex);
    handles().erase(&handle);
    delete &handle;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetStream_v2(cublasHandle_t raw, CUstream stream) {
  return with_handle("cublasSetStream", raw, [=](Handle& handle) {
    handle.stream = stream;
    handle.workspace = 0;
    handle.workspace_bytes = 0;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetStream_v2(cublasHandle_t raw, CUstream* stream) {
  return with_handle("cublasGetStream", raw, [=](const Handle& handle) {
    if (stream == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *stream = handle.stream;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t raw, void* workspace,
                                                 size_t bytes) {
  return with_handle("cublasSetWorkspace", raw, [=](Handle& handle) {
    const auto address = reinterpret_cast<uint64_t>(workspace);
    if (bytes != 0 && address % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
    handle.workspace = address;
    handle.workspace_bytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetMathMode(cublasHandle_t raw, int mode) {
  return with_handle("cublasSetMathMode", raw, [=](Handle& handle) {
    if (mode < 0 || (mode & ~(3 | 16)) != 0) return CUBLAS_STATUS_INVALID_VALUE;
    handle.math_mode = mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetMathMode(cublasHandle_t raw, int* mode) {
  return with_handle("cublasGetMathMode", raw, [=](const Handle& handle) {
    if (mode == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *mode = handle.math_mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t raw, int mode) {
  return with_handle("cublasSetPointerMode", raw, [=](Handle& handle) {
    if (mode != CUBLAS_POINTER_MODE_HOST && mode != CUBLAS_POINTER_MODE_DEVICE) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    handle.pointer_mode = mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t raw, int* mode) {
  return with_handle("cublasGetPointerMode", raw, [=](const Handle& handle) {
    if (mode == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *mode = handle.pointer_mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetVersion_v2(cublasHandle_t raw, int* version) {
  return with_handle("cublasGetVersion", raw, [=](const Handle&) {
    if (version == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *version = nampemu::cublas_major_version() * 10000 + 400;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API const char* cublasGetStatusName(int status) {
  switch (status) {
    case 0:
      return "CUBLAS_STATUS_SUCCESS";
    case 1:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case 8:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16:
      return "CUBLAS_STATUS_LICENSE_ERROR";
    default:
      return "CUBLAS_STATUS unknown";
  }
}
NAMPEMU_API const char* cublasGetStatusString(int status) { return cublasGetStatusName(status); }

NAMPEMU_API cublasStatus_t cublasGemmEx(cublasHandle_t handle, int transa, int transb, int m, int n,
                                        int k, const void* alpha, const void* a, int a_type,
                                        int lda, const void* b, int b_type, int ldb,
                                        const void* beta, void* c, int c_type, int ldc, int compute,
                                        int) {
  return run("cublasGemmEx", handle,
             describe(transa, transb, m, n, k, alpha, a, a_type, lda, 0, b, b_type, ldb, 0, beta, c,
                      c_type, ldc, 0, 1, compute));
}
NAMPEMU_API cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, int transa, int transb, int m, int n, int k, const void* alpha,
    const void* a, int a_type, int lda, long long stride_a, const void* b, int b_type, int ldb,
    long long stride_b, const void* beta, void* c, int c_type, int ldc, long long stride_c,
    int batch, int compute, int) {
  return run("cublasGemmStridedBatchedEx", handle,
             describe(transa, transb, m, n, k, alpha, a, a_type, lda, stride_a, b, b_type, ldb,
                      stride_b, beta, c, c_type, ldc, stride_c, batch, compute));
}
NAMPEMU_API cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, int transa, int transb, int m,
                                          int n, int k, const float* alpha, const float* a, int lda,
                                          const float* b, int ldb, const float* beta, float* c,
                                          int ldc) {
  return run("cublasSgemm", handle,
             describe(transa, transb, m, n, k, alpha, a, CUDA_R_32F, lda, 0, b, CUDA_R_32F, ldb, 0,
                      beta, c, CUDA_R_32F, ldc, 0, 1, CUBLAS_COMPUTE_32F));
}
