// PTX source text to tokens. Comments and white space end here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nampemu {

enum class TokenKind {
  identifier,  // add, %r1, $L__BB0_1, _
  dotted,      // .reg, .f32: text without the dot
  integer,     // bits
  float32,     // 0f3F800000: bits
  float64,     // 0d3FF0000000000000 or 1.5: bits of the double
  text,        // "…"
  punctuation,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  uint64_t bits = 0;
  int line = 0;
};

// Throws PtxError for a character that PTX doesn't have.
std::vector<Token> tokenize(std::string_view source);

}  // namespace nampemu
