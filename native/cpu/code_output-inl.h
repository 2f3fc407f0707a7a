// The end of a product with coded weights: float32 sums become outputs, with the bias.
#if defined(NAMP_CPU_CODE_OUTPUT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_CODE_OUTPUT_INL_H
#undef NAMP_CPU_CODE_OUTPUT_INL_H
#else
#define NAMP_CPU_CODE_OUTPUT_INL_H
#endif

#include "cpu/loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Some rows and columns of C, whose sums lie stride apart. Args has c_dtype, n, bias and c.
template <class Args>
HWY_INLINE void store_code_sums(const Args& args, const float* sums, int64_t stride, int64_t row,
                                int64_t rows, int64_t column, int64_t columns) {
  with_element(args.c_dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const float* bias = args.bias == nullptr ? nullptr : args.bias + column;
    for (int64_t r = 0; r < rows; ++r) {
      const float* in = sums + r * stride;
      T* out = static_cast<T*>(args.c) + (row + r) * args.n + column;
      for_lanes(columns, [=](int64_t i, auto part) NAMP_LANES {
        Lane x = load(in + i, part);
        if (bias != nullptr) x = x + load(bias + i, part);
        store(same_nan(x, Lane(0.0f)), out + i, part);
      });
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
