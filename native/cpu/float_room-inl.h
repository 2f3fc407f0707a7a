// Runs of elements as float32, for loops that would otherwise be compiled for every mix of dtypes: what is
// not float32 is widened to room in the L1 cache first.
#if defined(NAMP_CPU_FLOAT_ROOM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_FLOAT_ROOM_INL_H
#undef NAMP_CPU_FLOAT_ROOM_INL_H
#else
#define NAMP_CPU_FLOAT_ROOM_INL_H
#endif

#include "cpu/loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Elements of a room: 8 KiB.
inline constexpr int64_t kRoom = 2048;

struct FloatRoom {
  alignas(64) float values[kRoom];
};

inline HWY_NOINLINE void widen_run(const void* data, int32_t dtype, int64_t begin, int64_t count,
                                   float* room) {
  with_element(dtype, [&](auto element) NAMP_LANES {
    map(
        room, count, [](Lane x) NAMP_LANES { return x; },
        static_cast<const typename decltype(element)::Type*>(data) + begin);
  });
}

inline HWY_NOINLINE void narrow_run(const float* room, int64_t count, void* data, int32_t dtype,
                                    int64_t begin) {
  with_element(dtype, [&](auto element) NAMP_LANES {
    map(
        static_cast<typename decltype(element)::Type*>(data) + begin, count,
        [](Lane x) NAMP_LANES { return x; }, room);
  });
}

// Elements begin to begin + count, at most kRoom of them: where they lie, or in the room.
HWY_INLINE const float* as_floats(const void* data, int32_t dtype, int64_t begin, int64_t count,
                                  FloatRoom& room) {
  if (dtype == NAMP_FLOAT32) return static_cast<const float*>(data) + begin;
  widen_run(data, dtype, begin, count, room.values);
  return room.values;
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
