// What a step does to a pack of parameters, and how new weights are stored.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/random.cuh"
#include "cuda/reduce.cuh"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"
#include "formulas/remainder.h"
#include "formulas/rules/update.h"

namespace namp::cuda {

// Whether packs of the cell from element `first` on can be moved in whole accesses.
NAMP_DEVICE bool is_whole(const namp_cell& cell, int64_t first) {
  const int bytes = dtype_size(cell.dtype);
  return reinterpret_cast<uintptr_t>(static_cast<const char*>(cell.data) + first * bytes) %
             access_bytes(bytes) ==
         0;
}

// Float32 numbers as bfloat16 and remainders.
template <int kCount>
struct Halves {
  RawPack<uint16_t, kCount> upper, remainder;
};
template <int kCount>
NAMP_DEVICE Pack<kCount> join(const Halves<kCount>& halves) {
  Pack<kCount> p;
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    const auto remainder = static_cast<int16_t>(halves.remainder.at[j]);
    p.at[j] = with_remainder<float>(uint32_t{halves.upper.at[j]},
                                    static_cast<uint32_t>(int32_t{remainder}));
  }
  return p;
}
template <int kCount>
NAMP_DEVICE Halves<kCount> split(const Pack<kCount>& p) {
  Halves<kCount> halves;
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    halves.upper.at[j] = static_cast<uint16_t>(without_remainder(p.at[j]));
    halves.remainder.at[j] = static_cast<uint16_t>(remainder_of(p.at[j]));
  }
  return halves;
}

// How a chunk's weights are stored: its parameters, its compute copies, or none.
struct WeightStore {
  NAMP_DEVICE WeightStore(const OptimizerArgs& args, const TableTask& task, int64_t of_step,
                          int32_t column)
      : seed(args.seed),
        begin(task.chunk.begin),
        first_word(static_cast<uint64_t>(task.first_element + begin)),
        step(static_cast<uint64_t>(of_step)) {
    if (column >= 0) cell = task.cells[column];
    stochastic = args.weight_rounding == NAMP_ROUND_STOCHASTIC && cell.dtype != NAMP_FLOAT32;
  }

  // Whether packs can be stored by put_nearest.
  NAMP_DEVICE bool is_whole() const {
    return cell.data == nullptr ||
           (!stochastic && cell.dtype != NAMP_FLOAT32 && cuda::is_whole(cell, begin));
  }

  // The pack that begins at element i of the chunk.
  template <class Part>
  NAMP_DEVICE void put(const Pack<Part::count>& p, int64_t i, Part part) const {
    if (cell.data == nullptr) return;
    if (stochastic) {
      store_stochastic_as(p, words(i, part).at, cell.data, cell.dtype, begin + i, part);
    } else {
      store_as(p, cell.data, cell.dtype, begin + i, part);
    }
  }
  // The same of a dtype that is known.
  template <class T, class Part>
  NAMP_DEVICE void put_as(const Pack<Part::count>& p, int64_t i, Part part) const {
    T* const to = static_cast<T*>(cell.data) + begin + i;
    if (stochastic) {
      store_stochastic(p, words(i, part).at, to, part);
    } else {
      store(p, to, part);
    }
  }
  // A pack, where is_whole.
  NAMP_DEVICE void put_nearest(const Pack<kPack>& p, int64_t i) const {
    if (cell.data == nullptr) return;
    if (cell.dtype == NAMP_FLOAT16) {
      store(p, static_cast<Float16*>(cell.data) + begin + i, Whole{});
    } else {
      store(p, static_cast<BFloat16*>(cell.data) + begin + i, Whole{});
    }
  }

  namp_cell cell{};
  const uint64_t& seed;  // in the launch's constants: no register until it is used
  int64_t begin;
  uint64_t first_word;
  uint64_t step;
  bool stochastic;

 private:
  template <class Part>
  NAMP_DEVICE RandomWords<Part::count> words(int64_t i, Part part) const {
    return random_halves(first_word + static_cast<uint64_t>(i), step, seed, part);
  }
};

// Updates the parameters and states of a pack.
template <int kStates, class Rule, int kCount>
NAMP_DEVICE void update_pack(Pack<kCount>& p, Pack<kCount>* s, const Pack<kCount>& g,
                             const UpdateConstants<Rule>& c) {
  constexpr int kArray = kStates > 0 ? kStates : 1;
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    float of_element[kArray];
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      of_element[k] = s[k].at[j];
    update<kStates>(p.at[j], of_element, g.at[j], c);
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      s[k].at[j] = of_element[k];
  }
}

}  // namespace namp::cuda
