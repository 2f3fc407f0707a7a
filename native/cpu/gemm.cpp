// Matrix products: of one row by our own loop over the matrix, else by oneDNN if it supports them, else
// by our own blocks, spread over the threads.
#include <algorithm>

#include "cpu/block_gemm.h"
#include "cpu/cpu_backend.h"
#include "cpu/row_gemm.h"
#include "activation_facts.h"
#include "dtype.h"

namespace namp {
namespace {

struct Operands {
  MatrixView a;
  MatrixView b;
  ProductOutput output;
};

// The operands of one product of the batch. With depth 0 there is no A and no B, for any pointers.
Operands operands_of(const namp_gemm_args& args, int64_t k, int64_t product) {
  const auto a_dtype = static_cast<namp_dtype>(args.a_dtype);
  const auto b_dtype = static_cast<namp_dtype>(args.b_dtype);
  const auto c_dtype = static_cast<namp_dtype>(args.c_dtype);
  const bool ta = args.transpose_a != 0;
  const bool tb = args.transpose_b != 0;
  Operands operands{};
  operands.a = {nullptr, a_dtype, 0, 0};
  operands.b = {nullptr, b_dtype, 0, 0};
  if (k > 0) {
    operands.a = {offset(args.a, a_dtype, product * args.stride_a), a_dtype, ta ? 1 : args.lda,
                  ta ? args.lda : 1};
    operands.b = {offset(args.b, b_dtype, product * args.stride_b), b_dtype, tb ? 1 : args.ldb,
                  tb ? args.ldb : 1};
  }
  ProductOutput& output = operands.output;
  output.c = offset(args.c, c_dtype, product * args.stride_c);
  output.pre_activation = offset(args.pre_activation, c_dtype, product * args.stride_c);
  output.dtype = c_dtype;
  output.ldc = args.ldc;
  output.alpha = args.alpha;
  output.beta = args.beta;
  output.bias = args.bias;
  output.bias_dtype = static_cast<namp_dtype>(args.bias_dtype);
  output.activation = static_cast<namp_activation>(args.activation);
  return operands;
}

// One side of a product, cut into pieces of a nearly equal number of granules.
struct Cut {
  int64_t size;
  int64_t granule;
  int64_t pieces;

  int64_t begin(int64_t piece) const {
    return std::min(size, divide_up(size, granule) * piece / pieces * granule);
  }
  int64_t granules() const { return divide_up(size, granule); }
};

// The cut of a product among threads. Sums run only along k, which is not cut: the bits do not
// depend on the cut.
struct ProductCut {
  ProductCut(const namp_gemm_args& args, int64_t threads)
      : rows{args.m, args.a_dtype == NAMP_BFLOAT16 ? kPairRowGranule : kRowGranule, 1},
        columns{args.n, kColumnGranule, divide_up(args.n, kBlockColumns)},
        batch(args.batch) {
    // Every thread gets the same number of pieces: the longer side is cut further, while its pieces
    // have a few tiles. A piece has as many rows as possible, because each lays B out anew; of a
    // square product the columns are cut, so that no part of B is laid out twice.
    while (pieces() % threads != 0 && pieces() < 8 * threads) {
      Cut& longer = args.m / rows.pieces > args.n / columns.pieces ? rows : columns;
      if (longer.pieces >= divide_up(longer.granules(), 3)) break;
      ++longer.pieces;
    }
  }

  int64_t pieces() const { return batch * rows.pieces * columns.pieces; }

  Cut rows;
  Cut columns;
  int64_t batch;
};

// Elements of the matrix that are worth another thread.
constexpr int64_t kRowProductGrain = 1 << 15;

// A product of one row; scratch has k floats.
void gemm_of_row(const namp_gemm_args& args, namp_simd simd, const Threads& threads,
                 float* scratch) {
  const Operands operands = operands_of(args, args.k, 0);
  const float* row = static_cast<const float*>(operands.a.data);
  if (operands.a.dtype != NAMP_FLOAT32) {
    widen_row(simd, operands.a, args.k, scratch);
    row = scratch;
  }
  const int64_t grain =
      std::clamp<int64_t>(kRowProductGrain / args.k / 4 * 4, 4, kRowProductColumns);
  threads.parallel_for(args.n, grain, [&](int64_t begin, int64_t end) {
    multiply_row(simd, row, part_of(operands.b, 0, begin), args.k, end - begin,
                 part_of(operands.output, 0, begin));
  });
}

}  // namespace

void CpuBackend::gemm_by_blocks(const namp_gemm_args& args, namp_stream stream) {
  const int64_t k = args.alpha == 0.0f ? 0 : args.k;  // with alpha 0, A and B are not read
  const ProductCut cut(args, threads_.count());
  char* scratch = worker_scratch(threads_.count(), kProductScratchBytes, stream);
  threads_.split(cut.pieces(), [&](int64_t worker, int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t column_piece = piece % cut.columns.pieces;
      const int64_t row_piece = piece / cut.columns.pieces % cut.rows.pieces;
      const int64_t column = cut.columns.begin(column_piece);
      const int64_t row = cut.rows.begin(row_piece);
      const Operands operands = operands_of(args, k, piece / cut.columns.pieces / cut.rows.pieces);
      block_gemm(simd_, cut.rows.begin(row_piece + 1) - row,
                 cut.columns.begin(column_piece + 1) - column, k, part_of(operands.a, row, 0),
                 part_of(operands.b, 0, column), part_of(operands.output, row, column),
                 scratch + worker * kProductScratchBytes);
    }
  });
}

// c = activation(from), both [m, n] of the product's layout; with activation_kept, c = from * f'(kept).
void CpuBackend::activate_product(const namp_gemm_args& args, const void* from,
                                  namp_stream stream) {
  const bool dense = args.ldc == args.n && (args.batch == 1 || args.stride_c == args.m * args.n);
  const int64_t runs = dense ? 1 : args.batch * args.m;
  namp_activation_args activation{};
  activation.struct_size = sizeof(activation);
  activation.activation = args.activation;
  activation.dtype = args.c_dtype;
  activation.count = dense ? args.batch * args.m * args.n : args.n;
  for (int64_t run = 0; run < runs; ++run) {
    const int64_t start = run / args.m * args.stride_c + run % args.m * args.ldc;
    if (args.activation_kept != nullptr) {
      // Which of the two a backward reads is the activation's affair; it writes neither.
      activation.input = offset(args.activation_kept, args.c_dtype, start);
      activation.output = const_cast<void*>(activation.input);
      activation.output_gradient = offset(from, args.c_dtype, start);
      activation.input_gradient = offset(args.c, args.c_dtype, start);
      activation_backward(activation, stream);
    } else {
      activation.input = offset(from, args.c_dtype, start);
      activation.output = offset(args.c, args.c_dtype, start);
      activation_forward(activation, stream);
    }
  }
}

void CpuBackend::gemm(const namp_gemm_args& args, namp_stream stream) {
  const bool product = args.k > 0 && args.alpha != 0.0f;
  namp_gemm_args first = args;
  if (args.row_sums != nullptr) {
    first.row_sums = nullptr;
    sum(row_sums_of(args), stream);
  }
  if (args.activation_kept != nullptr) {
    first.activation_kept = nullptr;
    first.activation = NAMP_ACTIVATION_NONE;
    gemm(first, stream);
    activate_product(args, args.c, stream);
    return;
  }
  if (is_row_product(args)) {
    const int64_t bytes = args.k * static_cast<int64_t>(sizeof(float));
    gemm_of_row(args, simd_, threads_, reinterpret_cast<float*>(worker_scratch(1, bytes, stream)));
    return;
  }
  const bool gelu = is_gelu(args.activation);
  const bool kept = args.pre_activation != nullptr && args.activation != NAMP_ACTIVATION_NONE;
  // oneDNN has one output, and its GELUs are too inaccurate for float32. So the activation's input
  // is stored, and the activation is a separate pass.
  const bool pass = (kept && args.beta == 0.0f) || (!kept && gelu && args.c_dtype == NAMP_FLOAT32);
  if (pass) {
    if (kept) first.c = args.pre_activation;
    first.pre_activation = nullptr;
    first.activation = NAMP_ACTIVATION_NONE;
  }
  const PlanPointer plan = product ? library_.gemm(first, threads_.count()) : nullptr;
  if (plan == nullptr) {
    gemm_by_blocks(args, stream);
    return;
  }
  plan->run({first.a, first.b, first.bias, first.c}, workspace(plan->scratch_bytes(), stream));
  if (pass) activate_product(args, first.c, stream);
}

}  // namespace namp
