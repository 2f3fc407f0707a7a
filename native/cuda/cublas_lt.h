// cuBLASLt, which comes with cuBLAS: products that add a bias, sum an operand, or make a GELU or its
// gradient in the same launch.
#pragma once

#include <array>
#include <map>

#include "cuda/cublas_library.h"

namespace namp::cuda {

using CublasLtObject = void*;  // a description, a layout or a preference

// cublasLtMatmulAlgo_t and cublasLtMatmulHeuristicResult_t.
struct CublasLtAlgorithm {
  uint64_t data[8];
};
struct CublasLtHeuristic {
  CublasLtAlgorithm algorithm;
  size_t workspace_bytes;
  CublasStatus state;
  float waves;
  int reserved[4];
};

// From its documentation.
inline constexpr int kLtTransposeA = 3;  // attributes of a description
inline constexpr int kLtTransposeB = 4;
inline constexpr int kLtEpilogue = 7;
inline constexpr int kLtVector = 8;          // the bias, or its gradient
inline constexpr int kLtKept = 11;           // a GELU's argument
inline constexpr int kLtKeptRow = 12;        // elements of it from a column to the next
inline constexpr int kLtWorkspaceBytes = 1;  // attributes of a preference
inline constexpr int kLtReductionSchemes = 3;
inline constexpr int kLtAlignmentA = 5;
inline constexpr int kLtAlignmentB = 6;
inline constexpr int kLtAlignmentC = 7;
inline constexpr int kLtAlignmentD = 8;
// Parts of a product are added in the compute type alone, as kCublasMathMode asks of cuBLAS.
inline constexpr uint32_t kLtReduceInComputeType = 2;

struct CublasLtFunctions {
  CublasStatus(NAMP_DRIVER_CALL* create_description)(CublasLtObject*, int, int) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* destroy_description)(CublasLtObject) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* describe)(CublasLtObject, int, const void*, size_t) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* create_layout)(CublasLtObject*, int, uint64_t, uint64_t,
                                                int64_t) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* destroy_layout)(CublasLtObject) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* create_preference)(CublasLtObject*) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* destroy_preference)(CublasLtObject) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* prefer)(CublasLtObject, int, const void*, size_t) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* choose)(CublasHandle, CublasLtObject, CublasLtObject,
                                         CublasLtObject, CublasLtObject, CublasLtObject,
                                         CublasLtObject, int, CublasLtHeuristic*, int*) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* multiply)(CublasHandle, CublasLtObject, const void*, const void*,
                                           CublasLtObject, const void*, CublasLtObject, const void*,
                                           const void*, CublasLtObject, void*, CublasLtObject,
                                           const CublasLtAlgorithm*, void*, size_t,
                                           Stream) = nullptr;

  // Of the library that this cuBLAS brought along. False where it lacks one.
  bool bind(const DynamicLibrary& cublas);
};

// What is done beside a product of rows: CUBLASLT_EPILOGUE_BIAS, _GELU (of the tanh, which keeps a NaN),
// _GELU_AUX that stores the argument, each with a bias or without, _DGELU and _BGRADB of the columns that
// cuBLAS counts by. There is no _RELU: it need not keep a NaN, by which a scaler knows an overflow.
enum class LtEpilogue : int {
  kBias = 4,
  kGelu = 32,
  kGeluBias = 36,
  kGeluKept = 160,
  kGeluKeptBias = 164,
  kGeluSlope = 192,
  kRowSums = 512,
};
constexpr bool has_bias(LtEpilogue epilogue) { return (static_cast<int>(epilogue) & 4) != 0; }
constexpr bool has_kept(LtEpilogue epilogue) { return (static_cast<int>(epilogue) & 128) != 0; }

class CublasLt {
 public:
  // A call's place: cuBLAS's handle, the stream, and a workspace of its own.
  struct Where {
    CublasHandle handle;
    Stream queue;
    void* memory;
    size_t bytes;
  };

  void bind(const DynamicLibrary& cublas) { is_there_ = functions_.bind(cublas); }
  bool is_there() const { return is_there_; }

  // C = alpha op(A) op(B) + beta C, with what the epilogue names of args: bias, row_sums, pre_activation
  // or activation_kept, all in C's dtype. One
  // product whose sizes fit 32 bits. False, and nothing done, where it has no algorithm for it. Which
  // it takes for a shape is asked once.
  bool multiply(const namp_gemm_args& args, LtEpilogue epilogue, int compute,
                const CublasFunctions& cublas, const Where& where, Backend::Workspace& workspace);

 private:
  using Shape = std::array<int64_t, 17>;
  // Without algorithm where there is none.
  struct Choice {
    bool is_there = false;
    CublasLtAlgorithm algorithm{};
  };
  struct Call;

  Choice choose(const Call& call, const CublasFunctions& cublas, const Where& where) const;

  CublasLtFunctions functions_;
  bool is_there_ = false;
  std::map<Shape, Choice> choices_;
};

}  // namespace namp::cuda
