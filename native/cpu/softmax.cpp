// Softmax over rows, and the index of the largest of a row. Results depend neither on the SIMD
// target nor on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/softmax.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/reduce-inl.h"
#include "formulas/math.h"

#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

template <class In, class Out>
HWY_NOINLINE void forward_rows(const namp_softmax_args& args, int64_t begin, int64_t end) {
  const int64_t width = args.width;
  for (int64_t r = begin; r < end; ++r) {
    const In* x = static_cast<const In*>(args.input) + r * width;
    const Lane largest = reduce_one(
        width, Maximum(), [=](int64_t i, auto part) NAMP_LANES { return load(x + i, part); });
    const Lane scale = 1.0f / reduce_one(width, Plus(), [=](int64_t i, auto part) NAMP_LANES {
                         return exp(load(x + i, part) - largest);
                       });
    // Computes the exponential again instead of keeping it: the output may be in half precision.
    map(
        static_cast<Out*>(args.output) + r * width, width,
        [=](Lane v) NAMP_LANES { return exp(v - largest) * scale; }, x);
  }
}

template <class In, class Out>
HWY_NOINLINE void backward_rows(const namp_softmax_args& args, int64_t begin, int64_t end) {
  const int64_t width = args.width;
  for (int64_t r = begin; r < end; ++r) {
    const Out* y = static_cast<const Out*>(args.output) + r * width;
    const Out* gy = static_cast<const Out*>(args.output_gradient) + r * width;
    const Lane dot = reduce_one(width, Plus(), [=](int64_t i, auto part) NAMP_LANES {
      return load(y + i, part) * load(gy + i, part);
    });
    map(
        static_cast<In*>(args.input_gradient) + r * width, width,
        [=](Lane p, Lane g) NAMP_LANES { return p * (g - dot); }, y, gy);
  }
}

void softmax_forward_rows(const namp_softmax_args& args, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.input_dtype), [&](auto in) {
    with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto out) {
      forward_rows<typename decltype(in)::Type, typename decltype(out)::Type>(args, begin, end);
    });
  });
}

void softmax_backward_rows(const namp_softmax_args& args, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.input_dtype), [&](auto in) {
    with_element(static_cast<namp_dtype>(args.output_dtype), [&](auto out) {
      backward_rows<typename decltype(in)::Type, typename decltype(out)::Type>(args, begin, end);
    });
  });
}

// The first i for which found(lane of row + i) is true; it is true for at least one.
template <class T, class Found>
HWY_INLINE int64_t find_first(const T* row, int64_t width, Found found) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const LaneMask mask = found(load(row + i));
    if (any(mask)) return i + hn::FindFirstTrue(LaneTag(), mask.raw);
  }
  return i + hn::FindFirstTrue(LaneTag(), found(load_part(row + i, width - i)).raw);
}

void argmax_rows(int32_t* out, const void* in, namp_dtype dtype, int64_t width, int64_t begin,
                 int64_t end) {
  with_element(dtype, [&](auto element) NAMP_LANES {
    for (int64_t r = begin; r < end; ++r) {
      const auto* x = static_cast<const typename decltype(element)::Type*>(in) + r * width;
      float found[2];
      reduce<2>(width, found, Maximum(), [=](int64_t i, auto part) NAMP_LANES {
        const Lane v = load(x + i, part);
        return Several<2>{{v, select(v == v, Lane(0.0f), Lane(1.0f))}};
      });
      const Lane largest = found[0];
      out[r] = static_cast<int32_t>(
          found[1] > 0.0f ? find_first(x, width, [](Lane v) NAMP_LANES { return !(v == v); })
                          : find_first(x, width, [=](Lane v) NAMP_LANES { return v == largest; }));
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

int64_t row_grain(int64_t width) { return std::max<int64_t>(1, kChunkElements / width); }

}  // namespace

NAMP_SIMD_TABLE(softmax_forward_rows);
NAMP_SIMD_TABLE(softmax_backward_rows);
NAMP_SIMD_TABLE(argmax_rows);

void CpuBackend::softmax_forward(const namp_softmax_args& args, namp_stream) {
  const auto rows = softmax_forward_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, row_grain(args.width),
                        [&](int64_t begin, int64_t end) { rows(args, begin, end); });
}

void CpuBackend::softmax_backward(const namp_softmax_args& args, namp_stream) {
  const auto rows = softmax_backward_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, row_grain(args.width),
                        [&](int64_t begin, int64_t end) { rows(args, begin, end); });
}

void CpuBackend::argmax(int32_t* out, const void* in, namp_dtype dtype, int64_t rows, int64_t width,
                        namp_stream) {
  const auto of_rows = argmax_rows_by_simd(simd_);
  threads_.parallel_for(rows, row_grain(width), [&](int64_t begin, int64_t end) {
    of_rows(out, in, dtype, width, begin, end);
  });
}

}  // namespace namp
#endif
