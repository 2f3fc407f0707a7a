// A tensor table as kernels see it: plain pointers into device memory, made by abi/table.cpp, the
// same for every backend.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// Elements of a chunk, the unit of work and of partial sums: 64 KiB of float32. Part of the
// definition of the norm's bits.
inline constexpr int64_t kChunkElements = 16384;

// Accumulators of a chunk's sum of squares: element i of the chunk is added to lane i % kSumLanes.
// Part of the definition of the norm's bits: 128 GPU threads of 8 halves, or 64 AVX-512 vectors.
inline constexpr int64_t kSumLanes = 1024;

// Accumulators of the sum of chunks: part i is added, in float64, to lane i % kPartLanes; those are
// then combined, the upper half onto the lower until one is left. So a GPU's last block adds up a
// table's chunks with all its threads. Of a loss's rows and chunks as well.
inline constexpr int64_t kPartLanes = 128;

// The cell of a tensor without a scale.
inline namp_cell cell_of(const void* data, int32_t dtype) {
  return {const_cast<void*>(data), nullptr, dtype, 0};
}

// The scale of a cell that is not codes in blocks, on the host.
inline float scale_or_one(const namp_cell& cell) {
  return cell.scale == nullptr ? 1.0f : *cell.scale;
}

// A run of elements of one tensor. Chunks are numbered tensor by tensor; an empty tensor has none.
struct Chunk {
  int64_t tensor;
  int64_t begin;  // index of the first element within the tensor
  int64_t count;  // kChunkElements, or the rest
};

// The findings of one chunk (namp_unscale_check). Zeros where a tensor has no gradient.
struct ChunkFacts {
  double sum_of_squares;
  int64_t first_non_finite_index;  // within the tensor, if there is one
  int32_t non_finite_count;
  float largest_magnitude;  // of the finite ones
};

// A table on the device. cells is [tensor_count * column_count], row-major; chunk_facts is
// [chunk_count], facts [tensor_count].
struct TableView {
  int64_t tensor_count;
  int64_t chunk_count;
  int32_t column_count;
  const int64_t* counts;
  const int64_t* first_elements;  // [tensor_count] elements in the tensors before: the counter of
                                  // stochastic rounding
  const namp_cell* cells;
  const int32_t* groups;
  const Chunk* chunks;
  ChunkFacts* chunk_facts;
  namp_overflow_facts* facts;

  // constexpr makes it callable on a GPU.
  constexpr const namp_cell& cell(int64_t tensor, int32_t column) const {
    return cells[tensor * column_count + column];
  }
};

}  // namespace namp
