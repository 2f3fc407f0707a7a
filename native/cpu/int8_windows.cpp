// Sums of windows of 8-bit integers by VPDPBUSD (vnni.h).
#include "cpu/int8_windows.h"

#include "cpu/neon_dots.h"
#include "cpu/vnni.h"

#if defined(NAMP_VNNI)

namespace namp {
namespace {

template <int kOutputs, int kRunCount>
NAMP_VNNI void window_tile(const Int8Windows& windows, int64_t output, int64_t run) {
  const uint32_t* planes[kRunCount];
  for (int r = 0; r < kRunCount; ++r)
    planes[r] = windows.planes + windows.starts[run + r];
  __m512i acc[kOutputs][kRunCount];
#pragma GCC unroll 8
  for (int o = 0; o < kOutputs; ++o) {
    const uint32_t correction = 0u - windows.corrections[output + o];
#pragma GCC unroll 8
    for (int r = 0; r < kRunCount; ++r)
      acc[o][r] = _mm512_set1_epi32(static_cast<int32_t>(correction));
  }
  for (int64_t tap = 0; tap < windows.taps; ++tap) {
    const int64_t offset = windows.offsets[tap];
    __m512i codes[kRunCount];
#pragma GCC unroll 8
    for (int r = 0; r < kRunCount; ++r)
      codes[r] = _mm512_loadu_si512(planes[r] + offset);
#pragma GCC unroll 8
    for (int o = 0; o < kOutputs; ++o) {
      const __m512i weight =
          _mm512_set1_epi32(static_cast<int32_t>(windows.weight(output + o, tap)));
#pragma GCC unroll 8
      for (int r = 0; r < kRunCount; ++r)
        acc[o][r] = _mm512_dpbusd_epi32(acc[o][r], codes[r], weight);
    }
  }
#pragma GCC unroll 8
  for (int o = 0; o < kOutputs; ++o) {
    uint32_t* sums = windows.sums + (output + o) * windows.stride + run * kInt8Run;
#pragma GCC unroll 8
    for (int r = 0; r < kRunCount; ++r)
      _mm512_storeu_si512(sums + r * kInt8Run, acc[o][r]);
  }
}

void sum_windows_by_dots(const Int8Windows& windows, int64_t outputs, int64_t runs) {
  for_int8_tiles(outputs, runs, [&](auto height, auto width, int64_t output, int64_t run) {
    window_tile<decltype(height)::value, decltype(width)::value>(windows, output, run);
  });
}

constexpr Int8WindowKernel kWindowDots{&sum_windows_by_dots, 128};

}  // namespace

const Int8WindowKernel* int8_window_kernel_by_dots(namp_simd simd) {
  return has_vnni(simd) ? &kWindowDots : nullptr;
}

}  // namespace namp

#elif !defined(NAMP_DOTPROD)

namespace namp {

const Int8WindowKernel* int8_window_kernel_by_dots(namp_simd) { return nullptr; }

}  // namespace namp

#endif
