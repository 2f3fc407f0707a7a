// PTX source text to tokens. Comments and white space end here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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
  int line = 0;
  std::string_view text;  // of the source
  uint64_t bits = 0;
};

// A token at a time: a module's text has millions, of which the parser looks at two. Each throws
// PtxError for a character that PTX doesn't have.
class Lexer {
 public:
  // The source has to live as long as its tokens.
  explicit Lexer(std::string_view source) : source_(source) {}

  // After the last, TokenKind::end for ever.
  Token next();

 private:
  char at(size_t ahead = 0) const {
    return position_ + ahead < source_.size() ? source_[position_ + ahead] : '\0';
  }
  [[noreturn]] void fail(const std::string& message) const;
  void skip_blank();
  Token make(TokenKind kind, size_t begin, uint64_t bits = 0) const {
    return {kind, line_, source_.substr(begin, position_ - begin), bits};
  }
  Token text();
  Token number();
  Token integer(size_t begin, unsigned base);
  uint64_t digits(unsigned base);

  std::string_view source_;
  size_t position_ = 0;
  int line_ = 1;
};

}  // namespace nampemu
