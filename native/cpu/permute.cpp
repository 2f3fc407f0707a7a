// Permutes the dimensions of a tensor. It copies runs if the last dimension stays, and transposes
// tiles if not. Elements are moved, never converted.
#include <cstring>

#include "cpu/cpu_backend.h"
#include "dtype.h"

namespace namp {
namespace {

constexpr int64_t kTile = 32;  // a tile's rows of 4-byte elements are two cache lines
constexpr int64_t kGrainElements = 1 << 14;

struct Dimension {
  int64_t size;
  int64_t in_stride;   // elements from one index to the next, in the input
  int64_t out_stride;  // the same in the output
};

// A permutation in its shortest form: in the order of the output, without dimensions of size 1, and
// with dimensions that stay adjacent merged.
struct Plan {
  Dimension dimensions[NAMP_PERMUTE_MAX_RANK];
  int32_t rank = 0;

  Plan(int32_t full_rank, const int64_t* shape, const int32_t* perm) {
    int64_t in_strides[NAMP_PERMUTE_MAX_RANK];
    int64_t stride = 1;
    for (int32_t d = full_rank; d-- > 0;) {
      in_strides[d] = stride;
      stride *= shape[d];
    }
    for (int32_t d = 0; d < full_rank; ++d) {
      const int64_t size = shape[perm[d]];
      const int64_t in_stride = in_strides[perm[d]];
      if (size == 1) continue;
      if (rank > 0 && dimensions[rank - 1].in_stride == in_stride * size) {
        dimensions[rank - 1].size *= size;
        dimensions[rank - 1].in_stride = in_stride;
      } else {
        dimensions[rank++] = {size, in_stride, 0};
      }
    }
    if (rank == 0) dimensions[rank++] = {1, 1, 1};
    stride = 1;
    for (int32_t d = rank; d-- > 0;) {
      dimensions[d].out_stride = stride;
      stride *= dimensions[d].size;
    }
  }
};

struct Offsets {
  int64_t in = 0;
  int64_t out = 0;
};

// The offsets of the index-th combination of these dimensions.
Offsets locate(int64_t index, const Dimension* dimensions, int32_t rank) {
  Offsets offsets;
  for (int32_t d = rank; d-- > 0;) {
    const int64_t i = index % dimensions[d].size;
    index /= dimensions[d].size;
    offsets.in += i * dimensions[d].in_stride;
    offsets.out += i * dimensions[d].out_stride;
  }
  return offsets;
}

int64_t combinations(const Dimension* dimensions, int32_t rank) {
  int64_t count = 1;
  for (int32_t d = 0; d < rank; ++d)
    count *= dimensions[d].size;
  return count;
}

// The last dimension stays the last: runs are copied.
template <class T>
void copy_runs(const Threads& threads, T* out, const T* in, const Plan& plan) {
  const int64_t run = plan.dimensions[plan.rank - 1].size;
  const int64_t runs = combinations(plan.dimensions, plan.rank - 1);
  if (runs == 1) {
    threads.parallel_for(run, kGrainElements, [=](int64_t begin, int64_t end) {
      std::memcpy(out + begin, in + begin, static_cast<size_t>(end - begin) * sizeof(T));
    });
    return;
  }
  const int64_t grain = std::max<int64_t>(1, kGrainElements / run);
  threads.parallel_for(runs, grain, [&, run](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const Offsets at = locate(r, plan.dimensions, plan.rank - 1);
      std::memcpy(out + at.out, in + at.in, static_cast<size_t>(run) * sizeof(T));
    }
  });
}

// One tile of a transpose: the input is contiguous along rows, the output along columns.
template <class T>
void transpose_tile(T* out, int64_t out_stride, const T* in, int64_t in_stride, int64_t rows,
                    int64_t columns) {
  if (rows == kTile && columns == kTile) {
    T tile[kTile][kTile];
    for (int64_t c = 0; c < kTile; ++c) {
      std::memcpy(tile[c], in + c * in_stride, sizeof(tile[c]));
    }
    for (int64_t r = 0; r < kTile; ++r) {
      T line[kTile];
      for (int64_t c = 0; c < kTile; ++c)
        line[c] = tile[c][r];
      std::memcpy(out + r * out_stride, line, sizeof(line));
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c)
      out[r * out_stride + c] = in[c * in_stride + r];
  }
}

// The output's last dimension ("columns") is another than the input's ("rows"): tiles of the two.
template <class T>
void transpose(const Threads& threads, T* out, const T* in, const Plan& plan) {
  const Dimension columns = plan.dimensions[plan.rank - 1];
  Dimension others[NAMP_PERMUTE_MAX_RANK];
  Dimension rows{};
  int32_t other_count = 0;
  for (int32_t d = 0; d < plan.rank - 1; ++d) {
    if (plan.dimensions[d].in_stride == 1) {
      rows = plan.dimensions[d];
    } else {
      others[other_count++] = plan.dimensions[d];
    }
  }
  const int64_t row_tiles = (rows.size + kTile - 1) / kTile;
  const int64_t planes = combinations(others, other_count);
  const int64_t grain = std::max<int64_t>(1, kGrainElements / (kTile * columns.size));
  threads.parallel_for(planes * row_tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const Offsets at = locate(task / row_tiles, others, other_count);
      const int64_t r = task % row_tiles * kTile;
      for (int64_t c = 0; c < columns.size; c += kTile) {
        transpose_tile(out + at.out + r * rows.out_stride + c, rows.out_stride,
                       in + at.in + r + c * columns.in_stride, columns.in_stride,
                       std::min(kTile, rows.size - r), std::min(kTile, columns.size - c));
      }
    }
  });
}

template <class T>
void permute_elements(const Threads& threads, void* out, const void* in, const Plan& plan) {
  auto* typed_out = static_cast<T*>(out);
  const auto* typed_in = static_cast<const T*>(in);
  if (plan.dimensions[plan.rank - 1].in_stride == 1) {
    copy_runs(threads, typed_out, typed_in, plan);
  } else {
    transpose(threads, typed_out, typed_in, plan);
  }
}

}  // namespace

void CpuBackend::permute(void* out, const void* in, namp_dtype dtype, int32_t rank,
                         const int64_t* shape, const int32_t* perm, namp_stream) {
  const Plan plan(rank, shape, perm);
  switch (dtype_size(dtype)) {
    case 1:
      return permute_elements<uint8_t>(threads_, out, in, plan);
    case 2:
      return permute_elements<uint16_t>(threads_, out, in, plan);
    case 4:
      return permute_elements<uint32_t>(threads_, out, in, plan);
  }
  __builtin_trap();
}

}  // namespace namp
