// The one loop over contiguous elements: packs of 8 in the middle, with accesses of 16 bytes if a
// pointer's alignment allows it, and single elements at the edges.
//
//   const int peel = choose_peel(out, in);  // for runs whose pointers these are
//   for_packs(count, peel, [&](int64_t i, auto part) {
//     auto x = load(in + i, part);
//     store(map([=](float a) { return a * factor; }, x), out + i, part);
//   });
//
// part is Whole or Single; a Pack has part's width. The threads of a block share the run.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "formulas/codec.h"
#include "formulas/lane.h"
#include "nativeamp.h"

namespace namp::cuda {

// The part of a pack in one iteration of the loop.
struct Whole {
  static constexpr int count = kPack;
};
struct Single {
  static constexpr int count = 1;
};
// A pack at the end of a row, of which only the first elements may be there: the others are read as
// 0 and not written.
struct Prefix {
  static constexpr int count = kPack;
  // elements: of the row from the pack on.
  NAMP_DEVICE explicit Prefix(int64_t elements)
      : there(elements < kPack ? static_cast<int>(elements) : kPack) {}
  NAMP_DEVICE bool is_whole() const { return there == kPack; }
  int there;  // 0 or less where the pack begins behind the row
};

template <int kCount>
struct Pack {
  float at[kCount];
};

NAMP_DEVICE float widen(float x) { return x; }
// Uses the instruction, which does not specify the result of a NaN, and the formula for NaN.
NAMP_DEVICE float widen(Float16 x) {
  const float wide = convert_from_float16(x.bits);
  return wide == wide ? wide : decode<Float16, float>(uint32_t{x.bits});
}
NAMP_DEVICE float widen(BFloat16 x) { return decode<BFloat16, float>(uint32_t{x.bits}); }

// The 8-bit formats use the formulas: their instructions need compute capability 8.9.
template <class T>
inline constexpr bool kIsByte = sizeof(T) == 1;

template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
NAMP_DEVICE float widen(T x) {
  return decode<T, float>(uint32_t{x.bits});
}

template <class T>
struct ElementType {
  using Type = T;
};

template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
NAMP_DEVICE T narrow(float x, ElementType<T>) {
  return {static_cast<uint8_t>(encode<T>(x))};
}
template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
NAMP_DEVICE T narrow_stochastic(float x, uint32_t random, ElementType<T>) {
  return {static_cast<uint8_t>(encode_stochastic<T>(x, random))};
}

NAMP_DEVICE float narrow(float x, ElementType<float>) { return x; }
NAMP_DEVICE Float16 narrow(float x, ElementType<Float16>) {
  const uint16_t half = convert_to_float16(x);
  return {x == x ? half : static_cast<uint16_t>(encode<Float16>(x))};
}
NAMP_DEVICE BFloat16 narrow(float x, ElementType<BFloat16>) {
  return {static_cast<uint16_t>(encode<BFloat16>(x))};
}

// Rounds stochastically by a random word; float32 is not rounded.
NAMP_DEVICE float narrow_stochastic(float x, uint32_t, ElementType<float>) { return x; }
NAMP_DEVICE Float16 narrow_stochastic(float x, uint32_t random, ElementType<Float16>) {
  return {static_cast<uint16_t>(encode_stochastic<Float16>(x, random))};
}
NAMP_DEVICE BFloat16 narrow_stochastic(float x, uint32_t random, ElementType<BFloat16>) {
  return {static_cast<uint16_t>(encode_stochastic<BFloat16>(x, random))};
}

// One element, widened; narrowed.
template <class T>
NAMP_DEVICE float load(const T* p) {
  return widen(load_global(p));
}
template <class T>
NAMP_DEVICE void store(float x, T* p) {
  store_global(p, narrow(x, ElementType<T>()));
}

// The elements of a pack in memory.
template <class T, int kCount>
struct RawPack {
  T at[kCount];
};

// Bytes of an access of a pack, and the number of accesses: float32 takes two of 16 bytes, half
// precision one, 8-bit formats one of 8.
constexpr int access_bytes(int element_bytes) {
  return kPack * element_bytes < 16 ? kPack * element_bytes : 16;
}
template <class T>
inline constexpr int kAccesses = kPack * sizeof(T) / access_bytes(sizeof(T));

template <class T>
NAMP_DEVICE bool is_aligned(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % access_bytes(sizeof(T)) == 0;
}

// A pack from where is_aligned.
template <class T>
NAMP_DEVICE RawPack<T, kPack> load_aligned(const T* p) {
  RawPack<T, kPack> pack;
  if constexpr (sizeof(T) == 1) {
    const uint64_t word = load_global(reinterpret_cast<const uint64_t*>(p));
    memcpy(&pack, &word, sizeof(pack));
  } else {
    const Words* from = reinterpret_cast<const Words*>(p);
    Words words[kAccesses<T>];
    words[0] = load_words<0>(from);
    if constexpr (kAccesses<T> == 2) words[1] = load_words<1>(from);
    memcpy(&pack, words, sizeof(pack));
  }
  return pack;
}

template <class T>
NAMP_DEVICE RawPack<T, kPack> load_raw(const T* p, Whole) {
  if (is_aligned(p)) return load_aligned(p);
  RawPack<T, kPack> pack;
#pragma unroll
  for (int i = 0; i < kPack; ++i)
    pack.at[i] = load_global(p, i);
  return pack;
}
template <class T>
NAMP_DEVICE RawPack<T, 1> load_raw(const T* p, Single) {
  return {{load_global(p)}};
}
template <class T>
NAMP_DEVICE RawPack<T, kPack> load_raw(const T* p, Prefix part) {
  if (part.is_whole() && is_aligned(p)) return load_aligned(p);
  RawPack<T, kPack> pack{};
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    if (i < part.there) pack.at[i] = load_global(p, i);
  }
  return pack;
}

// A pack to where is_aligned.
template <class T>
NAMP_DEVICE void store_aligned(const RawPack<T, kPack>& pack, T* p) {
  if constexpr (sizeof(T) == 1) {
    uint64_t word;
    memcpy(&word, &pack, sizeof(pack));
    store_global(reinterpret_cast<uint64_t*>(p), word);
  } else {
    Words* to = reinterpret_cast<Words*>(p);
    Words words[kAccesses<T>];
    memcpy(words, &pack, sizeof(pack));
    store_words<0>(to, words[0]);
    if constexpr (kAccesses<T> == 2) store_words<1>(to, words[1]);
  }
}

template <class T>
NAMP_DEVICE void store_raw(const RawPack<T, kPack>& pack, T* p, Whole) {
  if (is_aligned(p)) return store_aligned(pack, p);
#pragma unroll
  for (int i = 0; i < kPack; ++i)
    store_global(p, pack.at[i], i);
}
template <class T>
NAMP_DEVICE void store_raw(const RawPack<T, 1>& pack, T* p, Single) {
  store_global(p, pack.at[0]);
}
template <class T>
NAMP_DEVICE void store_raw(const RawPack<T, kPack>& pack, T* p, Prefix part) {
  if (part.is_whole()) return store_raw(pack, p, Whole{});
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    if (i < part.there) store_global(p, pack.at[i], i);
  }
}

// ---- Packs of halves to packs of floats, and back. NaN is tested once for a pack, two elements in
// a comparison. A pack with a NaN goes through the formula, which keeps its bits.

template <int kCount>
NAMP_DEVICE bool has_nan(const Pack<kCount>& x) {
  bool found = false;
#pragma unroll
  for (int j = 0; j < kCount; j += 2) {
    const float other = x.at[j + 1 < kCount ? j + 1 : j];
    found = found | !(x.at[j] >= other || x.at[j] < other);
  }
  return found;
}

// Element by element; the overloads below it are of float16, and of what is narrowed to halves.
template <class T, int kCount>
NAMP_DEVICE Pack<kCount> widen(const RawPack<T, kCount>& raw) {
  Pack<kCount> wide;
#pragma unroll
  for (int j = 0; j < kCount; ++j)
    wide.at[j] = widen(raw.at[j]);
  return wide;
}
// Of what is not NaN; a NaN stays one, and may get other bits.
template <class T, int kCount>
NAMP_DEVICE Pack<kCount> widen_numbers(const RawPack<T, kCount>& raw) {
  return widen(raw);
}
template <int kCount>
NAMP_DEVICE Pack<kCount> widen_numbers(const RawPack<Float16, kCount>& raw) {
  Pack<kCount> wide;
#pragma unroll
  for (int j = 0; j < kCount; ++j)
    wide.at[j] = convert_from_float16(raw.at[j].bits);
  return wide;
}

// FP8 by way of float16, whose upper byte E5M2 is; E4M3 has three bits of its fraction, and its exponent
// but for 8.
template <int kCount>
NAMP_DEVICE Pack<kCount> widen_numbers(const RawPack<Float8E5M2, kCount>& raw) {
  Pack<kCount> wide;
#pragma unroll
  for (int j = 0; j < kCount; ++j)
    wide.at[j] = convert_from_float16(static_cast<uint16_t>(raw.at[j].bits << 8));
  return wide;
}
template <int kCount>
NAMP_DEVICE Pack<kCount> widen_numbers(const RawPack<Float8E4M3, kCount>& raw) {
  Pack<kCount> wide;
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    const uint32_t magnitude = raw.at[j].bits & 0x7fu;
    const uint32_t half = (raw.at[j].bits & 0x80u) << 8 | magnitude << 7;
    const float x = convert_from_float16(static_cast<uint16_t>(half)) * 256.0f;
    wide.at[j] = magnitude == 0x7fu ? from_bits(0x7fc00000u) : x;
  }
  return wide;
}

template <int kCount>
NAMP_DEVICE Pack<kCount> widen(const RawPack<Float16, kCount>& raw) {
  Pack<kCount> wide = widen_numbers(raw);
  if (has_nan(wide)) {
#pragma unroll
    for (int j = 0; j < kCount; ++j)
      wide.at[j] = decode<Float16, float>(uint32_t{raw.at[j].bits});
  }
  return wide;
}

template <class T, int kCount>
NAMP_DEVICE RawPack<T, kCount> narrow(const Pack<kCount>& x, ElementType<T> type) {
  RawPack<T, kCount> raw;
#pragma unroll
  for (int j = 0; j < kCount; ++j)
    raw.at[j] = narrow(x.at[j], type);
  return raw;
}
// quick(x) gives the bits of every float but NaN.
template <class T, int kCount, class Quick>
NAMP_DEVICE RawPack<T, kCount> narrow_halves(const Pack<kCount>& x, Quick&& quick) {
  RawPack<T, kCount> raw;
#pragma unroll
  for (int j = 0; j < kCount; ++j)
    raw.at[j].bits = quick(x.at[j]);
  if (has_nan(x)) {
#pragma unroll
    for (int j = 0; j < kCount; ++j)
      raw.at[j].bits = static_cast<uint16_t>(encode<T>(x.at[j]));
  }
  return raw;
}
template <int kCount>
NAMP_DEVICE RawPack<Float16, kCount> narrow(const Pack<kCount>& x, ElementType<Float16>) {
  return narrow_halves<Float16>(x, [](float value) { return convert_to_float16(value); });
}
template <int kCount>
NAMP_DEVICE RawPack<BFloat16, kCount> narrow(const Pack<kCount>& x, ElementType<BFloat16>) {
  return narrow_halves<BFloat16>(
      x, [](float value) { return static_cast<uint16_t>(round_fraction<BFloat16>(value)); });
}

template <class T, class Part>
NAMP_DEVICE Pack<Part::count> load(const T* p, Part part) {
  return widen(load_raw(p, part));
}

template <class T, class Part>
NAMP_DEVICE void store(const Pack<Part::count>& pack, T* p, Part part) {
  store_raw(narrow(pack, ElementType<T>()), p, part);
}

// Rounded by one random word for each element.
template <class T, class Part>
NAMP_DEVICE void store_stochastic(const Pack<Part::count>& pack, const uint32_t* words, T* p,
                                  Part part) {
  RawPack<T, Part::count> raw;
#pragma unroll
  for (int j = 0; j < Part::count; ++j)
    raw.at[j] = narrow_stochastic(pack.at[j], words[j], ElementType<T>());
  store_raw(raw, p, part);
}

// op of each element.
template <int kCount, class Op, class... Packs>
NAMP_DEVICE Pack<kCount> map(Op op, const Pack<kCount>& first, const Packs&... others) {
  Pack<kCount> result;
#pragma unroll
  for (int j = 0; j < kCount; ++j)
    result.at[j] = op(first.at[j], others.at[j]...);
  return result;
}

// A run that a loop reads or writes; a null pointer counts as none.
struct Access {
  const void* data;
  int element_bytes;
};

template <class T>
NAMP_DEVICE Access access(const T* p) {
  return {p, static_cast<int>(sizeof(T))};
}
NAMP_DEVICE Access access(const void* p, int32_t dtype, int64_t first) {
  const int bytes = dtype_size(dtype);
  return {p == nullptr ? nullptr : static_cast<const char*>(p) + first * bytes, bytes};
}

// The number of single elements before the packs with which the most bytes are in whole accesses.
template <class... A>
NAMP_DEVICE int choose_peel(A... accesses) {
  int best = 0;
  int best_bytes = -1;
  for (int peel = 0; peel < kPack; ++peel) {
    int bytes = 0;
    const auto count = [&](const Access& access) {
      const auto at = reinterpret_cast<uintptr_t>(access.data) + peel * access.element_bytes;
      if (access.data != nullptr && at % access_bytes(access.element_bytes) == 0)
        bytes += access.element_bytes;
    };
    (count(accesses), ...);
    if (bytes > best_bytes) {
      best = peel;
      best_bytes = bytes;
    }
  }
  return best;
}

// Calls body(i, part) for every element of a run, shared by threads; this is the thread-th
// of them.
template <class Body>
NAMP_DEVICE void for_packs(int64_t count, int peel, int64_t thread, int64_t threads, Body&& body) {
  const int64_t head = peel < count ? peel : count;
  const int64_t packs = (count - head) / kPack;
  for (int64_t pack = thread; pack < packs; pack += threads)
    body(head + pack * kPack, Whole{});
  // Both edges in one loop, so that the body is compiled once for them.
  for (int64_t edge = thread; edge < count - packs * kPack; edge += threads)
    body(edge < head ? edge : edge + packs * kPack, Single{});
}

// The same, shared by the threads of a block.
template <class Body>
NAMP_DEVICE void for_packs(int64_t count, int peel, Body&& body) {
  for_packs(count, peel, thread_index(), block_threads(), body);
}

// Calls body(begin, count) for this block's tasks of a tensor.
template <class Body>
NAMP_DEVICE void for_tasks(int64_t elements, Body&& body) {
  for (int64_t begin = block_index() * kTaskElements; begin < elements;
       begin += block_count() * kTaskElements) {
    const int64_t rest = elements - begin;
    body(begin, rest < kTaskElements ? rest : kTaskElements);
  }
}

}  // namespace namp::cuda
