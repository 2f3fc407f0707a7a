// Arguments are checked as cuBLAS checks them, and memory more than it does.
#include "cublas/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "exec/rounding.h"
#include "nampemu.h"

namespace nampemu {
namespace {

std::mutex mutex;
std::set<Handle*>& handles() {
  static std::set<Handle*>* const all = new std::set<Handle*>();
  return *all;
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

bool is_operation(int op) { return op >= CUBLAS_OP_N && op <= CUBLAS_OP_C; }

bool valid(const Gemm& g) {
  if (!is_operation(g.transa) || !is_operation(g.transb)) return false;
  if (g.m < 0 || g.n < 0 || g.k < 0 || g.batch < 0) return false;
  if (g.alpha == nullptr || g.beta == nullptr) return false;
  return g.a.leading >= std::max(1, g.a.rows) && g.b.leading >= std::max(1, g.b.rows) &&
         g.c.leading >= std::max(1, g.m);
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
bool check_memory(const Gemm& g, bool reads_c, const char* who) {
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
    // Whatever alpha is: NVIDIA's documentation promises nothing for 0, and cuBLASLt 13 multiplies by it.
    if (g.k != 0 && (!read_columns(g.a, "A") || !read_columns(g.b, "B"))) return false;
    if (reads_c && !read_columns(g.c, "C")) return false;
  }
  return true;
}

// Columns of a matrix that is read, or written.
bool check_kept(const Gemm& g, const char* who) {
  if (g.kept.data == nullptr) return true;
  const std::string name = std::string(who) + ", auxiliary matrix";
  const uint64_t bytes = static_cast<uint64_t>(g.m) * size_of(g.kept.type);
  for (int j = 0; j < g.n; ++j) {
    const uint64_t at =
        g.kept.address(0) + static_cast<uint64_t>(j) * g.kept.leading * size_of(g.kept.type);
    const int known = g.gelu == Gelu::kSlope ? nampemu_check_read(at, bytes, name.c_str())
                                             : nampemu_check_write(at, bytes, name.c_str());
    if (known == 0) return false;
  }
  return true;
}

// sqrt(2 / pi) (x + 0.044715 x^3), whose tanh makes the distribution.
double gelu_argument(double x) { return 0.7978845608028654 * (x + 0.044715 * x * x * x); }
double gelu(double x) { return 0.5 * x * (1 + std::tanh(gelu_argument(x))); }
double gelu_slope(double x) {
  const double t = std::tanh(gelu_argument(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

void* storage_of(const Vector& x) { return nampemu_storage(reinterpret_cast<uint64_t>(x.data)); }

bool check_vectors(const Gemm& g, const char* who) {
  const auto bytes = [](int count, const Vector& x) {
    return static_cast<uint64_t>(count) * size_of(x.type);
  };
  const std::string name = who;
  return (g.bias.data == nullptr ||
          nampemu_check_read(reinterpret_cast<uint64_t>(g.bias.data), bytes(g.m, g.bias),
                             (name + ", bias").c_str()) != 0) &&
         (g.b_sums.data == nullptr ||
          nampemu_check_write(reinterpret_cast<uint64_t>(g.b_sums.data), bytes(g.n, g.b_sums),
                              (name + ", bias gradient").c_str()) != 0);
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
  if (k != 0) {
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
      const float bias = g.bias.data == nullptr ? 0 : read(storage_of(g.bias), i, g.bias.type);
      float value = alpha * sum[i * n + j] + before + bias;
      const uint64_t kept = j * static_cast<uint64_t>(g.kept.leading) + i;
      if (g.gelu == Gelu::kForward) {
        if (g.kept.data != nullptr) write(g.kept.storage(0), kept, g.kept.type, value);
        value = static_cast<float>(gelu(static_cast<double>(value)));
      } else if (g.gelu == Gelu::kSlope) {
        const double argument = read(g.kept.storage(0), kept, g.kept.type);
        value = static_cast<float>(value * gelu_slope(argument));
      }
      write(c, at, g.c.type, value);
    }
  }
}

void sum_columns_of_b(const Gemm& g) {
  const auto n = static_cast<size_t>(g.n);
  const std::vector<float> b = gather(g.b, 0, g.transb != CUBLAS_OP_N);  // [k][n]
  for (size_t j = 0; j < n; ++j) {
    float sum = 0;
    for (size_t p = 0; p < static_cast<size_t>(g.k); ++p)
      sum += b[p * n + j];
    write(storage_of(g.b_sums), j, g.b_sums.type, sum);
  }
}

void multiply_double(const Gemm& g, int batch, double alpha, double beta) {
  const auto* a = static_cast<const double*>(g.a.storage(batch));
  const auto* b = static_cast<const double*>(g.b.storage(batch));
  auto* c = static_cast<double*>(g.c.storage(batch));
  for (int j = 0; j < g.n; ++j) {
    for (int i = 0; i < g.m; ++i) {
      double sum = 0;
      for (int p = 0; p < g.k; ++p) {
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

  // Whether it need not be computed.
  bool record(bool reads_c) const {
    const auto number = [](int x) { return static_cast<uint64_t>(x); };
    const nampemu_product product{number(g.m),
                                  number(g.n),
                                  number(g.k),
                                  number(g.batch),
                                  size_of(g.a.type),
                                  size_of(g.c.type),
                                  number(reads_c),
                                  number(g.bias.data != nullptr),
                                  number(g.b_sums.data != nullptr),
                                  number(g.kept.data != nullptr)};
    return nampemu_record_product(&product) != 0;
  }

  void run() {
    const bool wide = is_wide();
    if (handle.pointer_mode == CUBLAS_POINTER_MODE_DEVICE && !read_scalars()) return;
    const bool reads_c = wide ? beta_wide != 0 : beta != 0;
    if (record(reads_c)) return;
    if (!check_memory(g, reads_c, who) || !mark_result(g, who)) return;
    if (!check_vectors(g, who) || !check_kept(g, who) || !use_workspace()) return;
    const bool reduces_in_c =
        (handle.math_mode & CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION) == 0;
    for (int i = 0; i < g.batch; ++i) {
      wide ? multiply_double(g, i, alpha_wide, beta_wide)
           : multiply(g, i, alpha, beta, reduces_in_c);
    }
    if (g.b_sums.data != nullptr) sum_columns_of_b(g);
  }
};

}  // namespace

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

uint64_t Matrix::bytes() const {
  if (rows == 0 || columns == 0) return 0;
  return (static_cast<uint64_t>(leading) * (static_cast<uint64_t>(columns) - 1) +
          static_cast<uint64_t>(rows)) *
         size_of(type);
}
uint64_t Matrix::address(int batch) const {
  return reinterpret_cast<uint64_t>(data) + static_cast<uint64_t>(stride * batch) * size_of(type);
}
void* Matrix::storage(int batch) const { return nampemu_storage(address(batch)); }

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

Handle* unwrap(cublasHandle_t handle) {
  const std::lock_guard lock(mutex);
  auto* known = reinterpret_cast<Handle*>(handle);
  return handles().count(known) != 0 ? known : nullptr;
}

cublasHandle_t create_handle() {
  const std::lock_guard lock(mutex);
  auto* created = new Handle();
  handles().insert(created);
  return reinterpret_cast<cublasHandle_t>(created);
}

void destroy_handle(Handle* handle) {
  const std::lock_guard lock(mutex);
  handles().erase(handle);
  delete handle;
}

cublasStatus_t run(const char* who, const Handle& handle, const Gemm& g) {
  if (nampemu_check_context(who) == 0) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (!valid(g)) {
    nampemu_report(
        NAMPEMU_ARGUMENT,
        (std::string(who) + ": a size, leading dimension, operation or pointer").c_str());
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (!supported(g)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (g.m == 0 || g.n == 0 || g.batch == 0) return CUBLAS_STATUS_SUCCESS;
  nampemu_count_gemm(handle.workspace_bytes == 0 ? 1 : 0);
  auto work = std::make_unique<Product>(Product{who, handle, g});
  if (handle.pointer_mode == CUBLAS_POINTER_MODE_HOST) work->read_scalars();
  const auto call = [](void* data) { static_cast<Product*>(data)->run(); };
  const auto release = [](void* data) { delete static_cast<Product*>(data); };
  return nampemu_put(handle.stream, call, work.release(), release) == 0
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace nampemu
