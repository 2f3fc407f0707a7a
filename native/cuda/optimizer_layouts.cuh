// Steps of tensors in the layouts that are in use, each by code of its own: where the dtypes of columns
// are chosen at run time, pack by pack, more instructions choose than compute. Of a chunk it takes whole
// blocks, of columns that can be moved 16 bytes at a time; the rest is optimizer.cu's.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/block_code.cuh"
#include "cuda/optimizer_weights.cuh"

namespace namp::cuda {

// ---- Parameters. i counts from the chunk's begin. ----

struct FloatParameters {
  float* at;

  NAMP_DEVICE FloatParameters(const OptimizerArgs& args, const TableTask& task, int64_t)
      : at(static_cast<float*>(task.cells[args.columns.parameter].data) + task.chunk.begin) {}
  NAMP_DEVICE bool is_whole() const { return is_aligned(at); }
  NAMP_DEVICE RawPack<float, kPack> fetch(int64_t i) const { return load_aligned(at + i); }
  NAMP_DEVICE Pack<kPack> wide(const RawPack<float, kPack>& raw) const { return widen(raw); }
  NAMP_DEVICE void put(const Pack<kPack>& p, int64_t i) const { store(p, at + i, Whole{}); }
};

// bfloat16 with the 16 bits below in a column of their own.
struct RemainderParameters {
  uint16_t* upper;
  uint16_t* remainders;

  NAMP_DEVICE RemainderParameters(const OptimizerArgs& args, const TableTask& task, int64_t)
      : upper(static_cast<uint16_t*>(task.cells[args.columns.parameter].data) + task.chunk.begin),
        remainders(static_cast<uint16_t*>(task.cells[args.columns.remainder].data) +
                   task.chunk.begin) {}
  NAMP_DEVICE bool is_whole() const { return is_aligned(upper) && is_aligned(remainders); }
  NAMP_DEVICE Halves<kPack> fetch(int64_t i) const {
    return {load_aligned(upper + i), load_aligned(remainders + i)};
  }
  NAMP_DEVICE Pack<kPack> wide(const Halves<kPack>& halves) const { return join(halves); }
  NAMP_DEVICE void put(const Pack<kPack>& p, int64_t i) const {
    const Halves<kPack> halves = split(p);
    store_raw(halves.upper, upper + i, Whole{});
    store_raw(halves.remainder, remainders + i, Whole{});
  }
};

// bfloat16 alone: the new parameter is rounded.
struct BFloat16Parameters {
  BFloat16* at;
  WeightStore weights;

  NAMP_DEVICE BFloat16Parameters(const OptimizerArgs& args, const TableTask& task, int64_t step)
      : at(static_cast<BFloat16*>(task.cells[args.columns.parameter].data) + task.chunk.begin),
        weights(args, task, step, args.columns.parameter) {}
  NAMP_DEVICE bool is_whole() const { return is_aligned(at); }
  NAMP_DEVICE RawPack<BFloat16, kPack> fetch(int64_t i) const { return load_aligned(at + i); }
  NAMP_DEVICE Pack<kPack> wide(const RawPack<BFloat16, kPack>& raw) const { return widen(raw); }
  NAMP_DEVICE void put(const Pack<kPack>& p, int64_t i) const {
    weights.put_as<BFloat16>(p, i, Whole{});
  }
};

// ---- Columns of state. ----

template <class T>
struct PlainState {
  T* at;

  NAMP_DEVICE void open(const namp_cell& cell, int64_t begin) {
    at = static_cast<T*>(cell.data) + begin;
  }
  NAMP_DEVICE bool is_whole() const { return is_aligned(at); }
  NAMP_DEVICE RawPack<T, kPack> fetch(int64_t i) const { return load_aligned(at + i); }
  NAMP_DEVICE Pack<kPack> wide(const RawPack<T, kPack>& raw, const BlockNumbers&) const {
    return widen(raw);
  }
  NAMP_DEVICE void put(const Pack<kPack>& x, int64_t i) const { store(x, at + i, Whole{}); }
};

// Codes in blocks, of the dynamic maps.
struct DynamicState {
  namp_cell cell;
  int64_t begin;

  struct Raw {
    RawPack<uint8_t, kPack> codes;
    float scale;  // as fetched
  };
  NAMP_DEVICE void open(const namp_cell& of_tensor, int64_t of_chunk) {
    cell = of_tensor;
    begin = of_chunk;
  }
  NAMP_DEVICE bool is_whole() const {
    return is_aligned(static_cast<const uint8_t*>(cell.data) + begin);
  }
  NAMP_DEVICE Raw fetch(int64_t i) const {
    return {load_aligned(static_cast<const uint8_t*>(cell.data) + begin + i),
            fetch_scale(cell, begin + i)};
  }
  NAMP_DEVICE Pack<kPack> wide(const Raw& raw, const BlockNumbers& numbers) const {
    return numbers.decode(raw.codes, cell.dtype, block_scale_of(raw.scale));
  }
  NAMP_DEVICE void put(const Pack<kPack>& x, int64_t i) const {
    store_codes<true>(x, cell, begin + i, Prefix(kPack));
  }
};

// Updates the chunk's whole blocks, if all columns are aligned, and returns how many elements it
// updated. The constants stay in shared memory: in registers they would not fit beside the packs.
template <int kStates, class Rule, class Parameters, class State>
NAMP_DEVICE int update_whole_blocks(const OptimizerArgs& args, const TableTask& task,
                                    const BlockNumbers& numbers, const UpdateConstants<Rule>& c,
                                    int64_t step) {
  constexpr int kArray = kStates > 0 ? kStates : 1;
  const int64_t begin = task.chunk.begin;
  const namp_optimizer_columns& columns = args.columns;
  const namp_cell& gradient = task.cells[columns.gradient];
  const Parameters parameters(args, task, step);
  const WeightStore copy(args, task, step, columns.compute_copy);
  bool whole = parameters.is_whole() && copy.is_whole() && is_whole(gradient, begin);
  State state[kArray];
#pragma unroll
  for (int k = 0; k < kStates; ++k) {
    state[k].open(task.cells[columns.state[k]], begin);
    whole = whole && state[k].is_whole();
  }
  if (!whole) return 0;
  const int count = static_cast<int>(task.chunk.count) / NAMP_BLOCK_ELEMENTS * NAMP_BLOCK_ELEMENTS;
  for_blocks(0, count, [&](int i, Prefix) {
    // All loads come before the first conversion, which waits for its own.
    const auto raw = parameters.fetch(i);
    decltype(state[0].fetch(0)) raw_state[kArray];
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      raw_state[k] = state[k].fetch(i);
    const AnyPack gradients = fetch_any(gradient, begin + i, Prefix(kPack));
    Pack<kPack> p = parameters.wide(raw);
    Pack<kPack> s[kArray];
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      s[k] = state[k].wide(raw_state[k], numbers);
    update_pack<kStates>(p, s, widen_as(gradients, gradient.dtype), c);
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      state[k].put(s[k], i);
    parameters.put(p, i);
    copy.put_nearest(p, i);
  });
  return count;
}

// The same for a chunk of any layout: 0 if it has no code of its own.
template <int kStates, class Rule, class Parameters>
NAMP_DEVICE int update_plain_states(const OptimizerArgs& args, const TableTask& task,
                                    const BlockNumbers& numbers, const UpdateConstants<Rule>& c,
                                    int64_t step, int32_t dtype) {
  if (dtype == NAMP_FLOAT32)
    return update_whole_blocks<kStates, Rule, Parameters, PlainState<float>>(args, task, numbers, c,
                                                                             step);
  if (dtype == NAMP_BFLOAT16)
    return update_whole_blocks<kStates, Rule, Parameters, PlainState<BFloat16>>(args, task, numbers,
                                                                                c, step);
  return 0;
}
template <int kStates, class Rule>
NAMP_DEVICE int update_by_layout(const OptimizerArgs& args, const TableTask& task,
                                 const BlockNumbers& numbers, const UpdateConstants<Rule>& c,
                                 int64_t step) {
  static_assert(kStates > 0);
  const namp_optimizer_columns& columns = args.columns;
  const auto dtype = [&](int32_t column) { return task.cells[column].dtype; };
  const auto is_dynamic = [](int32_t x) {
    return x == NAMP_INT8_DYNAMIC || x == NAMP_UINT8_DYNAMIC;
  };
  const int32_t state = dtype(columns.state[0]);
  bool same = true;
  bool dynamic = true;
#pragma unroll
  for (int k = 0; k < kStates; ++k) {
    same = same && dtype(columns.state[k]) == state;
    dynamic = dynamic && is_dynamic(dtype(columns.state[k]));
  }
  if (is_float8(dtype(columns.gradient))) return 0;
  const int32_t parameter = dtype(columns.parameter);
  if (parameter == NAMP_FLOAT32) {
    if (dynamic)
      return update_whole_blocks<kStates, Rule, FloatParameters, DynamicState>(args, task, numbers,
                                                                               c, step);
    return same ? update_plain_states<kStates, Rule, FloatParameters>(args, task, numbers, c, step,
                                                                      state)
                : 0;
  }
  // Weights in half precision are not copied once more.
  const bool copies = columns.compute_copy >= 0 && task.cells[columns.compute_copy].data != nullptr;
  if (parameter != NAMP_BFLOAT16 || copies || !same) return 0;
  if (columns.remainder >= 0 && task.cells[columns.remainder].data != nullptr)
    return update_plain_states<kStates, Rule, RemainderParameters>(args, task, numbers, c, step,
                                                                   state);
  return update_plain_states<kStates, Rule, BFloat16Parameters>(args, task, numbers, c, step,
                                                                state);
}

}  // namespace namp::cuda
