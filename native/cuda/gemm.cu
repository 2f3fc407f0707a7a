// Matrix multiplication without cuBLAS and without tensor cores: tiles of C over slices of A and B in
// shared memory; float32 accumulation, any dtype, any shape, any strides. And the bias and activation
// after a product of cuBLAS.
#include "cuda/platform.cuh"

#include "cuda/gemm_epilogue.cuh"

namespace namp::cuda {
namespace {

constexpr int kTile = static_cast<int>(kGemm.tile);
constexpr int kSlice = 16;  // of k
constexpr int kOwn = 4;     // rows and columns of C of one thread
// Number of products that are added one after the other. The sums of such runs are then added: the
// rounding error grows with a run's length and with the number of runs, not with k.
constexpr int kRun = 8 * kSlice;
constexpr int kSide = kTile / kOwn;
static_assert(kSide * kSide == kGemmThreads);

// Calls body(place, part) for this thread's packs of C.
template <class Body>
NAMP_DEVICE void for_result_packs(const namp_gemm_args& args, Body&& body) {
  const int64_t products = args.batch > 0 ? args.batch : 1;
  for_matrix_packs(products * args.m, args.n, [&](int64_t row, int64_t column, Prefix part) {
    const int64_t product = products > 1 ? row / args.m : 0;
    const int64_t own = row - product * args.m;
    body(Place{own, column, product * args.stride_c + own * args.ldc + column,
               row * args.n + column},
         part);
  });
}

}  // namespace

// Two blocks a multiprocessor: for three, NVIDIA's assembler spills registers.
NAMP_KERNEL(kGemmThreads, 2) gemm_kernel(const GemmArgs gemm) {
  const namp_gemm_args& args = gemm.call;
  // Stored along k. One extra column avoids bank conflicts.
  __shared__ float a_tile[kSlice][kTile + 1];
  __shared__ float b_tile[kSlice][kTile + 1];
  const int thread = thread_index();
  const int own_row = thread / kSide;
  const int own_column = thread % kSide;
  const int64_t tiles_m = (args.m + kTile - 1) / kTile;
  const int64_t tiles_n = (args.n + kTile - 1) / kTile;
  const int64_t products = args.batch > 0 ? args.batch : 1;
  const int64_t depth = args.alpha != 0.0f ? args.k : 0;  // with alpha 0, A and B are not read
  for (int64_t task = block_index(); task < products * tiles_m * tiles_n; task += block_count()) {
    const int64_t product = task / (tiles_m * tiles_n);
    const int64_t row = task / tiles_n % tiles_m * kTile;
    const int64_t column = task % tiles_n * kTile;
    float sums[kOwn][kOwn] = {};
    float run[kOwn][kOwn] = {};
    for (int64_t k = 0; k < depth; k += kSlice) {
      for (int e = thread; e < kSlice * kTile; e += kGemmThreads) {
        // Adjacent threads read adjacent elements, for each layout of the operand.
        const int a_k = args.transpose_a != 0 ? e / kTile : e % kSlice;
        const int a_m = args.transpose_a != 0 ? e % kTile : e / kSlice;
        const int b_k = args.transpose_b != 0 ? e % kSlice : e / kTile;
        const int b_n = args.transpose_b != 0 ? e / kSlice : e % kTile;
        float a = 0.0f;
        float b = 0.0f;
        if (row + a_m < args.m && k + a_k < depth) {
          const int64_t at = args.transpose_a != 0 ? (k + a_k) * args.lda + row + a_m
                                                   : (row + a_m) * args.lda + k + a_k;
          a = load_as(args.a, args.a_dtype, product * args.stride_a + at);
        }
        if (column + b_n < args.n && k + b_k < depth) {
          const int64_t at = args.transpose_b != 0 ? (column + b_n) * args.ldb + k + b_k
                                                   : (k + b_k) * args.ldb + column + b_n;
          b = load_as(args.b, args.b_dtype, product * args.stride_b + at);
        }
        a_tile[a_k][a_m] = a;
        b_tile[b_k][b_n] = b;
      }
      barrier();
#pragma unroll
      for (int s = 0; s < kSlice; ++s) {
        float a[kOwn];
        float b[kOwn];
#pragma unroll
        for (int j = 0; j < kOwn; ++j) {
          a[j] = a_tile[s][own_row + j * kSide];
          b[j] = b_tile[s][own_column + j * kSide];
        }
#pragma unroll
        for (int i = 0; i < kOwn; ++i) {
#pragma unroll
          for (int j = 0; j < kOwn; ++j)
            run[i][j] = multiply_add(a[i], b[j], run[i][j]);
        }
      }
      if ((k + kSlice) % kRun == 0 || k + kSlice >= depth) {
#pragma unroll
        for (int i = 0; i < kOwn; ++i) {
#pragma unroll
          for (int j = 0; j < kOwn; ++j) {
            sums[i][j] += run[i][j];
            run[i][j] = 0.0f;
          }
        }
      }
      barrier();
    }
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
#pragma unroll
      for (int j = 0; j < kOwn; ++j) {
        const int64_t m = row + own_row + i * kSide;
        const int64_t n = column + own_column + j * kSide;
        if (m >= args.m || n >= args.n) continue;
        const Place place{m, n, product * args.stride_c + m * args.ldc + n, 0};
        Pack<1> x = scale_sums(args, AnyType(), Pack<1>{{sums[i][j]}}, place, Single{});
        if (args.bias != nullptr) x = map(Plus(), x, load_bias(gemm, place, Single{}));
        finish(args, AnyType(), x, place, Single{});
      }
    }
  }
}

// Writes the bias to every row of C, to which cuBLAS then adds.
NAMP_KERNEL(kElementThreads) gemm_bias_kernel(const GemmArgs gemm) {
  const namp_gemm_args& args = gemm.call;
  with_element(args.c_dtype, [&](auto element) {
    auto* c = static_cast<typename decltype(element)::Type*>(args.c);
    for_result_packs(args, [&](const Place& place, Prefix part) {
      store(load_bias(gemm, place, part), c + place.at, part);
    });
  });
}

namespace {

// Adds the parts' sums of A's rows. A product in parts has few tiles, and so few rows.
NAMP_DEVICE void add_row_sums(const GemmArgs& gemm) {
  const int rows = static_cast<int>(gemm.call.m);
  const int stride = static_cast<int>(block_count()) * kElementThreads;
#pragma unroll 1
  for (int i = static_cast<int>(block_index()) * kElementThreads + thread_index(); i < rows;
       i += stride) {
    float sum = 0.0f;
#pragma unroll 1
    for (int part = 0; part < static_cast<int>(gemm.parts); ++part)
      sum += load(gemm.row_sum_parts + part * rows + i);
    AnyType().put(Pack<1>{{sum}}, gemm.call.row_sums, gemm.call.c_dtype, i, Single{});
  }
}

}  // namespace

// C or product holds a product. This adds bias, pre-activation and activation or the activation's
// slope, and beta C if it is not yet included.
NAMP_KERNEL(kElementThreads, 4) gemm_epilogue_kernel(const GemmArgs gemm) {
  const namp_gemm_args& args = gemm.call;
  const float beta = args.beta;
  const int64_t of_part = (args.batch > 0 ? args.batch : 1) * args.m * args.n;
  with_element(args.c_dtype, [&](auto element) {
    using C = typename decltype(element)::Type;
    with_fused_activation(args.activation, [&](auto activation) {
      const auto activate = [](const Pack<kPack>& x) {
        return map([](float y) { return decltype(activation)::forward(y); }, x);
      };
      const C* c = static_cast<const C*>(args.c);
      for_result_packs(args, [&](const Place& place, Prefix part) {
        Pack<kPack> x;
        if (gemm.product == nullptr) {
          x = load(c + place.at, part);
        } else {
          x = load(gemm.product + place.dense, part);
          for (int64_t i = 1; i < gemm.parts; ++i)
            x = map(Plus(), x, load(gemm.product + i * of_part + place.dense, part));
          if (beta != 0.0f) {
            x = map([=](float y, float before) { return y + beta * before; }, x,
                    load(c + place.at, part));
          }
        }
        if (args.bias != nullptr) x = map(Plus(), x, load_bias(gemm, place, part));
        if (args.activation_kept == nullptr) {
          finish(args, OneType<C>(), activate, x, place, part);
        } else {
          const auto slope = [](float g, float y) { return decltype(activation)::backward(g, y); };
          const Pack<kPack> kept =
              load(static_cast<const C*>(args.activation_kept) + place.at, part);
          store(map(slope, x, kept), static_cast<C*>(args.c) + place.at, part);
        }
      });
    });
  });
  if (gemm.row_sum_parts != nullptr) add_row_sums(gemm);
}

}  // namespace namp::cuda
