#include "cuda/cublas_lt.h"

#include <memory>

namespace namp::cuda {
namespace {

using Owned = std::unique_ptr<void, CublasStatus(NAMP_DRIVER_CALL*)(CublasLtObject)>;

// More shapes than a program has; one that has more asks again.
constexpr size_t kMostChoices = 4096;

// The largest power of two that divides an address, up to that of an allocation.
uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer) | 256;
  return static_cast<uint32_t>(address & (~address + 1));
}

// cuBLASLt is a library of its own, that the loader opened with cuBLAS. On Linux a symbol is looked for
// in all that a library brought along; on Windows by the name of its own.
DynamicLibrary light_of(const DynamicLibrary& cublas) {
#if defined(_WIN32)
  const size_t folder = cublas.name().find_last_of("/\\");
  std::string name = cublas.name().substr(folder == std::string::npos ? 0 : folder + 1);
  const std::string own = "cublas64_";
  if (name.compare(0, own.size(), own) != 0) return {};
  std::string answer;
  return DynamicLibrary("cublasLt64_" + name.substr(own.size()), DynamicLibrary::How::kIfLoaded,
                        answer);
#else
  return cublas;
#endif
}

// What an epilogue reads or writes beside A, B and C: null where it has none.
const void* vector_of(const namp_gemm_args& args, LtEpilogue epilogue) {
  if (epilogue == LtEpilogue::kRowSums) return args.row_sums;
  return has_bias(epilogue) ? args.bias : nullptr;
}
const void* kept_of(const namp_gemm_args& args, LtEpilogue epilogue) {
  if (epilogue == LtEpilogue::kGeluSlope) return args.activation_kept;
  return has_kept(epilogue) ? args.pre_activation : nullptr;
}

}  // namespace

bool CublasLtFunctions::bind(const DynamicLibrary& cublas) {
  const DynamicLibrary from = light_of(cublas);
  return from.bind(create_description, "cublasLtMatmulDescCreate") &&
         from.bind(destroy_description, "cublasLtMatmulDescDestroy") &&
         from.bind(describe, "cublasLtMatmulDescSetAttribute") &&
         from.bind(create_layout, "cublasLtMatrixLayoutCreate") &&
         from.bind(destroy_layout, "cublasLtMatrixLayoutDestroy") &&
         from.bind(create_preference, "cublasLtMatmulPreferenceCreate") &&
         from.bind(destroy_preference, "cublasLtMatmulPreferenceDestroy") &&
         from.bind(prefer, "cublasLtMatmulPreferenceSetAttribute") &&
         from.bind(choose, "cublasLtMatmulAlgoGetHeuristic") &&
         from.bind(multiply, "cublasLtMatmul");
}

// The objects that describe a product. cuBLASLt counts by columns: its A is B, its B is A, and its C and
// D are C transposed, as in Cublas::multiply.
struct CublasLt::Call {
  Owned description;
  Owned a, b, c;
  uint32_t alignments[4];  // of its A, B, C and D

  Call(const namp_gemm_args& args, LtEpilogue epilogue, int compute, const CublasLtFunctions& f,
       const CublasFunctions& cublas)
      : description(nullptr, f.destroy_description),
        a(nullptr, f.destroy_layout),
        b(nullptr, f.destroy_layout),
        c(nullptr, f.destroy_layout),
        alignments{alignment_of(args.b), alignment_of(args.a), alignment_of(args.c),
                   alignment_of(args.c)} {
    CublasLtObject made = nullptr;
    cublas.check(f.create_description(&made, compute, kCudaFloat32), "cublasLtMatmulDescCreate");
    description.reset(made);
    const auto set = [&](int attribute, auto value) {
      cublas.check(f.describe(made, attribute, &value, sizeof(value)),
                   "cublasLtMatmulDescSetAttribute");
    };
    set(kLtTransposeA, args.transpose_b != 0 ? kCublasOperationT : kCublasOperationN);
    set(kLtTransposeB, args.transpose_a != 0 ? kCublasOperationT : kCublasOperationN);
    set(kLtEpilogue, static_cast<int>(epilogue));
    // Their alignment decides, too, what the heuristic may take.
    if (const void* vector = vector_of(args, epilogue)) set(kLtVector, vector);
    if (const void* kept = kept_of(args, epilogue)) {
      set(kLtKept, kept);
      set(kLtKeptRow, args.ldc);
    }
    const auto layout = [&](Owned& of, int32_t dtype, int64_t rows, int64_t columns, int64_t ld) {
      CublasLtObject layout = nullptr;
      cublas.check(f.create_layout(&layout, cuda_type_of(dtype), static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), ld),
                   "cublasLtMatrixLayoutCreate");
      of.reset(layout);
    };
    const bool tb = args.transpose_b != 0;
    const bool ta = args.transpose_a != 0;
    layout(a, args.b_dtype, tb ? args.k : args.n, tb ? args.n : args.k, args.ldb);
    layout(b, args.a_dtype, ta ? args.m : args.k, ta ? args.k : args.m, args.lda);
    layout(c, args.c_dtype, args.n, args.m, args.ldc);
  }
};

CublasLt::Choice CublasLt::choose(const Call& call, const CublasFunctions& cublas,
                                  const Where& where) const {
  const CublasLtFunctions& f = functions_;
  CublasLtObject made = nullptr;
  cublas.check(f.create_preference(&made), "cublasLtMatmulPreferenceCreate");
  const Owned preference(made, f.destroy_preference);
  const auto set = [&](int attribute, auto value) {
    cublas.check(f.prefer(made, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  set(kLtWorkspaceBytes, uint64_t{where.bytes});
  set(kLtReductionSchemes, kLtReduceInComputeType);
  const int attributes[] = {kLtAlignmentA, kLtAlignmentB, kLtAlignmentC, kLtAlignmentD};
  for (int i = 0; i < 4; ++i)
    set(attributes[i], call.alignments[i]);
  CublasLtHeuristic found{};
  int count = 0;
  const CublasStatus status =
      f.choose(where.handle, call.description.get(), call.a.get(), call.b.get(), call.c.get(),
               call.c.get(), made, 1, &found, &count);
  // An older one does not know each epilogue.
  const bool lacks = status == kCublasNotSupported || status == kCublasInvalidValue;
  if (!lacks) cublas.check(status, "cublasLtMatmulAlgoGetHeuristic");
  if (lacks || count < 1 || found.state != 0 || found.workspace_bytes > where.bytes) return {};
  return {true, found.algorithm};
}

bool CublasLt::multiply(const namp_gemm_args& args, LtEpilogue epilogue, int compute,
                        const CublasFunctions& cublas, const Where& where,
                        Backend::Workspace& workspace) {
  const Shape shape{args.m,
                    args.n,
                    args.k,
                    args.lda,
                    args.ldb,
                    args.ldc,
                    args.a_dtype,
                    args.c_dtype,
                    args.transpose_a,
                    args.transpose_b,
                    static_cast<int64_t>(epilogue),
                    compute,
                    alignment_of(args.a),
                    alignment_of(args.b),
                    alignment_of(args.c),
                    alignment_of(vector_of(args, epilogue)),
                    alignment_of(kept_of(args, epilogue))};
  auto known = choices_.find(shape);
  if (known != choices_.end() && !known->second.is_there) return false;
  const Call call(args, epilogue, compute, functions_, cublas);
  if (known == choices_.end()) {
    if (choices_.size() >= kMostChoices) choices_.clear();
    known = choices_.emplace(shape, choose(call, cublas, where)).first;
    if (!known->second.is_there) return false;
  }
  const auto multiply = [&] {
    return functions_.multiply(where.handle, call.description.get(), &args.alpha, args.b,
                               call.a.get(), args.a, call.b.get(), &args.beta, args.c, call.c.get(),
                               args.c, call.c.get(), &known->second.algorithm, where.memory,
                               where.bytes, where.queue);
  };
  cublas.check(with_memory(workspace, multiply), "cublasLtMatmul");
  return true;
}

}  // namespace namp::cuda
