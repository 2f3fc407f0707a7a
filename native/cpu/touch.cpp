// The memory traffic of a kernel without its arithmetic: the limit that kernels are measured
// against.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/touch.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"

#include <atomic>

#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "cpu/streaming.h"
#include "cpu/touch.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Calls op for whole vectors, then for the elements that are left; both give the exclusive or of
// what they were given before and the bits they read.
template <class Word, class OnVector, class OnWord>
HWY_INLINE uint32_t touch_run(Word* p, int64_t count, OnVector on_vector, OnWord on_word) {
  const hn::ScalableTag<Word> tag;
  constexpr int64_t kWords = HWY_LANES(Word);
  auto seen = hn::Zero(tag);
  int64_t i = 0;
  for (; i + kWords <= count; i += kWords)
    seen = on_vector(p + i, seen);
  Word lanes[kWords];
  hn::StoreU(seen, tag, lanes);
  Word all = 0;
  for (Word lane : lanes)
    all = static_cast<Word>(all ^ lane);
  for (; i < count; ++i)
    all = on_word(p + i, all);
  return all;
}

template <class Word>
uint32_t touch_words(Word* p, int64_t count, const TouchColumn& column) {
  const hn::ScalableTag<Word> tag;
  const auto read = [&](const Word* at, auto seen)
                        NAMP_LANES { return hn::Xor(seen, hn::LoadU(tag, at)); };
  const auto read_one = [](const Word* at, Word seen) { return static_cast<Word>(seen ^ *at); };
  if (column.access == NAMP_ACCESS_READ) return touch_run(p, count, read, read_one);

  if (column.access == NAMP_ACCESS_READ_WRITE) {
    return touch_run(
        p, count,
        [&](Word* at, auto seen) NAMP_LANES {
          const auto words = hn::LoadU(tag, at);
          hn::StoreU(hn::Not(words), tag, at);
          return hn::Xor(seen, words);
        },
        [](Word* at, Word seen) {
          const Word word = *at;
          *at = static_cast<Word>(~word);
          return static_cast<Word>(seen ^ word);
        });
  }

  const auto zeros = hn::Zero(tag);
  const auto write_one = [](Word* at, Word seen) {
    *at = 0;
    return seen;
  };
  if (column.streams && reinterpret_cast<uintptr_t>(p) % (HWY_LANES(Word) * sizeof(Word)) == 0) {
    return touch_run(
        p, count,
        [&](Word* at, auto seen) NAMP_LANES {
          hn::Stream(zeros, tag, at);
          return seen;
        },
        write_one);
  }
  return touch_run(
      p, count,
      [&](Word* at, auto seen) NAMP_LANES {
        hn::StoreU(zeros, tag, at);
        return seen;
      },
      write_one);
}

// Column by column in blocks: small enough that all streams advance together, as a kernel's do, and
// large enough that choosing what to do costs nothing beside doing it.
uint32_t touch_chunk(const TouchColumn* columns, int32_t column_count, int64_t count) {
  constexpr int64_t kBlock = 256;
  uint32_t seen = 0;
  bool streamed = false;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t length = std::min(kBlock, count - begin);
    for (int32_t i = 0; i < column_count; ++i) {
      const TouchColumn& column = columns[i];
      if (column.element_bytes == 4) {
        seen ^= touch_words(static_cast<uint32_t*>(column.data) + begin, length, column);
      } else if (column.element_bytes == 2) {
        seen ^= touch_words(static_cast<uint16_t*>(column.data) + begin, length, column);
      } else {
        seen ^= touch_words(static_cast<uint8_t*>(column.data) + begin, length, column);
      }
      streamed = streamed || column.streams;
    }
  }
  if (streamed) hwy::FlushStream();
  return seen;
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(touch_chunk);

}  // namespace

void CpuBackend::touch_table(uint32_t* checksum, const TableView& table, const int32_t* accesses,
                             namp_stream) {
  const auto kernel = touch_chunk_by_simd(simd_);
  const bool streaming = streams(table);
  std::atomic<uint32_t> all{0};
  threads_.parallel_for(table.chunk_count, 1, [&](int64_t index, int64_t) {
    const Chunk& chunk = table.chunks[index];
    TouchColumn columns[NAMP_TABLE_MAX_COLUMNS];
    int32_t used = 0;
    for (int32_t column = 0; column < table.column_count; ++column) {
      const namp_cell& cell = table.cell(chunk.tensor, column);
      const auto access = static_cast<namp_access>(accesses[column]);
      if (access == NAMP_ACCESS_NONE || cell.data == nullptr) continue;
      const auto dtype = static_cast<namp_dtype>(cell.dtype);
      columns[used++] = {element(cell.data, dtype, chunk.begin), dtype_size(dtype), access,
                         streaming && access == NAMP_ACCESS_WRITE};
    }
    all.fetch_xor(kernel(columns, used, chunk.count), std::memory_order_relaxed);
  });
  if (checksum != nullptr) *checksum = all.load();
}

}  // namespace namp
#endif
