// An update's columns of state, as loops load and store them: a run opens and closes each block, which is
// one of codes where kByBlocks, else any number of elements.
#if defined(NAMP_CPU_STATES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_STATES_INL_H
#undef NAMP_CPU_STATES_INL_H
#else
#define NAMP_CPU_STATES_INL_H
#endif

#include "cpu/block_code-inl.h"
#include "cpu/parameters-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// All float32, or all bfloat16.
template <int kStates, class T>
struct PlainStates {
  static constexpr bool kByBlocks = false;

  T* data[NAMP_MAX_STATE_COLUMNS];

  explicit PlainStates(const UpdateChunk& chunk) {
    for (int k = 0; k < kStates; ++k)
      data[k] = static_cast<T*>(chunk.state[k].data);
  }

  HWY_INLINE void ask(int64_t i) const {
    for (int k = 0; k < kStates; ++k)
      prefetch(data[k] + i);
  }
  HWY_INLINE LanePair pair_at(int k, int64_t i) const { return load_pair(data[k] + i); }
  HWY_INLINE void put_pair(LanePair x, int k, int64_t i) const { store_pair(x, data[k] + i); }
  template <class Part>
  HWY_INLINE Lane at(int k, int64_t i, Part part) const {
    return load(data[k] + i, part);
  }
  template <class Part>
  HWY_INLINE void put(Lane x, int k, int64_t i, Part part) const {
    store(x, data[k] + i, part);
  }
  HWY_INLINE void open(int64_t, int64_t) const {}
  HWY_INLINE void close(int64_t) const {}
};

// Each of any dtype, a block at a time: how it is read is tested for every pair, one branch beside the
// others' loads. New values of codes wait in the first-level cache for the block's end, when its scale
// is known.
template <int kStates>
class BlockStates {
 public:
  static constexpr bool kByBlocks = true;

  explicit BlockStates(const UpdateChunk& chunk) {
    for (int k = 0; k < kStates; ++k) {
      column_[k] = chunk.state[k];
      scales_[k] = chunk.state_scale[k];
    }
  }

  HWY_INLINE void ask(int64_t i) const {
    for (int k = 0; k < kStates; ++k)
      with_column(
          k, i, [](const auto* at) NAMP_LANES { prefetch(at); },
          [&]() NAMP_LANES { prefetch(codes(k) + i); });
  }
  HWY_INLINE LanePair pair_at(int k, int64_t i) const {
    return with_column(
        k, i, [](const auto* at) NAMP_LANES { return load_pair(at); },
        [&]() NAMP_LANES {
          const int32_t dtype = column_[k].dtype;
          if (kDecodesPairs && dtype == NAMP_INT8_DYNAMIC) return decoded<SignedDynamic>(k, i);
          if (kDecodesPairs && dtype == NAMP_UINT8_DYNAMIC) return decoded<UnsignedDynamic>(k, i);
          return load_pair(values_[k] + (i - begin_));
        });
  }
  HWY_INLINE void put_pair(LanePair x, int k, int64_t i) {
    with_column(
        k, i, [&](auto* at) NAMP_LANES { store_pair(x, at); },
        [&]() NAMP_LANES { store_pair(x, values_[k] + (i - begin_)); });
  }
  template <class Part>
  HWY_INLINE Lane at(int k, int64_t i, Part part) const {
    return with_column(
        k, i, [&](const auto* at) NAMP_LANES { return load(at, part); },
        [&]() NAMP_LANES { return load(values_[k] + (i - begin_), part); });
  }
  template <class Part>
  HWY_INLINE void put(Lane x, int k, int64_t i, Part part) {
    with_column(
        k, i, [&](auto* at) NAMP_LANES { store(x, at, part); },
        [&]() NAMP_LANES { store(x, values_[k] + (i - begin_), part); });
  }

  // The count elements of a block, from begin on, follow.
  void open(int64_t begin, int64_t count) {
    begin_ = begin;
    for (int k = 0; k < kStates; ++k) {
      const int32_t dtype = column_[k].dtype;
      if (!is_block_code(dtype)) continue;
      scale_[k] = scales_[k][begin / NAMP_BLOCK_ELEMENTS];
      const bool in_pairs =
          kDecodesPairs && (dtype == NAMP_INT8_DYNAMIC || dtype == NAMP_UINT8_DYNAMIC);
      const int64_t done = in_pairs ? count / kPair * kPair : 0;
      if (done == count) continue;
      with_block_map(dtype, [&](auto map) HWY_ATTR {
        decode_block<decltype(map)>(codes(k) + begin + done, scale_[k], values_[k] + done,
                                    count - done);
      });
    }
  }
  // All of them were put.
  void close(int64_t count) {
    const auto for_codes = [&](auto&& body) {
      for (int k = 0; k < kStates; ++k) {
        if (is_block_code(column_[k].dtype))
          with_block_map(column_[k].dtype, [&](auto map) { body(k, map); });
      }
    };
    // All scales first: a column's maximum is waited for while the next one's is looked for.
    for_codes(
        [&](int k, auto map) { scale_[k] = scale_of_block<decltype(map)>(values_[k], count); });
    for_codes([&](int k, auto map) {
      scales_[k][begin_ / NAMP_BLOCK_ELEMENTS] = scale_[k];
      encode_block<decltype(map)>(values_[k], scale_[k], codes(k) + begin_, count);
    });
  }

 private:
  // Where a lookup decodes a lane; elsewhere a whole block is decoded first.
  static constexpr bool kDecodesPairs = HWY_TARGET == HWY_AVX3;

  HWY_INLINE uint8_t* codes(int k) const { return static_cast<uint8_t*>(column_[k].data); }
  template <class Map>
  HWY_INLINE LanePair decoded(int k, int64_t i) const {
    return {decode_lane<Map>(codes(k) + i, scale_[k], Whole{}),
            decode_lane<Map>(codes(k) + i + kLanes, scale_[k], Whole{})};
  }
  // Returns on_floats(where element i is), or on_codes().
  template <class OnFloats, class OnCodes>
  HWY_INLINE auto with_column(int k, int64_t i, OnFloats on_floats, OnCodes on_codes) const {
    void* const data = column_[k].data;
    if (column_[k].dtype == NAMP_FLOAT32) return on_floats(static_cast<float*>(data) + i);
    if (column_[k].dtype == NAMP_BFLOAT16) return on_floats(static_cast<BFloat16*>(data) + i);
    return on_codes();
  }

  Column column_[NAMP_MAX_STATE_COLUMNS];
  float* scales_[NAMP_MAX_STATE_COLUMNS];
  float scale_[NAMP_MAX_STATE_COLUMNS];  // of the block
  int64_t begin_ = 0;
  HWY_ALIGN float values_[NAMP_MAX_STATE_COLUMNS][NAMP_BLOCK_ELEMENTS];
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
