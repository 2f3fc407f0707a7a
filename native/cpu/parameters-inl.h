// An update's gradients and parameters, as loops load and store them: each layout of
// namp_optimizer_columns is a type. halves are the random ones of a run if weights are rounded
// stochastically, else null.
#if defined(NAMP_CPU_PARAMETERS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_PARAMETERS_INL_H
#undef NAMP_CPU_PARAMETERS_INL_H
#else
#define NAMP_CPU_PARAMETERS_INL_H
#endif

#include "cpu/lane_pairs-inl.h"
#include "cpu/update_chunk.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

inline constexpr int64_t kLineBytes = 64;

// Asks for elements that a loop over pairs at this place needs soon. The hardware does so too, but stops at the
// borders of pages, to which a loop over several columns comes often.
template <class T>
HWY_INLINE void prefetch(const T* p) {
  constexpr int64_t kAheadBytes = 1024;
  constexpr auto kBytes = static_cast<int64_t>(sizeof(T));
  for (int64_t line = 0; line < kPair * kBytes; line += kLineBytes)
    hwy::Prefetch(p + (kAheadBytes + line) / kBytes);
}

template <class T>
struct GradientsOf {
  const T* data;

  explicit GradientsOf(Column column) : data(static_cast<const T*>(column.data)) {}

  HWY_INLINE void ask(int64_t i) const { prefetch(data + i); }
  HWY_INLINE LanePair pair_at(int64_t i) const { return load_pair(data + i); }
  template <class Part>
  HWY_INLINE Lane at(int64_t i, Part part) const {
    return load(data + i, part);
  }
};

// Of a dtype that is tested for each pair: one branch beside the others' loads.
class AnyGradients {
  template <class Body>
  HWY_INLINE auto with_gradients(Body&& body) const {
    return with_element(column_.dtype, [&](auto type) NAMP_LANES {
      return body(GradientsOf<typename decltype(type)::Type>(column_));
    });
  }

 public:
  explicit AnyGradients(Column column) : column_(column) {}

  HWY_INLINE void ask(int64_t i) const {
    with_gradients([&](auto gradients) NAMP_LANES { gradients.ask(i); });
  }
  HWY_INLINE LanePair pair_at(int64_t i) const {
    return with_gradients([&](auto gradients) NAMP_LANES { return gradients.pair_at(i); });
  }
  template <class Part>
  HWY_INLINE Lane at(int64_t i, Part part) const {
    return with_gradients([&](auto gradients) NAMP_LANES { return gradients.at(i, part); });
  }

 private:
  Column column_;
};

// Without remainders: float32, or rounded after each step.
template <class T>
struct PlainParameters {
  static constexpr bool kRounds = !std::is_same_v<T, float>;

  T* data;
  const RandomHalves* halves;

  PlainParameters(const UpdateChunk& chunk, const RandomHalves* random)
      : data(static_cast<T*>(chunk.parameter.data)), halves(random) {}

  HWY_INLINE void ask(int64_t i) const { prefetch(data + i); }
  HWY_INLINE LanePair pair_at(int64_t i) const { return load_pair(data + i); }
  HWY_INLINE void put_pair(LanePair p, int64_t i) const {
    if constexpr (kRounds) {
      if (halves != nullptr) return store_stochastic_pair(p, *halves, i, data + i);
    }
    store_pair(p, data + i);
  }
  template <class Part>
  HWY_INLINE Lane at(int64_t i, Part part) const {
    return load(data + i, part);
  }
  template <class Part>
  HWY_INLINE void put(Lane p, int64_t i, Part part) const {
    if constexpr (kRounds) {
      if (halves != nullptr) return store_stochastic(p, halves->at(i), data + i, part);
    }
    store(p, data + i, part);
  }
};

// bfloat16 with remainders.
struct SplitParameters {
  static constexpr bool kRounds = false;

  uint16_t* upper;
  int16_t* remainder;

  SplitParameters(const UpdateChunk& chunk, const RandomHalves*)
      : upper(static_cast<uint16_t*>(chunk.parameter.data)), remainder(chunk.remainder) {}

  HWY_INLINE void ask(int64_t i) const {
    prefetch(upper + i);
    prefetch(remainder + i);
  }
  HWY_INLINE LanePair pair_at(int64_t i) const { return load_split_pair(upper + i, remainder + i); }
  HWY_INLINE void put_pair(LanePair p, int64_t i) const {
    store_split_pair(p, upper + i, reinterpret_cast<uint16_t*>(remainder + i));
  }
  HWY_INLINE Lane at(int64_t i, Whole) const { return load_split(upper + i, remainder + i); }
  HWY_INLINE Lane at(int64_t i, Part part) const {
    uint16_t uppers[kLanes] = {};
    int16_t remainders[kLanes] = {};
    const size_t bytes = static_cast<size_t>(part.count) * sizeof(uint16_t);
    std::memcpy(uppers, upper + i, bytes);
    std::memcpy(remainders, remainder + i, bytes);
    return load_split(uppers, remainders);
  }
  HWY_INLINE void put(Lane p, int64_t i, Whole) const {
    store_split(p, upper + i, reinterpret_cast<uint16_t*>(remainder + i));
  }
  HWY_INLINE void put(Lane p, int64_t i, Part part) const {
    uint16_t uppers[kLanes];
    uint16_t remainders[kLanes];
    store_split(p, uppers, remainders);
    const size_t bytes = static_cast<size_t>(part.count) * sizeof(uint16_t);
    std::memcpy(upper + i, uppers, bytes);
    std::memcpy(remainder + i, remainders, bytes);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
