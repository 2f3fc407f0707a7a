// All of a chunk's update in one pass over its columns.
#if defined(NAMP_CPU_UPDATE_RUN_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_UPDATE_RUN_INL_H
#undef NAMP_CPU_UPDATE_RUN_INL_H
#else
#define NAMP_CPU_UPDATE_RUN_INL_H
#endif

#include <utility>

#include "cpu/states-inl.h"
#include "formulas/rules/update.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// How a run's compute copy is written.
enum class CopyStore { kNone, kPlain, kPastCache, kStochastic };

inline CopyStore copy_store(const UpdateChunk& chunk, bool stochastic) {
  const Column copy = chunk.compute_copy;
  if (copy.data == nullptr) return CopyStore::kNone;
  if (copy.dtype == NAMP_FLOAT32) return CopyStore::kPlain;
  if (stochastic) return CopyStore::kStochastic;
  const bool aligned = with_element(copy.dtype, [&](auto type) HWY_ATTR {
    return is_aligned_to_lane(static_cast<const typename decltype(type)::Type*>(copy.data));
  });
  // Where states wait, all of a run's copies come at once, which is more than goes past the cache.
  const bool waits =
      !has_only_states(chunk, NAMP_FLOAT32) && !has_only_states(chunk, NAMP_BFLOAT16);
  return chunk.streams && aligned && !waits ? CopyStore::kPastCache : CopyStore::kPlain;
}

// Its dtype is tested for every pair: one branch beside the others' loads costs nothing that is seen,
// and there are four times fewer loops.
HWY_INLINE void put_copy_pair(LanePair p, Column copy, CopyStore how, const RandomHalves& halves,
                              int64_t i) {
  if (how == CopyStore::kNone) return;
  with_element(copy.dtype, [&](auto type) NAMP_LANES {
    auto* out = static_cast<typename decltype(type)::Type*>(copy.data) + i;
    if (how == CopyStore::kStochastic) {
      store_stochastic_pair(p, halves, i, out);
    } else if (how == CopyStore::kPastCache) {
      stream_pair(p, out);
    } else {
      store_pair(p, out);
    }
  });
}
template <class Part>
HWY_INLINE void put_copy(Lane p, Column copy, CopyStore how, const RandomHalves& halves, int64_t i,
                         Part part) {
  if (how == CopyStore::kNone) return;
  with_element(copy.dtype, [&](auto type) NAMP_LANES {
    auto* out = static_cast<typename decltype(type)::Type*>(copy.data) + i;
    if (how == CopyStore::kStochastic) {
      store_stochastic(p, halves.at(i), out, part);
    } else {
      store(p, out, part);
    }
  });
}

// Has the roots of directions computed before the quotients of those before them: a divider that takes them
// in turns needs a tenth longer than for two roots and then four quotients.
template <class Direction>
HWY_INLINE void roots_first(Direction&, Direction&, Direction&, Direction&) {}
#if HWY_TARGET == HWY_AVX3
HWY_INLINE void roots_first(AdamDirection<Lane>& a, AdamDirection<Lane>& b, AdamDirection<Lane>& c,
                            AdamDirection<Lane>& d) {
  asm("" : "+v"(a.root.raw.raw), "+v"(b.root.raw.raw), "+v"(c.root.raw.raw), "+v"(d.root.raw.raw));
}
#endif

template <int kStates, class Parameters, class States, class Gradients, class Rule>
HWY_NOINLINE void update_run(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                             CopyStore how, const UpdateRandom& random) {
  // Copies, which stores of the loop cannot change.
  const UpdateConstants<Rule> c = constants;
  const Gradients gradient(chunk.gradient);
  const Column copy = chunk.compute_copy;
  const bool draws = random.stochastic && (Parameters::kRounds || how == CopyStore::kStochastic);
  RandomHalves halves;
  const Parameters parameter(chunk, draws ? &halves : nullptr);
  States states(chunk);
  [[maybe_unused]] WaitingStates waiting(chunk);
  constexpr bool kMayWait = kStates > 0 && std::is_same_v<States, PlainStates<kStates, float>>;
  const bool waits = kMayWait && !has_only_states(chunk, NAMP_FLOAT32);

  using Direction = decltype(direction<kStates>(std::declval<Lane*>(), Lane(), c.rule));
  // Returns the parameters, which move by the directions.
  const auto begin_pair = [&](int64_t i, Direction& by_first, Direction& by_second) NAMP_LANES {
    parameter.ask(i);
    gradient.ask(i);
    states.ask(i);
    LanePair p = parameter.pair_at(i);
    const LanePair g = gradient.pair_at(i);
    Lane first[NAMP_MAX_STATE_COLUMNS];
    Lane second[NAMP_MAX_STATE_COLUMNS];
    for (int k = 0; k < kStates; ++k) {
      const LanePair s = states.pair_at(k, i);
      first[k] = s.first;
      second[k] = s.second;
    }
    by_first = update_direction<kStates>(p.first, first, g.first, c);
    by_second = update_direction<kStates>(p.second, second, g.second, c);
    for (int k = 0; k < kStates; ++k)
      states.put_pair({first[k], second[k]}, k, i);
    return p;
  };
  const auto end_pair = [&](LanePair p, const Direction& by_first, const Direction& by_second,
                            int64_t i) NAMP_LANES {
    move(p.first, by_first, c.rule);
    move(p.second, by_second, c.rule);
    parameter.put_pair(p, i);
    put_copy_pair(p, copy, how, halves, i);
  };
  const auto update_part = [&](int64_t i, auto part) NAMP_LANES {
    Lane p = parameter.at(i, part);
    Lane s[NAMP_MAX_STATE_COLUMNS];
    for (int k = 0; k < kStates; ++k)
      s[k] = states.at(k, i, part);
    update<kStates>(p, s, gradient.at(i, part), c);
    for (int k = 0; k < kStates; ++k)
      states.put(s[k], k, i, part);
    parameter.put(p, i, part);
    put_copy(p, copy, how, halves, i, part);
  };

  static_assert(kCodedRun <= RandomHalves::kMost);
  const int64_t run = draws || waits ? kCodedRun : chunk.count;
  for (int64_t begin = 0; begin < chunk.count; begin += run) {
    const int64_t count = std::min(run, chunk.count - begin);
    if (draws) {
      halves.draw(random.first + static_cast<uint64_t>(begin), begin, count, random.step,
                  random.seed);
    }
    if constexpr (kMayWait) {
      if (waits) {
        waiting.open(begin, count);
        states = States(waiting);
      }
    }
    int64_t i = begin;
    const int64_t end = begin + count;
    // A pair begins before the one ahead of it ends, whose divisions take their time.
    if (i + kPair <= end) {
      Direction first, second, next_first, next_second;
      LanePair p = begin_pair(i, first, second);
      for (i += kPair; i + kPair <= end; i += kPair) {
        const LanePair next = begin_pair(i, next_first, next_second);
        // Where states are converted as well, that waits for it.
        if constexpr (kMayWait) roots_first(next_first, next_second, first, second);
        end_pair(p, first, second, i - kPair);
        p = next;
        first = next_first;
        second = next_second;
      }
      end_pair(p, first, second, i - kPair);
    }
    for_lanes(end - i, [&](int64_t j, auto part) NAMP_LANES { update_part(i + j, part); });
    if (waits) waiting.close();
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
