// Ways to compute a product of matrices, of which a device measures the fastest once for each kind of call.
#pragma once

#include <compare>
#include <map>
#include <mutex>
#include <optional>

#include "cuda/gemm_kernels.h"

namespace namp::cuda {

enum class ProductWay {
  kLibrary,      // cuBLAS, over copies where rows begin at odd places
  kLibraryAsIs,  // cuBLAS, over the operands as they lie
  kOwn           // our own kernels, whose epilogue does all that follows
};

// What decides a product's time, beside the device: sizes, types, places of rows, and what follows.
struct ProductKind {
  int64_t m, n, k, batch;
  int32_t dtype, c_dtype, bias_dtype, activation;
  bool transpose_a, transpose_b;
  bool has_beta, has_bias, has_bias_by_row, keeps_argument, has_slope, has_row_sums;
  bool are_words;  // the operands, for our own kernels
  bool c_is_aligned;

  auto operator<=>(const ProductKind&) const = default;
};

ProductKind kind_of(const GemmArgs& gemm);

// NATIVEAMP_MEASURE_PRODUCTS=1: from the beginning.
bool measuring_is_wanted();

// What was measured. Calls of several threads may come at once.
class ProductWays {
 public:
  std::optional<ProductWay> find(const ProductKind& kind);
  void keep(const ProductKind& kind, ProductWay way);

 private:
  std::mutex mutex_;
  std::map<ProductKind, ProductWay> ways_;
};

}  // namespace namp::cuda
