// Rows of bfloat16 of several channels, brought together in pairs of channels.
#if defined(NAMP_CPU_PAIR_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_PAIR_ROWS_INL_H
#undef NAMP_CPU_PAIR_ROWS_INL_H
#else
#define NAMP_CPU_PAIR_ROWS_INL_H
#endif

#include "cpu/pair_blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// A unit of two channels.
struct BFloat16Pair;

// out[pair * count + i] = element i of channels 2 * pair and 2 * pair + 1, which have count elements each,
// one channel after the other. out has memory for a vector more.
HWY_INLINE void pair_channels(float* out, const BFloat16* in, int64_t count, int64_t channels) {
  if (count == 1) {
    copy_pairs(out, 0, in, 0, 1, channels, divide_up(channels, 2));
    return;
  }
  int64_t channel = 0;
#if HWY_TARGET == HWY_AVX3
  // Both channels are in one vector, whose words change places.
  const hn::ScalableTag<uint16_t> tag;
  if (2 * count <= static_cast<int64_t>(hn::Lanes(tag))) {
    HWY_ALIGN uint16_t places[HWY_LANES(uint16_t)] = {};
    for (int64_t i = 0; i < count; ++i) {
      places[2 * i] = static_cast<uint16_t>(i);
      places[2 * i + 1] = static_cast<uint16_t>(count + i);
    }
    const __m512i order = _mm512_load_si512(places);
    const auto there = hn::FirstN(tag, static_cast<size_t>(2 * count));
    for (; channel + 2 <= channels; channel += 2, in += 2 * count, out += count) {
      const auto words = hn::MaskedLoad(there, tag, &in->bits);
      _mm512_storeu_si512(out, _mm512_permutexvar_epi16(order, words.raw));
    }
  }
#endif
  for (; channel < channels; channel += 2, in += 2 * count, out += count)
    pair_up(out, in, channel + 1 < channels ? in + count : nullptr, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
