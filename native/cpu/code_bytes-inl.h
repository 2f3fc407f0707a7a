// Stores of 8-bit codes, which are the low bits of a lane's words.
#if defined(NAMP_CPU_CODE_BYTES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_CODE_BYTES_INL_H
#undef NAMP_CPU_CODE_BYTES_INL_H
#else
#define NAMP_CPU_CODE_BYTES_INL_H
#endif

#include <cstring>

#include "cpu/loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

HWY_INLINE void store_codes(LaneBits codes, uint8_t* out, Whole) {
  hn::StoreU(hn::TruncateTo(ByteTag(), codes.raw), ByteTag(), out);
}
HWY_INLINE void store_codes(LaneBits codes, uint8_t* out, Part part) {
  uint8_t buffer[kLanes];
  store_codes(codes, buffer, Whole{});
  std::memcpy(out, buffer, static_cast<size_t>(part.count));
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
