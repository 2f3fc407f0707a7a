// Pooling over planes: each is widened to float32, pooled, and rounded at the end. The usual 2x2
// windows with stride 2 have a vectorized loop.
#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/pooling.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"

#include "cpu/cpu_backend.h"
#include "cpu/pooling.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Even and odd elements of 2 kLanes that lie together.
struct Pairs {
  Lane even;
  Lane odd;
};

HWY_INLINE Pairs load_pairs(const float* p) {
  Pairs pairs;
  hn::LoadInterleaved2(LaneTag(), p, pairs.even.raw, pairs.odd.raw);
  return pairs;
}
template <class T>
HWY_INLINE Pairs load_pairs(const T* p) {
  HWY_ALIGN float buffer[2 * kLanes];
  store(load(p), buffer);
  store(load(p + kLanes), buffer + kLanes);
  return load_pairs(buffer);
}
HWY_INLINE void store_pairs(Lane even, Lane odd, float* p) {
  hn::StoreInterleaved2(even.raw, odd.raw, LaneTag(), p);
}
template <class T>
HWY_INLINE void store_pairs(Lane even, Lane odd, T* p) {
  HWY_ALIGN float buffer[2 * kLanes];
  store_pairs(even, odd, buffer);
  store(load(buffer), p);
  store(load(buffer + kLanes), p + kLanes);
}

using ByteTag = hn::Rebind<uint8_t, LaneTag>;

// Positions in a window travel as small floats.
HWY_INLINE void store_positions(Lane x, uint8_t* p) {
  const auto numbers = hn::ConvertTo(SignedTag(), x.raw);
  hn::StoreU(hn::DemoteTo(ByteTag(), numbers), ByteTag(), p);
}
HWY_INLINE Lane load_positions(const uint8_t* p) {
  const auto numbers = hn::PromoteTo(SignedTag(), hn::LoadU(ByteTag(), p));
  return Lane(hn::ConvertTo(LaneTag(), numbers));
}

// The largest element so far and its position. A NaN counts as the largest, and stays.
struct Largest {
  Lane value;
  Lane position;

  HWY_INLINE void see(Lane x, float at) {
    const LaneMask wins = (x > value || !(x == x)) && value == value;
    value = select(wins, x, value);
    position = select(wins, Lane(at), position);
  }
};

template <class T>
HWY_INLINE void max_pairs(const T* top, const T* bottom, T* out, uint8_t* indices) {
  const Pairs above = load_pairs(top);
  const Pairs below = load_pairs(bottom);
  Largest largest{above.even, Lane(0.0f)};
  largest.see(above.odd, 1.0f);
  largest.see(below.even, 2.0f);
  largest.see(below.odd, 3.0f);
  store(largest.value, out);
  if (indices != nullptr) store_positions(largest.position, indices);
}

// One of the two rows of the windows: gradients with index even_position or the one after it, zeros
// elsewhere.
template <class T>
HWY_INLINE void spread_pairs(const T* gradient, const uint8_t* indices, float even_position,
                             T* row) {
  const Lane g = load(gradient);
  const Lane position = load_positions(indices);
  const auto where = [&](float at)
                         NAMP_LANES { return select(position == Lane(at), g, Lane(0.0f)); };
  store_pairs(where(even_position), where(even_position + 1.0f), row);
}

// Copies of the last vector of a row, for cases in which a whole vector would reach beyond the
// caller's memory.
template <class T>
struct Edge {
  T top[2 * kLanes];
  T bottom[2 * kLanes];
  T out[kLanes];
  uint8_t indices[kLanes];
};

// Rows that are not a multiple of the vector are read and written beyond their end, into the next
// row, which is written later. That does not hold if there is no next row.
template <class T>
void max_pool_2x2(const PoolShape& shape, const T* input, T* output, uint8_t* indices,
                  int64_t planes) {
  const int64_t width = shape.out_w;
  Edge<T> edge = {};
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t row = 0; row < shape.out_h; ++row) {
      const T* top = input + plane * shape.pixels() + 2 * row * shape.width.in;
      const T* bottom = top + shape.width.in;
      const int64_t start = plane * shape.positions() + row * width;
      T* out = output + start;
      uint8_t* at = indices == nullptr ? nullptr : indices + start;
      for (int64_t i = 0; i < width; i += kLanes) {
        if (planes * shape.positions() - start - i >= kLanes &&
            planes * shape.pixels() - (bottom - input) - 2 * i >= 2 * kLanes) {
          max_pairs(top + 2 * i, bottom + 2 * i, out + i, at == nullptr ? nullptr : at + i);
          continue;
        }
        const int64_t count = std::min(kLanes, width - i);
        std::copy_n(top + 2 * i, 2 * count, edge.top);
        std::copy_n(bottom + 2 * i, 2 * count, edge.bottom);
        max_pairs(edge.top, edge.bottom, edge.out, edge.indices);
        std::copy_n(edge.out, count, out + i);
        if (at != nullptr) std::copy_n(edge.indices, count, at + i);
      }
    }
  }
}

// Needs an even width, so that every element of a row pair is in a window; a last odd row is not.
template <class T>
void max_pool_2x2_backward(const PoolShape& shape, const T* output_gradient, const uint8_t* indices,
                           T* input_gradient, int64_t planes) {
  const int64_t width = shape.out_w;
  Edge<T> edge = {};
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t in_row = 0; in_row < 2 * shape.out_h; ++in_row) {
      T* row = input_gradient + plane * shape.pixels() + in_row * shape.width.in;
      const float even_position = in_row % 2 == 0 ? 0.0f : 2.0f;
      const int64_t start = plane * shape.positions() + in_row / 2 * width;
      const T* gradient = output_gradient + start;
      const uint8_t* at = indices + start;
      for (int64_t i = 0; i < width; i += kLanes) {
        if (planes * shape.positions() - start - i >= kLanes &&
            planes * shape.pixels() - (row - input_gradient) - 2 * i >= 2 * kLanes) {
          spread_pairs(gradient + i, at + i, even_position, row + 2 * i);
          continue;
        }
        const int64_t count = std::min(kLanes, width - i);
        std::copy_n(gradient + i, count, edge.out);
        std::copy_n(at + i, count, edge.indices);
        spread_pairs(edge.out, edge.indices, even_position, edge.top);
        std::copy_n(edge.top, 2 * count, row + 2 * i);
      }
    }
    if (shape.height.in > 2 * shape.out_h) {
      T* rest = input_gradient + plane * shape.pixels() + 2 * shape.out_h * shape.width.in;
      std::fill(rest, input_gradient + (plane + 1) * shape.pixels(), T{});
    }
  }
}

template <class T>
void widen(const T* in, float* out, int64_t count) {
  map(
      out, count, [](Lane x) NAMP_LANES { return x; }, in);
}
template <class T>
void narrow(const float* in, T* out, int64_t count) {
  map(
      out, count, [](Lane x) NAMP_LANES { return x; }, in);
}

// One window of a plane: rows and columns of the input that it covers.
struct Span {
  int64_t begin;
  int64_t end;
  int64_t start;  // of the window, which may lie in the padding
};

HWY_INLINE Span span_of(const Window& window, int64_t out) {
  const int64_t start = out * window.stride - window.pad;
  return {std::max<int64_t>(0, start), std::min(window.in, start + window.kernel), start};
}

template <class Body>
void for_windows(const PoolShape& shape, Body&& body) {
  for (int64_t row = 0; row < shape.out_h; ++row) {
    const Span rows = span_of(shape.height, row);
    for (int64_t column = 0; column < shape.out_w; ++column) {
      body(row * shape.out_w + column, rows, span_of(shape.width, column));
    }
  }
}

void max_plane(const PoolShape& shape, const float* in, float* out, uint8_t* indices) {
  for_windows(shape, [&](int64_t at, const Span& rows, const Span& columns) {
    float largest = in[rows.begin * shape.width.in + columns.begin];
    int64_t position =
        (rows.begin - rows.start) * shape.width.kernel + columns.begin - columns.start;
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x) {
        const float value = in[y * shape.width.in + x];
        if (std::isnan(largest) || !(value > largest || std::isnan(value))) continue;
        largest = value;
        position = (y - rows.start) * shape.width.kernel + x - columns.start;
      }
    }
    out[at] = largest;
    if (indices != nullptr) indices[at] = static_cast<uint8_t>(position);
  });
}

void average_plane(const PoolShape& shape, const float* in, float* out) {
  const float count = static_cast<float>(shape.height.kernel * shape.width.kernel);
  for_windows(shape, [&](int64_t at, const Span& rows, const Span& columns) {
    float sum = 0.0f;
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x)
        sum += in[y * shape.width.in + x];
    }
    out[at] = sum / count;
  });
}

// An index that names no element of the input is left out: the memory is the caller's.
void max_plane_backward(const PoolShape& shape, const float* gradient, const uint8_t* indices,
                        float* out) {
  for_windows(shape, [&](int64_t at, const Span& rows, const Span& columns) {
    const int64_t y = rows.start + indices[at] / shape.width.kernel;
    const int64_t x = columns.start + indices[at] % shape.width.kernel;
    if (y < rows.begin || y >= rows.end || x < columns.begin || x >= columns.end) return;
    out[y * shape.width.in + x] += gradient[at];
  });
}

void average_plane_backward(const PoolShape& shape, const float* gradient, float* out) {
  const float count = static_cast<float>(shape.height.kernel * shape.width.kernel);
  for_windows(shape, [&](int64_t at, const Span& rows, const Span& columns) {
    const float share = gradient[at] / count;
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x)
        out[y * shape.width.in + x] += share;
    }
  });
}

template <class T>
void pool_forward_as(const PoolShape& shape, const T* input, T* output, uint8_t* indices,
                     int64_t planes, float* scratch) {
  if (shape.max && shape.is_2x2()) return max_pool_2x2(shape, input, output, indices, planes);
  float* const in = scratch;
  float* const out = scratch + shape.pixels();
  for (int64_t plane = 0; plane < planes; ++plane) {
    widen(input + plane * shape.pixels(), in, shape.pixels());
    if (shape.max) {
      max_plane(shape, in, out, indices == nullptr ? nullptr : indices + plane * shape.positions());
    } else {
      average_plane(shape, in, out);
    }
    narrow(out, output + plane * shape.positions(), shape.positions());
  }
}

template <class T>
void pool_backward_as(const PoolShape& shape, const T* output_gradient, const uint8_t* indices,
                      T* input_gradient, int64_t planes, float* scratch) {
  if (shape.max && shape.is_2x2() && shape.width.in == 2 * shape.out_w) {
    return max_pool_2x2_backward(shape, output_gradient, indices, input_gradient, planes);
  }
  float* const sums = scratch;
  float* const gradient = scratch + shape.pixels();
  for (int64_t plane = 0; plane < planes; ++plane) {
    std::fill_n(sums, shape.pixels(), 0.0f);
    widen(output_gradient + plane * shape.positions(), gradient, shape.positions());
    if (shape.max) {
      max_plane_backward(shape, gradient, indices + plane * shape.positions(), sums);
    } else {
      average_plane_backward(shape, gradient, sums);
    }
    narrow(sums, input_gradient + plane * shape.pixels(), shape.pixels());
  }
}

// Planes first to last of a call, on one thread.
void pool_forward(const namp_pool2d_args& args, int64_t first, int64_t last, float* scratch) {
  const PoolShape shape(args);
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    pool_forward_as(shape, static_cast<const T*>(args.input) + first * shape.pixels(),
                    static_cast<T*>(args.output) + first * shape.positions(),
                    args.indices == nullptr ? nullptr : args.indices + first * shape.positions(),
                    last - first, scratch);
  });
}

void pool_backward(const namp_pool2d_args& args, int64_t first, int64_t last, float* scratch) {
  const PoolShape shape(args);
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    pool_backward_as(shape, static_cast<const T*>(args.output_gradient) + first * shape.positions(),
                     args.indices == nullptr ? nullptr : args.indices + first * shape.positions(),
                     static_cast<T*>(args.input_gradient) + first * shape.pixels(), last - first,
                     scratch);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(pool_forward);
NAMP_SIMD_TABLE(pool_backward);

void CpuBackend::pool2d_forward(const namp_pool2d_args& args, namp_stream stream) {
  const PoolShape shape(args);
  const int64_t each = shape.scratch_floats();
  auto* scratch = reinterpret_cast<float*>(worker_scratch(threads_.count(), each * 4, stream));
  threads_.split(args.planes, [&](int64_t worker, int64_t begin, int64_t end) {
    pool_forward_by_simd(simd_)(args, begin, end, scratch + worker * each);
  });
}

void CpuBackend::pool2d_backward(const namp_pool2d_args& args, namp_stream stream) {
  const PoolShape shape(args);
  const int64_t each = shape.scratch_floats();
  auto* scratch = reinterpret_cast<float*>(worker_scratch(threads_.count(), each * 4, stream));
  threads_.split(args.planes, [&](int64_t worker, int64_t begin, int64_t end) {
    pool_backward_by_simd(simd_)(args, begin, end, scratch + worker * each);
  });
}

}  // namespace namp
#endif
