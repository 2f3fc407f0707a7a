// Products whose rows begin at odd places, made of copies whose rows do not.
#include <algorithm>
#include <charconv>
#include <string>

#include "cuda/cuda_backend.h"
#include "dtype.h"
#include "libraries/environment.h"

namespace namp {
namespace {

constexpr int64_t kTile =
    2 * cuda::kWideTile;         // rows of C at a time: whole tiles of a library's, too
constexpr int64_t kElement = 2;  // bytes in half precision

constexpr int64_t round_up(int64_t count) { return cuda::blocks(count, cuda::kPack) * cuda::kPack; }

bool is_odd(const void* data, int64_t ld) {
  return ld % cuda::kPack != 0 || reinterpret_cast<uintptr_t>(data) % 16 != 0;
}

// A matrix as it is stored.
struct Stored {
  int64_t rows;
  int64_t columns;
  int64_t bytes() const { return rows * round_up(columns) * kElement; }
};

Stored stored(bool transposed, int64_t rows, int64_t columns) {
  return transposed ? Stored{columns, rows} : Stored{rows, columns};
}

// How many rows of C are made at a time.
int64_t rows_at_once(const namp_gemm_args& args, const cuda::ProductPadding& padding,
                     int64_t bytes) {
  int64_t rows = args.m;
  if (padding.a) rows = std::min(rows, bytes / (padding.k * kElement));
  if (padding.c) rows = std::min(rows, bytes / 4 / (padding.n * kElement));
  return std::min(args.m, std::max(rows / kTile, int64_t{1}) * kTile);
}

}  // namespace

cuda::ProductPadding cuda::padding_of(const namp_gemm_args& args, int64_t bytes) {
  const ProductPadding none{false, false, false, args.n, args.k};
  if (bytes == 0 || args.a_dtype == NAMP_FLOAT32 || args.batch > 1 || args.alpha == 0.0f ||
      std::min({args.m, args.n, args.k}) < kLeastPaddedSide ||
      static_cast<double>(args.m) * static_cast<double>(args.n) * static_cast<double>(args.k) <
          kLeastPaddedProduct) {
    return none;
  }
  const bool ta = args.transpose_a != 0;
  const bool tb = args.transpose_b != 0;
  ProductPadding padding = none;
  padding.a = is_odd(args.a, args.lda);
  padding.b = is_odd(args.b, args.ldb);
  // What follows a product goes by C's rows; a C that is added to would have to be copied there first.
  padding.c = args.c_dtype != NAMP_FLOAT32 && is_odd(args.c, args.ldc) && args.beta == 0.0f &&
              args.bias == nullptr && args.activation == NAMP_ACTIVATION_NONE &&
              args.pre_activation == nullptr && args.activation_kept == nullptr;
  // An operand is read along k, or C written along n, in whole packs: zeros fill up the last.
  if ((padding.a && !ta) || (padding.b && tb)) padding.k = round_up(args.k);
  if (padding.c) padding.n = round_up(args.n);
  if (padding.k != args.k) padding.a = padding.b = true;
  if (padding.n != args.n) padding.b = true;
  if (padding.b && stored(tb, padding.k, padding.n).bytes() > bytes) return none;
  return padding;
}

int64_t cuda::padded_bytes_wanted() {
  const std::string wanted = environment_variable("NATIVEAMP_PADDED_BYTES").value_or("");
  int64_t bytes = 0;
  const auto end = wanted.data() + wanted.size();
  const auto read = std::from_chars(wanted.data(), end, bytes);
  return read.ec == std::errc() && read.ptr == end && bytes >= 0 ? bytes : kPaddedBytes;
}

bool CudaBackend::multiply_padded(const cuda::GemmArgs& gemm, namp_stream stream) {
  const namp_gemm_args& args = gemm.call;
  const cuda::ProductPadding padding = cuda::padding_of(args, padded_bytes_);
  if (!padding.is_any() || gemm.bias_by_row != 0) return false;
  const bool ta = args.transpose_a != 0;
  const bool tb = args.transpose_b != 0;
  const int64_t most = rows_at_once(args, padding, padded_bytes_);
  const int64_t a_bytes = padding.a ? stored(ta, most, padding.k).bytes() : 0;
  const int64_t b_bytes = padding.b ? stored(tb, padding.k, padding.n).bytes() : 0;
  const int64_t c_bytes = padding.c ? most * padding.n * kElement : 0;
  auto* copies = static_cast<char*>(
      workspaces().reserve(a_bytes + b_bytes + c_bytes, stream, Workspace::User::kPadded));
  const auto copy = [&](const void* from, const Stored& of, int64_t from_ld, void* to,
                        const Stored& wanted, int64_t to_ld) {
    launch(cuda::kPadRows, wanted.rows * cuda::blocks(wanted.columns, cuda::kPadColumns),
           {static_cast<const uint16_t*>(from), static_cast<uint16_t*>(to), of.rows, of.columns,
            from_ld, wanted.rows, wanted.columns, to_ld},
           stream);
  };
  cuda::GemmArgs part = gemm;
  if (args.row_sums != nullptr) {
    sum(row_sums_of(args), stream);  // of whole rows
    part.call.row_sums = nullptr;
  }
  part.call.k = padding.k;
  part.call.n = padding.n;
  // An operand that is not copied ends at words where its side is one of whole words.
  part.fills_words = (padding.a || !ta || args.m % cuda::kPack == 0) &&
                     (padding.b || tb || args.n % cuda::kPack == 0);
  if (padding.b) {
    const Stored wanted = stored(tb, padding.k, padding.n);
    part.call.b = copies + a_bytes;
    part.call.ldb = round_up(wanted.columns);
    copy(args.b, stored(tb, args.k, args.n), args.ldb, copies + a_bytes, wanted, part.call.ldb);
  }
  for (int64_t row = 0; row < args.m; row += most) {
    const int64_t rows = std::min(most, args.m - row);
    const int64_t to_c = row * args.ldc;
    part.call.m = rows;
    part.call.a = offset(args.a, args.a_dtype, row * (ta ? 1 : args.lda));
    part.call.c = offset(args.c, args.c_dtype, to_c);
    part.call.pre_activation = offset(args.pre_activation, args.c_dtype, to_c);
    part.call.activation_kept = offset(args.activation_kept, args.c_dtype, to_c);
    if (padding.a) {
      const Stored wanted = stored(ta, rows, padding.k);
      part.call.lda = round_up(wanted.columns);
      copy(part.call.a, stored(ta, rows, args.k), args.lda, copies, wanted, part.call.lda);
      part.call.a = copies;
    }
    if (padding.c) {
      part.call.c = copies + a_bytes + b_bytes;
      part.call.ldc = padding.n;
    }
    multiply(part, stream);
    if (padding.c) {
      const Stored made{rows, args.n};
      copy(part.call.c, made, padding.n, offset(args.c, args.c_dtype, to_c), made, args.ldc);
    }
  }
  return true;
}

}  // namespace namp
