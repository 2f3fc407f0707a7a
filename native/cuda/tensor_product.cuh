// Products of float16 and bfloat16 matrices on tensor cores, with float32 sums, rounded once. A block
// makes a tile of C over slices of k: while its warps multiply one slice, the next are on their way
// to shared memory. Each sum, or each of its parts, is added up along k by one warp, so its bits
// depend on neither the tile's size nor the device's; how a tensor core adds 8 or 16 products is its own.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gemm_epilogue.cuh"
#include "cuda/product_tile.cuh"
#include "cuda/row_sums.cuh"

namespace namp::cuda {

// The dtype of C: that of A and B, or float32.
template <class T>
struct FloatOr {
  template <class Part>
  NAMP_DEVICE Pack<Part::count> fetch(const void* data, int32_t dtype, int64_t i, Part part) const {
    return dtype == NAMP_FLOAT32 ? load(static_cast<const float*>(data) + i, part)
                                 : load(static_cast<const T*>(data) + i, part);
  }
  template <int kCount>
  NAMP_DEVICE const Pack<kCount>& wide(const Pack<kCount>& x) const {
    return x;
  }
  template <class Part>
  NAMP_DEVICE Pack<Part::count> put(const Pack<Part::count>& x, void* data, int32_t dtype,
                                    int64_t i, Part part) const {
    return dtype == NAMP_FLOAT32 ? OneType<float>().put(x, data, dtype, i, part)
                                 : OneType<T>().put(x, data, dtype, i, part);
  }
};

// The product that a kernel's argument describes.
NAMP_DEVICE const GemmArgs& gemm_of(const GemmArgs& gemm) { return gemm; }

// Where a tile's sums are written to: C of each product as the call has it. What is computed from it is
// computed where it is used: kept beside the sums, it would spill.
template <class Args>
struct DenseResult {
  static constexpr bool kIsOfImages = false;

  NAMP_DEVICE DenseResult(const Args&, const TileOfC& tile) : product(tile.product) {}
  NAMP_DEVICE int64_t columns(const Args& args) const { return gemm_of(args).call.n; }
  NAMP_DEVICE Place place(const Args& args, int64_t row, int64_t column) const {
    const namp_gemm_args& call = gemm_of(args).call;
    return {row, column, product * call.stride_c + row * call.ldc + column, 0};
  }
  int product;
};

// Of k, of the sums of a part of a product that is cut along k, or of a whole one.
NAMP_DEVICE int64_t depth_of_part(const GemmArgs& gemm, int64_t part) {
  const int64_t rest = gemm.whole_k - part * gemm.call.k;
  return gemm.whole_k != 0 && rest < gemm.call.k ? rest : gemm.call.k;
}

// A pack rounded to two bytes an element; of a NaN any.
template <class Pair>
NAMP_DEVICE Words pack_halves(const Pack<kPack>& x) {
  return make_words(Pair::pack(x.at[0], x.at[1]), Pair::pack(x.at[2], x.at[3]),
                    Pair::pack(x.at[4], x.at[5]), Pair::pack(x.at[6], x.at[7]));
}

// Writes a lane's packs of C: those of some columns, in any row.
template <class Element, class Pair, class Operands,
          bool kIsOfImages = Operands::Result::kIsOfImages>
class PackWriter {
 public:
  using Args = typename Operands::Args;
  static constexpr bool kHasEpilogue = Operands::kHasEpilogue;

  // bias: where the columns' bias is kept in shared memory; the lanes that keep say so.
  NAMP_DEVICE PackWriter(const Args& call, const TileOfC& tile, int64_t column, uint32_t bias,
                         bool keeps)
      : result_(call, tile), column_(column), part_(result_.columns(call) - column), bias_(bias) {
    const GemmArgs& gemm = gemm_of(call);
    const namp_gemm_args& args = gemm.call;
    is_plain_ = gemm.is_plain != 0 && part_.is_whole();
    if (kHasEpilogue && args.bias != nullptr && gemm.bias_by_row == 0 && keeps && part_.there > 0) {
      const Pack<kPack> x = load_bias(gemm, Place{0, column, 0, 0}, part_);
      store_shared_floats(bias, x.at);
      store_shared_floats(bias + 16, x.at + 4);
    }
  }
  NAMP_DEVICE bool is_there() const { return part_.there > 0; }
  // Whether the sums are rounded and written as they are, in whole words in every row.
  NAMP_DEVICE bool is_plain() const { return is_plain_; }
  // Calls body with the place of the lane's pack in a row.
  template <class Body>
  NAMP_DEVICE void with_plain_row(const Args& call, int64_t row, Body&& body) const {
    const namp_gemm_args& args = gemm_of(call).call;
    const int64_t at = result_.place(call, row, column_).at;
    if (!kHasEpilogue || args.c_dtype == NAMP_FLOAT32) {
      body(static_cast<float*>(args.c) + at);
    } else {
      body(static_cast<Element*>(args.c) + at);
    }
  }
  NAMP_DEVICE void put_plain(Element* to, const Pack<kPack>& x) const {
    store_words<0>(reinterpret_cast<Words*>(to), pack_halves<Pair>(x));
  }
  NAMP_DEVICE void put_plain(float* to, const Pack<kPack>& x) const {
    RawPack<float, kPack> raw;
    memcpy(&raw, &x, sizeof(raw));
    store_aligned(raw, to);
  }
  NAMP_DEVICE void put(const Args& call, int64_t row, Pack<kPack> x) const {
    const GemmArgs& gemm = gemm_of(call);
    const namp_gemm_args& args = gemm.call;
    const Place at = result_.place(call, row, column_);
    x = scale_sums(args, FloatOr<Element>(), x, at, part_);
    if constexpr (!kHasEpilogue) {
      FloatOr<Element>().put(x, args.c, args.c_dtype, at.at, part_);
    } else {
      if (args.bias != nullptr) {
        Pack<kPack> more;
        if (gemm.bias_by_row != 0) {
          more = load_bias(gemm, at, part_);
        } else {
          load_shared_floats(more.at, bias_);
          load_shared_floats(more.at + 4, bias_ + 16);
        }
        x = map(Plus(), x, more);
      }
      if (args.activation_kept != nullptr) {
        x = multiply_by_slope(args, FloatOr<Element>(), x, at, part_);
        FloatOr<Element>().put(x, args.c, args.c_dtype, at.at, part_);
      } else {
        finish(args, FloatOr<Element>(), x, at, part_);
      }
    }
  }

 private:
  typename Operands::Result result_;
  int64_t column_;
  Prefix part_;
  uint32_t bias_;
  bool is_plain_;
};

// Of a convolution's images: the rows' bias and activation.
template <class Element, class Pair, class Operands>
class PackWriter<Element, Pair, Operands, true> {
 public:
  using Args = typename Operands::Args;

  NAMP_DEVICE PackWriter(const Args& call, const TileOfC& tile, int64_t column, uint32_t, bool)
      : result_(call, tile, column) {
    const namp_gemm_args& args = gemm_of(call).call;
    is_plain_ =
        result_.is_of_halves() && args.bias == nullptr && args.activation == NAMP_ACTIVATION_NONE;
  }
  NAMP_DEVICE bool is_there() const { return result_.is_there(); }
  NAMP_DEVICE bool is_plain() const { return is_plain_; }
  template <class Body>
  NAMP_DEVICE void with_plain_row(const Args& call, int64_t row, Body&& body) const {
    body(reinterpret_cast<Element*>(result_.row(call, row)));
  }
  NAMP_DEVICE void put_plain(Element* to, const Pack<kPack>& x) const {
    result_.put_halves(reinterpret_cast<uint16_t*>(to), pack_halves<Pair>(x));
  }
  NAMP_DEVICE void put(const Args& call, int64_t row, Pack<kPack> x) const {
    const namp_gemm_args& args = gemm_of(call).call;
    if (args.bias != nullptr) {
      const float bias = load(static_cast<const Element*>(args.bias) + result_.channel(call, row));
      x = map([=](float y) { return y + bias; }, x);
    }
    if (args.activation != NAMP_ACTIVATION_NONE) {
      with_fused_activation(args.activation, [&](auto activation) {
        x = map([](float y) { return decltype(activation)::forward(y); }, x);
      });
    }
    result_.put(call, row, pack_halves<Pair>(x));
  }

 private:
  typename Operands::Result result_;
  bool is_plain_;
};

// Operands (matrix_operands.cuh, convolution_operands.cuh) bring slices of A and B to a stage of shared
// memory, as TileA and TileB. Element is the dtype of A and B, Pair its arithmetic. A warp has 32 columns of
// the tile, and as many rows as make kThreads of them.
template <class Element, class Pair, class Operands, int kThreads, bool kAsync>
class TensorProduct {
 public:
  using Args = typename Operands::Args;
  using Result = typename Operands::Result;
  using TileA = typename Operands::TileA;
  using TileB = typename Operands::TileB;
  static constexpr int kTileRows = TileA::kSide;
  static constexpr int kTileColumns = TileB::kSide;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kColumns = 32;  // of a warp
  static constexpr int kRows = kTileRows * kTileColumns / kColumns / kWarps;
  using Slices = ProductSlices<TileA, TileB, kAsync>;
  using Position = TilePosition<kTileColumns, kRows, kColumns>;
  static constexpr int kWriteRows = 32;  // of a warp, that are written at a time
  static_assert(kRows % kWriteRows == 0);
  static constexpr int kRowBytes = kColumns * static_cast<int>(sizeof(float));
  static constexpr int kWarpBytes = (kWriteRows + 1) * kRowBytes;  // with the bias
  // Of shared memory: the slices, and when all are multiplied, rows of sums.
  static constexpr int kSliceBytes = Slices::kBytes;
  static constexpr int kSumBytes = kWarps * kWarpBytes;
  static constexpr int kBytes = kSliceBytes > kSumBytes ? kSliceBytes : kSumBytes;

  NAMP_DEVICE static void run(const Args& call, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    const int64_t products = args.batch > 0 ? args.batch : 1;
    const int64_t tasks = products * blocks(args.m, kTileRows) * blocks(args.n, kTileColumns);
    for (int64_t task = block_index(); task < tasks; task += block_count()) {
      TensorProduct product;
      product.multiply(call, task, memory);
      // Which tile it was is found again: meanwhile the sums have all registers.
      product.write(call, tile_of(call, opaque(task)), memory);
    }
  }

 private:
  float sums_[kRows / kRowsOfA][kColumns / 8][4] = {};

  NAMP_DEVICE static TileOfC tile_of(const Args& call, int64_t task) {
    return TileOfC(gemm_of(call).tiles, task, kTileRows, kTileColumns);
  }

  NAMP_DEVICE void multiply(const Args& call, int64_t task, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    const TileOfC tile = tile_of(call, task);
    // Where a thread is, is found again behind the loop, or kept: which of the two spills is a whim of
    // ptxas, of one for matrices and of the other for convolutions.
    const Position own(Operands::kKeepsPosition ? thread_index() : opaque(thread_index()));
    const uint32_t place_a = TileA::template lane_place<true>(own.lane, own.row);
    const uint32_t place_b = TileB::template lane_place<false>(own.lane, own.column);
    // Of A's rows: the blocks of the first column of tiles have them all.
    const bool sums_rows = Operands::kMaySumRows && args.row_sums != nullptr && tile.column == 0;
    RowSums<TileA, Pair, kThreads, Operands::kMaySumRows> row_sums;
    Operands::with_loaders(call, tile, [&](auto loaders) {
      Slices::each(loaders, Operands::depth(call, tile), memory, [&](uint32_t slice) {
        multiply_slice<Pair, TileA, TileB>(sums_, slice + place_a, slice + TileA::kBytes + place_b);
        if (sums_rows) row_sums.add(slice);
      });
    });
    if (!sums_rows) return;
    const TileOfC again = tile_of(call, opaque(task));
    row_sums.finish(memory, [&](int row, float sum) {
      if (again.row + row >= args.m) return;
      FloatOr<Element>().put(Pack<1>{{sum}}, args.row_sums, args.c_dtype,
                             int64_t{again.product} * args.m + again.row + row, Single{});
    });
  }

  // A lane's sums are two and two beside each other: through shared memory, 32 rows of a warp at a
  // time, it gets eight of a row, to be written as 16 bytes.
  NAMP_DEVICE void write(const Args& call, const TileOfC& tile, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    constexpr int kPacks = kColumns / kPack;  // of a row
    // What follows from it is computed here, not before the loop over slices, where it would hold
    // registers.
    const Position own(opaque(thread_index()));
    const int lane = own.lane;
    const uint32_t region = memory + own.warp * kWarpBytes;
    // A lane has sums, and then packs, of every eighth row from that of its number on, and packs of the same
    // columns.
    static_assert(kPacks == 4 && kRowBytes == 128 && kWarpBytes % kRowBytes == 0);
    const int pack = lane % kPacks;
    // Four floats of a row lie in an order that keeps them, and pairs of them, in different banks. Rows have
    // their order again after four, so that a lane has one, and what is added to a place is added to its bits.
    const int order = lane / 4 % 4 * 2 + lane / 4 % 2;
    const auto place = [&](int four) {
      return region + static_cast<uint32_t>(lane / 4 * kRowBytes + (four ^ order) * 16);
    };
    const uint32_t sums = place(lane % 4 / 2) + static_cast<uint32_t>(lane % 2 * 8);
    const uint32_t first_four = place(pack * 2);
    const uint32_t second_four = place(pack * 2 + 1);
    // The columns' bias is behind the rows, for all of which it is read once.
    const uint32_t bias = region + kWriteRows * kRowBytes + pack * 32;
    const PackWriter<Element, Pair, Operands> writer(
        call, tile, tile.column + own.column + pack * kPack, bias, lane < kPacks);
    constexpr int kParts = kWriteRows / kRowsOfA;
#pragma unroll 1
    for (int first = 0; first < kRows; first += kWriteRows) {
      warp_barrier();  // the rows before have been read
      unrolled<kColumns / 8>([&](auto eight) {
        constexpr int n = decltype(eight)::value;
        const uint32_t to = sums ^ static_cast<uint32_t>(n * 32);
        unrolled<kParts>([&](auto part) {
          constexpr int i = decltype(part)::value;
          constexpr int kBehind = i * kRowsOfA * kRowBytes;
          store_shared_pair<kBehind>(to, sums_[i][n][0], sums_[i][n][1]);
          store_shared_pair<kBehind + 8 * kRowBytes>(to, sums_[i][n][2], sums_[i][n][3]);
        });
      });
      // The next rows move up: one code writes all, and the sums that it does not need any more have
      // no registers.
#pragma unroll
      for (int i = 0; i < kRows / kRowsOfA - kParts; ++i) {
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
          for (int j = 0; j < 4; ++j)
            sums_[i][n][j] = sums_[i + kParts][n][j];
        }
      }
      warp_barrier();
      // A lane's first row, and from one to its next.
      const int row = tile.row + own.row + first + lane / kPacks;
      constexpr int kStep = kWarp / kPacks;
      static_assert(kStep == 8);
      const int rows_left = static_cast<int>(args.m) - row;
      if (writer.is_plain()) {
        writer.with_plain_row(call, row, [&](auto* to) {
          unrolled<kWriteRows / kStep>([&](auto index) {
            constexpr int i = decltype(index)::value;
            if (i * kStep >= rows_left) return;
            Pack<kPack> x;
            load_shared_floats<i * kStep * kRowBytes>(x.at, first_four);
            load_shared_floats<i * kStep * kRowBytes>(x.at + 4, second_four);
            writer.put_plain(to, x);
            to += kStep * args.ldc;
          });
        });
        continue;
      }
#pragma unroll 1
      for (int i = 0; i < kWriteRows / kStep; ++i) {
        if (i * kStep >= rows_left || !writer.is_there()) break;
        Pack<kPack> x;
        load_shared_floats(x.at, first_four + static_cast<uint32_t>(i * kStep * kRowBytes));
        load_shared_floats(x.at + 4, second_four + static_cast<uint32_t>(i * kStep * kRowBytes));
        writer.put(call, row + i * kStep, x);
      }
    }
  }
};

// A kernel over tiles of products with the operands that are named last. blocks: that a multiprocessor
// should hold.
#define NAMP_TENSOR_PRODUCT(kernel, Element, Pair, threads, blocks, async, ...) \
  NAMP_KERNEL(threads, blocks)                                                  \
  kernel(NAMP_GRID_CONSTANT const typename __VA_ARGS__::Args call) {            \
    using Product = TensorProduct<Element, Pair, __VA_ARGS__, threads, async>;  \
    alignas(256) __shared__ unsigned char memory[Product::kBytes];              \
    Product::run(call, shared_address(memory));                                 \
  }

}  // namespace namp::cuda
