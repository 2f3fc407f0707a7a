// Sums over one channel of [outer, channels, inner] tensors, cut into units of work. Their borders
// depend only on the shape. Every unit's sums are float32, in the order of reduce-inl.h; the units'
// sums are added in float64, in order.
#if defined(NAMP_CPU_CHANNELS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_CHANNELS_INL_H
#undef NAMP_CPU_CHANNELS_INL_H
#else
#define NAMP_CPU_CHANNELS_INL_H
#endif

#include "cpu/channels.h"
#include "cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The sums of a unit: body(element, part) gives a Several<kCount> for the elements from that index
// of the tensor on.
template <int kCount, class Body>
HWY_INLINE void sum_unit(const Channels& shape, int64_t unit, double* sums, Body&& body) {
  const ChannelUnit u = shape.unit(unit);
  for (int k = 0; k < kCount; ++k)
    sums[k] = 0.0;
  for (int64_t o = u.outer_begin; o < u.outer_end; ++o) {
    const int64_t first = (o * shape.channels + u.channel) * shape.inner + u.inner_begin;
    float run[kCount];
    reduce<kCount>(u.inner_end - u.inner_begin, run, Plus(),
                   [&](int64_t i, auto part) NAMP_LANES { return body(first + i, part); });
    for (int k = 0; k < kCount; ++k)
      sums[k] += static_cast<double>(run[k]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
