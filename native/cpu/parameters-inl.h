// An update's parameters, as loops load and store them: each layout of namp_optimizer_columns is a
// type. words are the random words of a run if weights are rounded stochastically, else null.
#if defined(NAMP_CPU_PARAMETERS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_PARAMETERS_INL_H
#undef NAMP_CPU_PARAMETERS_INL_H
#else
#define NAMP_CPU_PARAMETERS_INL_H
#endif

#include "cpu/loop-inl.h"
#include "cpu/random_words-inl.h"
#include "cpu/update_chunk.h"
#include "formulas/remainder.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Asks for elements that a loop at this place needs soon. The hardware does so too, but stops at the
// borders of pages, to which a loop over several columns comes often.
template <class T>
HWY_INLINE void prefetch(const T* p) {
  constexpr int64_t kAheadBytes = 1024;
  hwy::Prefetch(p + kAheadBytes / static_cast<int64_t>(sizeof(T)));
}

// Without remainders: float32, or rounded after each step.
template <class T>
struct PlainParameters {
  T* data;
  const RandomWords* words;

  PlainParameters(const UpdateChunk& chunk, const RandomWords* random)
      : data(static_cast<T*>(chunk.parameter.data)), words(random) {}

  HWY_INLINE void ask(int64_t i) const { prefetch(data + i); }
  template <class Part>
  HWY_INLINE Lane at(int64_t i, Part part) const {
    return load(data + i, part);
  }
  template <class Part>
  HWY_INLINE void put(Lane p, int64_t i, Part part) const {
    if constexpr (!std::is_same_v<T, float>) {
      if (words != nullptr) return store_stochastic(p, words->at(i), data + i, part);
    }
    store(p, data + i, part);
  }
};

// bfloat16 with remainders.
struct SplitParameters {
  uint16_t* upper;
  int16_t* remainder;

  SplitParameters(const UpdateChunk& chunk, const RandomWords*)
      : upper(static_cast<uint16_t*>(chunk.parameter.data)), remainder(chunk.remainder) {}

  HWY_INLINE void ask(int64_t i) const {
    prefetch(upper + i);
    prefetch(remainder + i);
  }
  HWY_INLINE Lane at(int64_t i, Whole) const {
    return with_remainder<Lane>(load_low_halves(upper + i), load_signed(remainder + i));
  }
  HWY_INLINE Lane at(int64_t i, Part part) const {
    uint16_t uppers[kLanes] = {};
    int16_t remainders[kLanes] = {};
    const size_t bytes = static_cast<size_t>(part.count) * sizeof(uint16_t);
    std::memcpy(uppers, upper + i, bytes);
    std::memcpy(remainders, remainder + i, bytes);
    return with_remainder<Lane>(load_low_halves(uppers), load_signed(remainders));
  }
  HWY_INLINE void put(Lane p, int64_t i, Whole) const {
    store_low_halves(without_remainder(p), upper + i);
    store_low_halves(remainder_of(p), reinterpret_cast<uint16_t*>(remainder + i));
  }
  HWY_INLINE void put(Lane p, int64_t i, Part part) const {
    uint16_t uppers[kLanes];
    uint16_t remainders[kLanes];
    store_low_halves(without_remainder(p), uppers);
    store_low_halves(remainder_of(p), remainders);
    const size_t bytes = static_cast<size_t>(part.count) * sizeof(uint16_t);
    std::memcpy(upper + i, uppers, bytes);
    std::memcpy(remainder + i, remainders, bytes);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
