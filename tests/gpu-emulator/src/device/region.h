// A stretch of memory with what is known of it: which bytes were written, and who touched them
// last.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ptx/syntax.h"

namespace nampemu {

// Who last wrote and read four bytes, or one byte where threads share a word: a stamp packs launch,
// block, thread and the block's time.
struct Touch {
  uint64_t writer = 0;
  uint64_t reader = 0;
};

struct Region {
  uint64_t base = 0;  // generic address
  uint64_t size = 0;
  std::byte* bytes =
      nullptr;  // where they lie: elsewhere for a device's memory, which the host can't reach at its addresses
  Space space = Space::global;
  int device = -1;  // -1: every device sees it
  bool alive = true;
  uint8_t* written = nullptr;     // a byte for each byte; null: nothing to check
  Touch* touches = nullptr;       // for each 4 bytes from base; null: races aren't looked for
  Touch* byte_touches = nullptr;  // for each byte, where a word is shared by narrower accesses
  uint32_t* before = nullptr;     // each 4 bytes as they were before the last block wrote them
  uint64_t context = 0;           // the owner, for leaks
  bool owned_by_module = false;
  std::byte* at(uint64_t address) const { return bytes + (address - base); }
  bool holds(uint64_t address, uint64_t bytes) const {
    return address - base < size && bytes <= size - (address - base);
  }
};

}  // namespace nampemu
