// The random words of a run of elements (formulas/philox.h), many blocks at once.
#if defined(NAMP_CPU_RANDOM_WORDS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_RANDOM_WORDS_INL_H
#undef NAMP_CPU_RANDOM_WORDS_INL_H
#else
#define NAMP_CPU_RANDOM_WORDS_INL_H
#endif

#include "cpu/simd_lane-inl.h"
#include "formulas/philox.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The keys of all rounds, for many blocks.
struct RoundKeys {
  uint64_t k0[kPhiloxRounds];
  uint64_t k1[kPhiloxRounds];

  explicit RoundKeys(uint64_t seed) {
    uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < kPhiloxRounds; ++round) {
      k0[round] = key0;
      k1[round] = key1;
      key0 += kPhiloxKeyStep0;
      key1 += kPhiloxKeyStep1;
    }
  }
};

#if HWY_TARGET == HWY_SCALAR
inline constexpr int64_t kDrawnBlocks = 1;
inline void draw_blocks(uint64_t block, uint64_t upper, uint64_t seed, const RoundKeys&,
                        uint32_t* words) {
  const PhiloxBlock drawn = philox(block, upper, seed);
  std::memcpy(words, drawn.words, sizeof(drawn.words));
}
#else
using WideTag = hn::RepartitionToWide<BitsTag>;
using Wide = hn::Vec<WideTag>;

// A round waits for the one before it: several vectors of blocks at once, two for AVX2's 16 registers.
inline constexpr int64_t kWides = HWY_TARGET == HWY_AVX3 ? 8 : HWY_TARGET == HWY_AVX2 ? 2 : 4;
inline constexpr int64_t kDrawnBlocks = kWides * kLanes / 2;

// The halves of each 64 bits exchanged.
HWY_INLINE Wide exchanged(Wide x) {
  return hn::BitCast(WideTag(), hn::Shuffle2301(hn::BitCast(BitsTag(), x)));
}

// The counters of blocks, 32 bits in each 64: what is above them is ignored.
struct Counters {
  Wide c0, c1, c2, c3;

  // The compiler's own would not be for NEON with all that the vectors' are for.
  HWY_INLINE Counters() {}

  HWY_INLINE void begin(Wide block, uint64_t upper) {
    c0 = block;
    c1 = hn::ShiftRight<32>(block);
    c2 = hn::Set(WideTag(), upper);
    c3 = hn::Set(WideTag(), upper >> 32);
  }

  HWY_INLINE void round(uint64_t k0, uint64_t k1) {
    const BitsTag tag;
    const Wide p0 = hn::MulEven(hn::BitCast(tag, c0), hn::Set(tag, kPhiloxMultiplier0));
    const Wide p1 = hn::MulEven(hn::BitCast(tag, c2), hn::Set(tag, kPhiloxMultiplier1));
    c0 = hn::Xor3(exchanged(p1), c1, hn::Set(WideTag(), k0));
    c2 = hn::Xor3(exchanged(p0), c3, hn::Set(WideTag(), k1));
    c1 = p1;
    c3 = p0;
  }

  // Of blocks in the order of draw_blocks.
  HWY_INLINE void store_words(uint32_t* words) const {
    const BitsTag tag;
    const Wide first =
        hn::BitCast(WideTag(), hn::OddEven(hn::BitCast(tag, exchanged(c1)), hn::BitCast(tag, c0)));
    const Wide second =
        hn::BitCast(WideTag(), hn::OddEven(hn::BitCast(tag, exchanged(c3)), hn::BitCast(tag, c2)));
    hn::StoreU(hn::BitCast(tag, hn::InterleaveLower(WideTag(), first, second)), tag, words);
    hn::StoreU(hn::BitCast(tag, hn::InterleaveUpper(WideTag(), first, second)), tag,
               words + kLanes);
  }
};

// Stores the words of kDrawnBlocks blocks from this one on. Not inlined, so that the keys are read from
// memory: inlined, a compiler computes them anew, and copies each into a vector.
inline HWY_NOINLINE void draw_blocks(uint64_t block, uint64_t upper, uint64_t,
                                     const RoundKeys& keys, uint32_t* words) {
  const WideTag tag;
  // Blocks in the order that interleaving undoes: the first half of a vector's, each with one of the second.
  const Wide lane = hn::Iota(tag, 0);
  const Wide minus_odd = hn::Sub(hn::Zero(tag), hn::And(lane, hn::Set(tag, 1)));
  const Wide order =
      hn::Add(hn::ShiftRight<1>(lane), hn::And(minus_odd, hn::Set(tag, uint64_t{kLanes / 4})));
  const Wide ordered = hn::Add(order, hn::Set(tag, block));
  Counters counters[kWides];
#pragma GCC unroll 8
  for (int64_t i = 0; i < kWides; ++i)
    counters[i].begin(hn::Add(ordered, hn::Set(tag, static_cast<uint64_t>(i * kLanes / 2))), upper);
#pragma GCC unroll 10
  for (int round = 0; round < kPhiloxRounds; ++round) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < kWides; ++i)
      counters[i].round(keys.k0[round], keys.k1[round]);
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < kWides; ++i)
    counters[i].store_words(words + i * 2 * kLanes);
}
#endif

// The words of a run of elements.
class RandomWords {
 public:
  static constexpr int64_t kMost = 1024;

  // Draws the words of count elements, kMost at most, from element first on.
  void draw(uint64_t first, int64_t count, uint64_t upper, uint64_t seed) {
    const RoundKeys keys(seed);
    skipped_ = static_cast<int64_t>(first % 4);
    for (int64_t i = 0; i < skipped_ + count; i += 4 * kDrawnBlocks)
      draw_blocks(first / 4 + static_cast<uint64_t>(i / 4), upper, seed, keys, words_ + i);
  }

  // The words of the elements from the i-th on.
  HWY_INLINE LaneBits at(int64_t i) const { return load_bits(words_ + skipped_ + i); }

 private:
  int64_t skipped_ = 0;
  uint32_t words_[kMost + 4 * kDrawnBlocks];
};

// The halves of a run of elements that are rounded to 16 bits.
class RandomHalves {
 public:
  static constexpr int64_t kMost = RandomWords::kMost;

  // Draws the halves of count elements, kMost at most, from element first on; begin is its index for
  // the functions below.
  void draw(uint64_t first, int64_t begin, int64_t count, uint64_t upper, uint64_t seed) {
    const RoundKeys keys(seed);
    const auto skipped = static_cast<int64_t>(first % 8);
    for (int64_t i = 0; i < skipped + count; i += 8 * kDrawnBlocks) {
      // A word in memory has its low half first, on every machine that there is a target for.
      uint32_t words[4 * kDrawnBlocks];
      draw_blocks(first / 8 + static_cast<uint64_t>(i / 8), upper, seed, keys, words);
      std::memcpy(halves_ + i, words, sizeof(words));
    }
    skipped_ = skipped - begin;
  }

  // The halves of the elements from the i-th on, as low halves.
  HWY_INLINE LaneBits low(int64_t i) const { return load_low_halves(halves_ + (skipped_ + i)); }
  // As upper halves.
  HWY_INLINE LaneBits at(int64_t i) const { return shift_left<16>(low(i)); }

 private:
  int64_t skipped_ = 0;
  uint16_t halves_[kMost + 8 * kDrawnBlocks];
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
