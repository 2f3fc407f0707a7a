// What becomes of a product's sums: rounded, with what follows them, they are written to C or to images.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gemm_epilogue.cuh"
#include "cuda/product_tile.cuh"

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

// What follows the sums of a channel.
template <class Element, class Args>
class BiasAndActivation {
 public:
  NAMP_DEVICE BiasAndActivation(const Args& call, int64_t channel) : args_(gemm_of(call).call) {
    if (args_.bias != nullptr) bias_ = load(static_cast<const Element*>(args_.bias) + channel);
  }
  template <int kCount>
  NAMP_DEVICE Pack<kCount> operator()(Pack<kCount> x) const {
    if (args_.bias != nullptr) x = map([&](float y) { return y + bias_; }, x);
    if (args_.activation != NAMP_ACTIVATION_NONE) {
      with_fused_activation(args_.activation, [&](auto activation) {
        x = map([](float y) { return decltype(activation)::forward(y); }, x);
      });
    }
    return x;
  }

 private:
  const namp_gemm_args& args_;
  float bias_ = 0.0f;
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
  NAMP_DEVICE bool is_of_halves() const { return result_.is_of_halves(); }
  NAMP_DEVICE void put(const Args& call, int64_t row, Pack<kPack> x) const {
    const BiasAndActivation<Element, Args> after(call, result_.channel(call, row));
    x = after(x);
    result_.put_halves(result_.row(call, row), pack_halves<Pair>(x));
  }

 private:
  typename Operands::Result result_;
  bool is_plain_;
};

// Of rows of a warp's sums in shared memory: how four floats of a row are ordered, which keeps them, and pairs
// of them, in different banks. Rows have their order again after four.
NAMP_DEVICE constexpr int order_of_row(int row) { return row % 4 * 2 + row % 2; }

// Of a convolution's images where a row's packs do not lie together: a lane has a column, so that a warp writes
// neighbours. From row on, rows of sums, of which the first is at `sums` but for its order.
template <class Element, class Pair, class Operands, int kRowBytes>
NAMP_DEVICE void write_columns(const typename Operands::Args& call, const TileOfC& tile, int column,
                               int row, int rows, uint32_t sums) {
  const typename Operands::Result result(call, tile, column);
  if (!result.is_there()) return;
  const namp_gemm_args& args = gemm_of(call).call;
  const auto put = [&](uint16_t* to, float x) {
    store_global(to, static_cast<uint16_t>(Pair::pack(x, 0.0f)));
  };
  const auto put_rows = [&](auto walk) {
    constexpr int kAtOnce = 4;
    uint32_t at = sums;
#pragma unroll 1
    for (int i = 0; i < rows; i += kAtOnce) {
      unrolled<kAtOnce>([&](auto more) {
        constexpr int kMore = decltype(more)::value;
        if (i + kMore >= rows) return;
        put(walk.to, load_shared_float<kMore * kRowBytes>(
                         at ^ static_cast<uint32_t>(order_of_row(kMore) * 16)));
        walk.next(call);
      });
      at += kAtOnce * kRowBytes;
    }
  };
  const bool is_plain = args.bias == nullptr && args.activation == NAMP_ACTIVATION_NONE;
  if (is_plain && call.phases_of_rows == 1) {
    put_rows(result.channels(call, row));
    return;
  }
  if (is_plain) {
    put_rows(result.rows(call, row));
    return;
  }
#pragma unroll 1
  for (int i = 0; i < rows; ++i) {
    const BiasAndActivation<Element, typename Operands::Args> after(call,
                                                                    result.channel(call, row + i));
    const float sum = load_shared_float((sums ^ static_cast<uint32_t>(order_of_row(i) * 16)) +
                                        static_cast<uint32_t>(i * kRowBytes));
    put(result.row(call, row + i), after(Pack<1>{{sum}}).at[0]);
  }
}

}  // namespace namp::cuda
