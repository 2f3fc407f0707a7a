// An update's columns of state, as loops load and store them.
#if defined(NAMP_CPU_STATES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_STATES_INL_H
#undef NAMP_CPU_STATES_INL_H
#else
#define NAMP_CPU_STATES_INL_H
#endif

#include "cpu/block_code-inl.h"
#include "cpu/number_planes.h"
#include "cpu/parameters-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Columns of any dtypes, a run of kCodedRun elements at a time, which begins where a block does: what is
// not float32 waits in the first-level cache, as float32, from before the run's update to after it. Loops
// over a whole run, one for each thing to do, have more of it under way at once than one loop that does it
// all for a pair.
class WaitingStates {
 public:
  explicit WaitingStates(const UpdateChunk& chunk) : chunk_(chunk) {}

  // The count elements of a run, from begin on, follow.
  HWY_NOINLINE void open(int64_t begin, int64_t count) {
    begin_ = begin;
    count_ = count;
    for (int k = 0; k < chunk_.states; ++k) {
      const Column column = chunk_.state[k];
      if (is_block_code(column.dtype)) {
        ask_for_run(static_cast<const uint8_t*>(column.data) + begin + kCodedRun);
        decode(column, chunk_.state_scale[k], k);
      } else if (column.dtype == NAMP_BFLOAT16) {
        map(
            values_[k], count, [](Lane x) NAMP_LANES { return x; }, bfloats(k));
      }
    }
  }

  // Where element 0 would be, of a column as float32.
  float* column(int k) {
    const Column column = chunk_.state[k];
    if (column.dtype == NAMP_FLOAT32) return static_cast<float*>(column.data);
    float* const first = values_[k];
    return first - begin_;
  }

  // All of them were updated.
  HWY_NOINLINE void close() {
    for (int k = 0; k < chunk_.states; ++k) {
      const Column column = chunk_.state[k];
      if (is_block_code(column.dtype)) {
        encode_blocks(column.dtype, values_[k], begin_, count_, column.data, chunk_.state_scale[k]);
      } else if (column.dtype == NAMP_BFLOAT16) {
        map(
            bfloats(k), count_, [](Lane x) NAMP_LANES { return x; }, values_[k]);
      }
    }
  }

 private:
  static HWY_INLINE void ask_for_run(const uint8_t* codes) {
    for (int64_t i = 0; i < kCodedRun; i += kLineBytes)
      hwy::Prefetch(codes + i);
  }
  HWY_INLINE void decode(Column column, const float* scales, int k) {
    const bool dynamic = column.dtype == NAMP_INT8_DYNAMIC || column.dtype == NAMP_UINT8_DYNAMIC;
    if (HWY_TARGET == HWY_AVX3 && chunk_.number_planes && dynamic) {
      return decode_by_planes(column.dtype, static_cast<const uint8_t*>(column.data) + begin_,
                              scales + begin_ / NAMP_BLOCK_ELEMENTS, count_, values_[k]);
    }
    decode_blocks(column.dtype, column.data, scales, begin_, count_, values_[k]);
  }
  BFloat16* bfloats(int k) const { return static_cast<BFloat16*>(chunk_.state[k].data) + begin_; }

  const UpdateChunk& chunk_;
  int64_t begin_ = 0;
  int64_t count_ = 0;
  HWY_ALIGN float values_[NAMP_MAX_STATE_COLUMNS][kCodedRun];
};

// All float32, or all bfloat16.
template <int kStates, class T>
struct PlainStates {
  T* data[NAMP_MAX_STATE_COLUMNS];

  explicit PlainStates(const UpdateChunk& chunk) {
    for (int k = 0; k < kStates; ++k)
      data[k] = static_cast<T*>(chunk.state[k].data);
  }
  explicit PlainStates(WaitingStates& waiting) {
    for (int k = 0; k < kStates; ++k)
      data[k] = waiting.column(k);
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
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
