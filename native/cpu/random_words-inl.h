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

#if HWY_TARGET == HWY_SCALAR
// Stores the words of the block.
inline void draw_blocks(uint64_t block, uint64_t upper, uint64_t seed, uint32_t* words) {
  const PhiloxBlock drawn = philox(block, upper, seed);
  std::memcpy(words, drawn.words, sizeof(drawn.words));
}
#else
using WideTag = hn::RepartitionToWide<BitsTag>;
using Wide = hn::Vec<WideTag>;

// The counters of blocks, 32 bits in each 64: a product's upper bits are ignored where its low half
// is meant.
struct Counters {
  Wide c0, c1, c2, c3;

  HWY_INLINE Counters(Wide block, uint64_t upper)
      : c0(block),
        c1(hn::ShiftRight<32>(block)),
        c2(hn::Set(WideTag(), upper)),
        c3(hn::Set(WideTag(), upper >> 32)) {}

  HWY_INLINE void round(uint32_t k0, uint32_t k1) {
    const BitsTag tag;
    const Wide p0 = hn::MulEven(hn::BitCast(tag, c0), hn::Set(tag, kPhiloxMultiplier0));
    const Wide p1 = hn::MulEven(hn::BitCast(tag, c2), hn::Set(tag, kPhiloxMultiplier1));
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c1), hn::Set(WideTag(), k0));
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3), hn::Set(WideTag(), k1));
    c1 = p1;
    c3 = p0;
  }
};

// Stores the words of kLanes blocks from this one on.
inline void draw_blocks(uint64_t block, uint64_t upper, uint64_t seed, uint32_t* words) {
  const Wide twice = hn::ShiftLeft<1>(hn::Iota(WideTag(), 0));
  Counters even(hn::Add(twice, hn::Set(WideTag(), block)), upper);
  Counters odd(hn::Add(twice, hn::Set(WideTag(), block + 1)), upper);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    even.round(k0, k1);
    odd.round(k0, k1);
    k0 += kPhiloxKeyStep0;
    k1 += kPhiloxKeyStep1;
  }
  const auto together = [](Wide of_even, Wide of_odd) NAMP_LANES {
    const BitsTag tag;
    return hn::OddEven(hn::BitCast(tag, hn::ShiftLeft<32>(of_odd)), hn::BitCast(tag, of_even));
  };
  hn::StoreInterleaved4(together(even.c0, odd.c0), together(even.c1, odd.c1),
                        together(even.c2, odd.c2), together(even.c3, odd.c3), BitsTag(), words);
}
#endif

// The words of a run of elements.
class RandomWords {
 public:
  static constexpr int64_t kMost = 256;

  // Draws the words of count elements, kMost at most, from element first on.
  void draw(uint64_t first, int64_t count, uint64_t upper, uint64_t seed) {
    skipped_ = static_cast<int64_t>(first % 4);
    for (int64_t i = 0; i < skipped_ + count; i += 4 * kLanes)
      draw_blocks(first / 4 + static_cast<uint64_t>(i / 4), upper, seed, words_ + i);
  }

  // The words of the elements from the i-th on.
  HWY_INLINE LaneBits at(int64_t i) const { return load_bits(words_ + skipped_ + i); }

 private:
  int64_t skipped_ = 0;
  uint32_t words_[kMost + 4 * kLanes];
};

// The halves of a run of elements that are rounded to 16 bits.
class RandomHalves {
 public:
  static constexpr int64_t kMost = RandomWords::kMost;

  // Draws the halves of count elements, kMost at most, from element first on; begin is its index for
  // the functions below.
  void draw(uint64_t first, int64_t begin, int64_t count, uint64_t upper, uint64_t seed) {
    const auto skipped = static_cast<int64_t>(first % 8);
    for (int64_t i = 0; i < skipped + count; i += 8 * kLanes) {
      // A word in memory has its low half first, on every machine that there is a target for.
      uint32_t words[4 * kLanes];
      draw_blocks(first / 8 + static_cast<uint64_t>(i / 8), upper, seed, words);
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
  uint16_t halves_[kMost + 16 * kLanes];
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
