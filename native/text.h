// Text into the fixed arrays of the C interface's structs.
#pragma once

#include <cstddef>
#include <string>

namespace namp {

// Copies text, zero-terminated. A text that is longer than the array is cut between characters of
// UTF-8.
template <size_t kCapacity>
void copy_text(char (&destination)[kCapacity], const std::string& text) {
  size_t length = text.copy(destination, kCapacity - 1);
  if (length < text.size()) {
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
      --length;
  }
  destination[length] = '\0';
}

}  // namespace namp
