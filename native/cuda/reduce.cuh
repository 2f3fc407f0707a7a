// Reductions over a warp and over a block, in an order that depends only on the number of threads;
// and the detection of a launch's last block.
#pragma once

#include "cuda/platform.cuh"

namespace namp::cuda {

inline constexpr int kWarp = 32;

struct Plus {
  template <class T>
  NAMP_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
// Of floats; ignores NaN.
struct Maximum {
  template <class T>
  NAMP_DEVICE T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
struct Minimum {
  template <class T>
  NAMP_DEVICE T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

// A sum of any number of floats: float32 in runs, float64 between them, so that the rounding error
// grows only with a run's length.
class LongSum {
 public:
  NAMP_DEVICE void add(float x) {
    constexpr int kRun = 128;
    run_ += x;
    if (++length_ == kRun) {
      total_ += static_cast<double>(run_);
      run_ = 0.0f;
      length_ = 0;
    }
  }
  NAMP_DEVICE double get() const { return total_ + static_cast<double>(run_); }

 private:
  double total_ = 0.0;
  float run_ = 0.0f;
  int length_ = 0;
};

// x of the lane whose index differs by mask; T has 4 or 8 bytes, or a multiple.
template <class T>
NAMP_DEVICE T exchange(const T& x, int mask) {
  static_assert(sizeof(T) % 4 == 0, "made of words");
  uint32_t words[sizeof(T) / 4];
  memcpy(words, &x, sizeof(T));
#pragma unroll
  for (uint32_t& word : words)
    word = shuffle_xor(word, mask);
  T other;
  memcpy(&other, words, sizeof(T));
  return other;
}

// The same result in every lane. All lanes of the warp take part.
template <class T, class Op>
NAMP_DEVICE T warp_reduce(T x, Op op) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2)
    x = op(x, exchange(x, mask));
  return x;
}

// Reduces body(i) over the elements of a row by op; every lane of its warp gets the result.
template <class Op, class Body>
NAMP_DEVICE float over_row(int64_t width, int lane, float neutral, Op op, Body&& body) {
  float x = neutral;
  for (int64_t i = lane; i < width; i += kWarp)
    x = op(x, body(i));
  return warp_reduce(x, op);
}

// The same result in every thread. All threads of the block take part; their number is a multiple
// of a warp, at most 1,024.
template <class T, class Op>
NAMP_DEVICE T block_reduce(T x, Op op) {
  __shared__ T partial[kWarp];
  const int warps = block_threads() / kWarp;
  x = warp_reduce(x, op);
  barrier();  // the result of an earlier call has been read
  if (thread_index() % kWarp == 0) partial[thread_index() / kWarp] = x;
  barrier();
  x = partial[0];
  for (int warp = 1; warp < warps; ++warp)
    x = op(x, partial[warp]);
  return x;
}

// Whether this block is the last of this number to take the ticket. It then sees all earlier writes
// of the others. The ticket is 0 before and after. All threads of the block call it once for each of
// the block's tasks that the number counts.
NAMP_DEVICE bool is_last(uint32_t* ticket, uint32_t number) {
  __shared__ bool last;
  barrier();
  if (thread_index() == 0) {
    // By the thread that takes the ticket: PTX makes a release and an acquire of these two, for all
    // that a barrier puts before and behind them.
    fence();
    last = atomic_add(ticket, 1u) == number - 1;
    fence();
    if (last) atomic_add(ticket, 0u - number);
  }
  barrier();
  return last;
}

// Whether this block is the last of the launch.
NAMP_DEVICE bool is_last_block(uint32_t* ticket) {
  return is_last(ticket, static_cast<uint32_t>(block_count()));
}

}  // namespace namp::cuda
