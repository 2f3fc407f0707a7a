// Codes of images as words for sums of windows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/int8_planes.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cstring>

#include "cpu/int8_planes.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Words of four bytes each that lie a distance apart, from columns that are a step apart.
HWY_INLINE void fill_words(const int8_t* in, int64_t bytes, int64_t distance, int64_t columns,
                           int64_t step, uint32_t signs, uint32_t* out) {
  for (int64_t column = 0; column < columns; column += step) {
    uint32_t word = 0;
    for (int64_t byte = 0; byte < bytes; ++byte)
      word |= uint32_t{static_cast<uint8_t>(in[byte * distance + column])} << (8 * byte);
    *out++ = word ^ signs;
  }
}

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE int64_t fill_blocks(const int8_t*, int64_t, int64_t, int64_t, int64_t, uint32_t,
                               uint32_t*, int64_t) {
  return 0;
}
HWY_INLINE void fill_taps(const int8_t* in, int64_t words, int64_t step, const uint8_t* order,
                          uint32_t signs, uint32_t* out) {
  for (int64_t word = 0; word < words; ++word) {
    for (int64_t byte = 0; byte < 4; ++byte)
      reinterpret_cast<int8_t*>(out + word)[byte] = in[word * step + order[byte]];
    out[word] ^= signs;
  }
}
HWY_INLINE void copy_codes(const int8_t* in, int64_t count, int8_t* out) {
  std::memcpy(out, in, static_cast<size_t>(count));
}

#else

namespace hn = hwy::HWY_NAMESPACE;

// Words of four channels, kBytes columns of each remainder by the step (1 or 2) at once, as far as
// they go: the first column that is left. odd: from the word of column 0 to that of column 1.
template <int kBytes, int kStep>
HWY_INLINE int64_t fill_channels(const int8_t* in, int64_t channels, int64_t distance,
                                 int64_t columns, uint32_t signs, uint32_t* out, int64_t odd) {
  const hn::FixedTag<uint8_t, kBytes> tag;
  const auto sign = hn::Set(tag, static_cast<uint8_t>(signs));
  constexpr int64_t kColumns = int64_t{kBytes} * kStep;
  // Where fewer channels are left, the last one is repeated: the weights of the others are zeros.
  const auto channel = [=](int64_t i) {
    return reinterpret_cast<const uint8_t*>(in) + std::min(i, channels - 1) * distance;
  };
  const uint8_t* const p[4] = {channel(0), channel(1), channel(2), channel(3)};
  // The last ones overlap others.
  const int64_t last = (columns - kColumns) / kStep * kStep;
  for (int64_t column = 0; column < columns - kStep + 1; column += kColumns) {
    const int64_t begin = std::min(column, last);
    auto* to = reinterpret_cast<uint8_t*>(out + begin / kStep);
    if constexpr (kStep == 1) {
      const auto codes = [&](int i)
                             HWY_ATTR { return hn::Xor(hn::LoadU(tag, p[i] + begin), sign); };
      hn::StoreInterleaved4(codes(0), codes(1), codes(2), codes(3), tag, to);
    } else {
      hn::Vec<decltype(tag)> low[4];
      hn::Vec<decltype(tag)> high[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        hn::LoadInterleaved2(tag, p[i] + begin, low[i], high[i]);
        low[i] = hn::Xor(low[i], sign);
        high[i] = hn::Xor(high[i], sign);
      }
      hn::StoreInterleaved4(low[0], low[1], low[2], low[3], tag, to);
      hn::StoreInterleaved4(high[0], high[1], high[2], high[3], tag, to + 4 * odd);
    }
  }
  return last + kColumns;
}

HWY_INLINE int64_t fill_blocks(const int8_t* in, int64_t channels, int64_t distance,
                               int64_t columns, int64_t step, uint32_t signs, uint32_t* out,
                               int64_t odd) {
  if (step == 1 && columns >= 16)
    return fill_channels<16, 1>(in, channels, distance, columns, signs, out, odd);
  if (step == 1 && columns >= 4)
    return fill_channels<4, 1>(in, channels, distance, columns, signs, out, odd);
  if (step == 2 && columns >= 32)
    return fill_channels<16, 2>(in, channels, distance, columns, signs, out, odd);
  if (step == 2 && columns >= 8)
    return fill_channels<4, 2>(in, channels, distance, columns, signs, out, odd);
  return 0;
}

// Words of four taps each, a register of them at once, of which all but one may be too many. order: of
// four words, the bytes of their taps.
HWY_INLINE void fill_taps(const int8_t* in, int64_t words, int64_t step, const uint8_t* order,
                          uint32_t signs, uint32_t* out) {
  const hn::ScalableTag<uint32_t> word_tag;
  const hn::Repartition<uint8_t, decltype(word_tag)> tag;
  constexpr int64_t kWords = HWY_LANES(uint32_t);
  // Each block of 16 bytes gets those from its first word's first tap on.
  int32_t blocks[kWords];
  for (int64_t i = 0; i < kWords; ++i)
    blocks[i] = static_cast<int32_t>(i / 4 * step + i % 4);
  const auto lanes = hn::SetTableIndices(word_tag, blocks);
  const auto bytes = hn::LoadDup128(tag, order);
  const auto sign = hn::Set(tag, static_cast<uint8_t>(signs));
  for (int64_t word = 0; word < words; word += kWords) {
    const auto codes = hn::LoadU(tag, reinterpret_cast<const uint8_t*>(in + word * step));
    const auto near = hn::TableLookupLanes(hn::BitCast(word_tag, codes), lanes);
    const auto taps = hn::TableLookupBytes(hn::BitCast(tag, near), bytes);
    hn::StoreU(hn::BitCast(word_tag, hn::Xor(taps, sign)), word_tag, out + word);
  }
}

HWY_INLINE void copy_codes(const int8_t* in, int64_t count, int8_t* out) {
  const hn::FixedTag<int8_t, 16> tag;
  if (count < 16) {
    std::memcpy(out, in, static_cast<size_t>(count));
    return;
  }
  for (int64_t i = 0; i < count; i += 16) {
    const int64_t at = std::min<int64_t>(i, count - 16);
    hn::StoreU(hn::LoadU(tag, in + at), tag, out + at);
  }
}

#endif

// The padded image first, its rows in the order of their words: a load across the borders of stores
// that are not in the cache yet waits.
void fill_columns(const Int8Planes& planes, const int8_t* input, uint32_t* words) {
  const Window& height = planes.shape.height;
  const Window& width = planes.shape.width;
  const int64_t step = planes.column_step;
  auto* image = reinterpret_cast<int8_t*>(words + planes.plane_words());
  for (int64_t first = 0; first < std::min(planes.row_step, height.in); ++first) {
    const int64_t row = first + height.pad;
    const int64_t line = row % planes.row_step * planes.part_rows + row / planes.row_step;
    int8_t* out = image + line * planes.part_columns * step + width.pad;
    for (int64_t from = first; from < height.in; from += planes.row_step) {
      copy_codes(input + from * width.in, width.in, out);
      out += planes.part_columns * step;
    }
  }
  // The bytes of four words' taps, which lie in a register if they are near.
  const bool near = step + width.dilation <= 5;
  uint8_t order[16] = {};
  for (int64_t i = 0; near && i < 16; ++i)
    order[i] = static_cast<uint8_t>(i / 4 * step + i % 4 * width.dilation);
  // Words after the end of a part are written again with the next one, or count for nothing; so do
  // those whose taps are in the next row.
  for (int64_t part = 0; part < planes.row_step * step; ++part) {
    const int8_t* in = image + part / step * planes.part_words() * step + part % step;
    uint32_t* out = words + part * planes.part_words();
    if (near) {
      fill_taps(in, planes.part_words(), step, order, planes.signs, out);
    } else {
      fill_words(in, 4, width.dilation, planes.part_words() * step, step, planes.signs, out);
    }
  }
}

void fill_planes(const Int8Planes& planes, const int8_t* input, uint32_t* words) {
  if (planes.taps.by_columns) return fill_columns(planes, input, words);
  const Window& height = planes.shape.height;
  const Window& width = planes.shape.width;
  const int64_t pixels = planes.shape.pixels;
  const int64_t step = planes.column_step;
  // Rows without padding between them are one.
  const bool whole = planes.row_step == 1 && step == 1 && width.pad == 0;
  const int64_t lines = whole ? 1 : height.in;
  const int64_t columns = pixels / lines;
  for (int64_t quad = 0; quad < planes.taps.quads; ++quad) {
    const int64_t channels = std::min<int64_t>(4, planes.shape.group_in - 4 * quad);
    const int8_t* in = input + 4 * quad * pixels;
    for (int64_t first = 0; first < std::min(planes.row_step, lines); ++first) {
      int64_t begin = planes.word(quad, first + height.pad, width.pad);
      const int64_t odd = planes.word(quad, first + height.pad, width.pad + 1) - begin;
      for (int64_t row = first; row < lines; row += planes.row_step) {
        const int8_t* line = in + row * columns;
        const int64_t done =
            fill_blocks(line, channels, pixels, columns, step, planes.signs, words + begin, odd);
        for (int64_t column = done; column < std::min(done + step, columns); ++column)
          fill_words(line + column, channels, pixels, columns - column, step, planes.signs,
                     words + planes.word(quad, row + height.pad, width.pad + column));
        begin += planes.part_columns;
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(fill_planes);

void pad_int8_planes(const Int8Planes& planes, int32_t zero_point, uint32_t* words) {
  const uint32_t codes = static_cast<uint8_t>(zero_point) * 0x01010101u;
  std::fill_n(words, planes.plane_words(), codes ^ planes.signs);
  // The padded image's codes are signed.
  std::fill(words + planes.plane_words(), words + planes.words(), codes);
}

void fill_int8_planes(namp_simd simd, const Int8Planes& planes, const int8_t* input,
                      uint32_t* words) {
  fill_planes_by_simd(simd)(planes, input, words);
}

}  // namespace namp
#endif
