// The loops over the lanes of a warp: all 32 without a test, so that the compiler vectorizes it, or the ones in a mask.
#pragma once

#include <bit>
#include <cstdint>

#include "exec/instruction.h"
#include "exec/warp.h"

// A lane reads and writes its own elements only: whatever aliases is the same lane.
#if defined(__clang__)
#define NAMPEMU_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define NAMPEMU_INDEPENDENT _Pragma("GCC ivdep")
#else
#define NAMPEMU_INDEPENDENT
#endif

namespace nampemu {

// Those in a mask, in the order of their numbers.
template <class F>
inline void for_lanes(uint32_t lanes, F f) {
  for (; lanes != 0; lanes &= lanes - 1)
    f(static_cast<uint32_t>(std::countr_zero(lanes)));
}

template <class F>
inline void each_lane(uint32_t lanes, F f) {
  if (lanes == kAllLanes) {
    NAMPEMU_INDEPENDENT
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      f(lane);
  } else {
    for_lanes(lanes, f);
  }
}

// r[0] = f(r[1]), and so on for more sources. D and S are what the registers hold.
template <class D, class S, class F>
void unary(Warp& warp, const Instruction& i, uint32_t lanes) {
  D* d = warp.at<D>(i.r[0]);
  const S* a = warp.at<S>(i.r[1]);
  each_lane(lanes, [=](uint32_t l) { d[l] = F{}(a[l]); });
}
template <class D, class S, class F>
void binary(Warp& warp, const Instruction& i, uint32_t lanes) {
  D* d = warp.at<D>(i.r[0]);
  const S* a = warp.at<S>(i.r[1]);
  const S* b = warp.at<S>(i.r[2]);
  each_lane(lanes, [=](uint32_t l) { d[l] = F{}(a[l], b[l]); });
}
template <class D, class S, class F>
void ternary(Warp& warp, const Instruction& i, uint32_t lanes) {
  D* d = warp.at<D>(i.r[0]);
  const S* a = warp.at<S>(i.r[1]);
  const S* b = warp.at<S>(i.r[2]);
  const S* c = warp.at<S>(i.r[3]);
  each_lane(lanes, [=](uint32_t l) { d[l] = F{}(a[l], b[l], c[l]); });
}

// The bits of a predicate mask from a test of each lane; other lanes keep theirs.
template <class F>
inline void set_predicate(uint32_t& mask, uint32_t lanes, F test) {
  uint32_t bits = 0;
  if (lanes == kAllLanes) {
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      bits |= static_cast<uint32_t>(test(lane)) << lane;
    mask = bits;
  } else {
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      bits |= static_cast<uint32_t>(test(lane)) << lane;
    }
    mask = (mask & ~lanes) | bits;
  }
}

}  // namespace nampemu
