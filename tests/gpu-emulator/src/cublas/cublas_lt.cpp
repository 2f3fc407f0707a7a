// The stand-in for cuBLASLt, whose handle may be one of cuBLAS. Its heuristic knows one algorithm, which
// needs a workspace, and which holds what it was chosen for: another product with it is a finding.
#include "cublas/cublas_lt_api.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "cublas/gemm.h"
#include "nampemu.h"

#define NAMPEMU_API extern "C" __attribute__((visibility("default")))

struct EmulatedLtDescription {
  int compute;
  int pointer_mode = CUBLAS_POINTER_MODE_HOST;
  int transa = CUBLAS_OP_N;
  int transb = CUBLAS_OP_N;
  int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  void* aux = nullptr;
  int64_t aux_leading = 0;
};
struct EmulatedLtLayout {
  int type;
  uint64_t rows;
  uint64_t columns;
  int64_t leading;
};
struct EmulatedLtPreference {
  uint64_t workspace_bytes = 0;
  uint32_t reduction_schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignments[4] = {256, 256, 256, 256};  // of A, B, C, D
};

namespace {

constexpr uint64_t kAlgorithm = 0x6e616d70656d75;
constexpr uint64_t kWorkspaceBytes = 4096;

template <class T, class... Fields>
cublasStatus_t create(const char* who, T** made, Fields... fields) {
  if (const int32_t injected = nampemu_enter(who)) return static_cast<cublasStatus_t>(injected);
  if (made == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *made = new T{fields...};
  return CUBLAS_STATUS_SUCCESS;
}
template <class T>
cublasStatus_t destroy(const char* who, T* made) {
  if (const int32_t injected = nampemu_enter(who)) return static_cast<cublasStatus_t>(injected);
  delete made;
  return CUBLAS_STATUS_SUCCESS;
}
template <class T>
cublasStatus_t assign(T& to, const void* from, size_t bytes) {
  if (from == nullptr || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

// One that no alignment divides has that of its address.
bool is_aligned(const void* pointer, uint64_t bytes) {
  return bytes != 0 && reinterpret_cast<uint64_t>(pointer) % bytes == 0;
}

nampemu::Matrix matrix(cublasLtMatrixLayout_t layout, const void* data) {
  return {data,
          layout->type,
          static_cast<int>(layout->rows),
          static_cast<int>(layout->columns),
          static_cast<int>(layout->leading),
          0};
}

// The bits that epilogues have in common.
bool has_bias(int epilogue) { return (epilogue & CUBLASLT_EPILOGUE_BIAS) != 0; }
bool has_aux(int epilogue) { return (epilogue & 128) != 0; }
bool needs_vector(int epilogue) {
  return has_bias(epilogue) || epilogue == CUBLASLT_EPILOGUE_BGRADB;
}
bool is_known(int epilogue) {
  switch (epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_GELU:
    case CUBLASLT_EPILOGUE_GELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU_AUX:
    case CUBLASLT_EPILOGUE_GELU_AUX_BIAS:
    case CUBLASLT_EPILOGUE_DGELU:
    case CUBLASLT_EPILOGUE_BGRADB:
      return true;
    default:
      return false;
  }
}
// As documented: aligned to 16 bytes, columns of a multiple of 8 elements, no less than C's.
bool is_aux_well_formed(cublasLtMatmulDesc_t description, const nampemu::Gemm& g) {
  return !has_aux(description->epilogue) ||
         (is_aligned(description->aux, 16) && description->aux != nullptr &&
          description->aux_leading % 8 == 0 && description->aux_leading >= g.m);
}

// The product without its scalars; false where the shapes do not fit each other.
bool describe(cublasLtMatmulDesc_t description, const nampemu::Matrix& a, const nampemu::Matrix& b,
              const nampemu::Matrix& c, nampemu::Gemm& g) {
  g.transa = description->transa;
  g.transb = description->transb;
  g.compute = description->compute;
  g.a = a;
  g.b = b;
  g.c = c;
  g.m = c.rows;
  g.n = c.columns;
  g.k = g.transa == CUBLAS_OP_N ? a.columns : a.rows;
  // A vector has the type of C.
  const int epilogue = description->epilogue;
  if (has_bias(epilogue)) g.bias = {description->bias, c.type};
  if (epilogue == CUBLASLT_EPILOGUE_BGRADB) g.b_sums = {description->bias, c.type};
  if ((epilogue & CUBLASLT_EPILOGUE_GELU) != 0) g.gelu = nampemu::Gelu::kForward;
  if (epilogue == CUBLASLT_EPILOGUE_DGELU) g.gelu = nampemu::Gelu::kSlope;
  if (has_aux(epilogue))
    g.kept = {description->aux, c.type, g.m, g.n, static_cast<int>(description->aux_leading), 0};
  return (g.transa == CUBLAS_OP_N ? a.rows : a.columns) == g.m &&
         (g.transb == CUBLAS_OP_N ? b.columns : b.rows) == g.n &&
         (g.transb == CUBLAS_OP_N ? b.rows : b.columns) == g.k;
}

// What an algorithm was chosen for, in the words of one.
void fill(cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulDesc_t description,
          const nampemu::Gemm& g) {
  const auto pair = [](int high, int low) {
    return static_cast<uint64_t>(high) << 32 | static_cast<uint32_t>(low);
  };
  algorithm.data[0] = kAlgorithm;
  algorithm.data[1] = pair(g.m, g.n);
  algorithm.data[2] = pair(g.k, description->epilogue);
  algorithm.data[3] = pair(g.a.leading, g.b.leading);
  algorithm.data[4] = pair(g.c.leading, g.a.type * 256 + g.c.type);
  algorithm.data[5] = pair(g.transa * 2 + g.transb, g.compute);
}

cublasStatus_t refuse(const std::string& why) {
  nampemu_report(NAMPEMU_ARGUMENT, ("cublasLtMatmul: " + why).c_str());
  return CUBLAS_STATUS_INVALID_VALUE;
}

}  // namespace

NAMPEMU_API cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description,
                                                    cublasComputeType_t compute,
                                                    cudaDataType scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return create("cublasLtMatmulDescCreate", description, static_cast<int>(compute));
}
NAMPEMU_API cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  return destroy("cublasLtMatmulDescDestroy", description);
}
NAMPEMU_API cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                                          cublasLtMatmulDescAttributes_t attribute,
                                                          const void* from, size_t bytes) {
  if (const int32_t injected = nampemu_enter("cublasLtMatmulDescSetAttribute"))
    return static_cast<cublasStatus_t>(injected);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return assign(description->pointer_mode, from, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return assign(description->transa, from, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return assign(description->transb, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return assign(description->epilogue, from, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return assign(description->bias, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      return assign(description->aux, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return assign(description->aux_leading, from, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}
NAMPEMU_API cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout,
                                                      cudaDataType type, uint64_t rows,
                                                      uint64_t columns, int64_t leading) {
  return create("cublasLtMatrixLayoutCreate", layout, static_cast<int>(type), rows, columns,
                leading);
}
NAMPEMU_API cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy("cublasLtMatrixLayoutDestroy", layout);
}
NAMPEMU_API cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return create("cublasLtMatmulPreferenceCreate", preference);
}
NAMPEMU_API cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy("cublasLtMatmulPreferenceDestroy", preference);
}
NAMPEMU_API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
    const void* from, size_t bytes) {
  if (const int32_t injected = nampemu_enter("cublasLtMatmulPreferenceSetAttribute"))
    return static_cast<cublasStatus_t>(injected);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return assign(preference->workspace_bytes, from, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return assign(preference->reduction_schemes, from, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return assign(preference->alignments[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES],
                    from, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

NAMPEMU_API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t preference, int wanted, cublasLtMatmulHeuristicResult_t* results,
    int* found) {
  if (const int32_t injected = nampemu_enter("cublasLtMatmulAlgoGetHeuristic"))
    return static_cast<cublasStatus_t>(injected);
  if (nampemu::unwrap(reinterpret_cast<cublasHandle_t>(handle)) == nullptr)
    return CUBLAS_STATUS_NOT_INITIALIZED;
  if (wanted < 1 || results == nullptr || found == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *found = 0;
  nampemu::Gemm g;
  if (!describe(description, matrix(a, nullptr), matrix(b, nullptr), matrix(d, nullptr), g) ||
      c->type != d->type || c->leading != d->leading) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const char* without = std::getenv("NAMPEMU_CUBLASLT_WITHOUT");  // an epilogue that it has not
  const bool has_epilogue =
      is_known(description->epilogue) && is_aux_well_formed(description, g) &&
      (without == nullptr || std::to_string(description->epilogue) != std::string(without));
  if (!nampemu::supported(g) || !has_epilogue || preference->workspace_bytes < kWorkspaceBytes ||
      g.compute == CUBLAS_COMPUTE_64F) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  cublasLtMatmulHeuristicResult_t& result = *results;
  std::memset(&result, 0, sizeof result);
  fill(result.algo, description, g);
  result.algo.data[6] = preference->reduction_schemes;
  for (int i = 0; i < 4; ++i)
    result.algo.data[7] |= static_cast<uint64_t>(preference->alignments[i] & 0xffff) << (i * 16);
  result.workspaceSize = kWorkspaceBytes;
  result.state = CUBLAS_STATUS_SUCCESS;
  result.wavesCount = 1;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

NAMPEMU_API cublasStatus_t cublasLtMatmul(cublasLtHandle_t raw, cublasLtMatmulDesc_t description,
                                          const void* alpha, const void* a,
                                          cublasLtMatrixLayout_t a_layout, const void* b,
                                          cublasLtMatrixLayout_t b_layout, const void* beta,
                                          const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                                          cublasLtMatrixLayout_t d_layout,
                                          const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                                          size_t workspace_bytes, CUstream stream) {
  if (const int32_t injected = nampemu_enter("cublasLtMatmul"))
    return static_cast<cublasStatus_t>(injected);
  const nampemu::Handle* owner = nampemu::unwrap(reinterpret_cast<cublasHandle_t>(raw));
  if (owner == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  nampemu::Gemm g;
  if (!describe(description, matrix(a_layout, a), matrix(b_layout, b), matrix(d_layout, d), g) ||
      c != d || c_layout->leading != d_layout->leading) {
    return refuse("shapes that do not fit, or a C that is not D, which the stand-in lacks");
  }
  if (needs_vector(description->epilogue) && description->bias == nullptr)
    return refuse("an epilogue without its pointer");
  if (!is_aux_well_formed(description, g))
    return refuse("an auxiliary matrix that is missing, or not of 16 bytes and columns of 8");
  cublasLtMatmulAlgo_t chosen{};
  fill(chosen, description, g);
  if (algorithm == nullptr || std::memcmp(&chosen, algorithm, 6 * sizeof(uint64_t)) != 0)
    return refuse("an algorithm that was chosen for another product");
  const void* const operands[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i) {
    if (!is_aligned(operands[i], algorithm->data[7] >> (i * 16) & 0xffff))
      return refuse("an operand of less alignment than was promised");
  }
  if (workspace_bytes < kWorkspaceBytes || !is_aligned(workspace, 16))
    return refuse("a workspace that is too small or not aligned to 16 bytes");
  nampemu::Handle handle = *owner;
  handle.stream = stream;
  handle.workspace = reinterpret_cast<uint64_t>(workspace);
  handle.workspace_bytes = workspace_bytes;
  handle.pointer_mode = description->pointer_mode;
  const bool in_float =
      (algorithm->data[6] & ~uint64_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE}) == 0;
  handle.math_mode = in_float ? CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION : 0;
  g.alpha = alpha;
  g.beta = beta;
  return nampemu::run("cublasLtMatmul", handle, g);
}
