#include "ptx/lexer.h"

#include <array>
#include <bit>
#include <cstdlib>

#include "ptx/error.h"

namespace nampemu {
namespace {

// What a character may be, looked up: this is asked of each of the tens of millions of a library's
// kernels.
enum : uint8_t { kLetter = 1, kDigit = 2, kOther = 4 };
constexpr auto kCharacters = [] {
  std::array<uint8_t, 256> all{};
  for (int c = 'a'; c <= 'z'; ++c)
    all[c] = all[c - 'a' + 'A'] = kLetter;
  for (int c = '0'; c <= '9'; ++c)
    all[c] = kDigit;
  all['_'] = all['$'] = kOther;
  return all;
}();
bool is(char c, int kinds) { return (kCharacters[static_cast<unsigned char>(c)] & kinds) != 0; }

bool starts_name(char c) { return is(c, kLetter | kOther) || c == '%'; }
bool in_name(char c) { return is(c, kLetter | kDigit | kOther); }
bool is_digit(char c) { return is(c, kDigit); }

}  // namespace

void Lexer::fail(const std::string& message) const { throw PtxError(line_, message); }

void Lexer::skip_blank() {
  while (position_ < source_.size()) {
    const char c = at();
    if (c == '\n') {
      ++line_;
      ++position_;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
      ++position_;
    } else if (c == '/' && at(1) == '/') {
      while (position_ < source_.size() && at() != '\n')
        ++position_;
    } else if (c == '/' && at(1) == '*') {
      position_ += 2;
      while (!(at() == '*' && at(1) == '/')) {
        if (position_ >= source_.size()) fail("a comment that doesn't end");
        if (at() == '\n') ++line_;
        ++position_;
      }
      position_ += 2;
    } else {
      return;
    }
  }
}

Token Lexer::next() {
  skip_blank();
  const size_t begin = position_;
  if (position_ >= source_.size() || at() == '\0') return {TokenKind::end, line_, {}, 0};
  const char c = at();
  if (starts_name(c)) {
    ++position_;
    while (in_name(at()))
      ++position_;
    return make(TokenKind::identifier, begin);
  }
  if (c == '.' && (is(at(1), kLetter) || at(1) == '_')) {
    ++position_;
    // "::" as in .shared::cta is part of the name.
    while (in_name(at()) || (at() == ':' && at(1) == ':' && in_name(at(2)))) {
      position_ += at() == ':' ? 2 : 1;
    }
    return make(TokenKind::dotted, begin + 1);
  }
  if (is_digit(c)) return number();
  if (c == '"') return text();
  static constexpr std::string_view punctuation = ",;:{}[]()<>@!+-=|~*/&^.?";
  if (punctuation.find(c) == std::string_view::npos) {
    fail("the character with code " + std::to_string(static_cast<unsigned char>(c)) + " isn't PTX");
  }
  ++position_;
  return make(TokenKind::punctuation, begin);
}

Token Lexer::text() {
  const size_t begin = position_++;
  while (at() != '"') {
    if (position_ >= source_.size() || at() == '\n') fail("a string that doesn't end");
    ++position_;
  }
  ++position_;
  Token token = make(TokenKind::text, begin);
  token.text = token.text.substr(1, token.text.size() - 2);
  return token;
}

Token Lexer::number() {
  const size_t begin = position_;
  const char kind = at(1);
  if (at() == '0' && (kind == 'f' || kind == 'F' || kind == 'd' || kind == 'D')) {
    const bool single = kind == 'f' || kind == 'F';
    position_ += 2;
    const uint64_t bits = digits(16);
    if (position_ - begin != (single ? 10U : 18U)) fail("a float constant of the wrong length");
    return make(single ? TokenKind::float32 : TokenKind::float64, begin, bits);
  }
  if (at() == '0' && (kind == 'x' || kind == 'X')) {
    position_ += 2;
    return integer(begin, 16);
  }
  if (at() == '0' && (kind == 'b' || kind == 'B')) {
    position_ += 2;
    return integer(begin, 2);
  }
  size_t length = 0;
  while (is_digit(at(length)))
    ++length;
  if ((at(length) == '.' && is_digit(at(length + 1))) || at(length) == 'e' || at(length) == 'E') {
    const std::string text(source_.substr(begin, 64));
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    position_ += static_cast<size_t>(end - text.c_str());
    return make(TokenKind::float64, begin, std::bit_cast<uint64_t>(value));
  }
  return integer(begin, at() == '0' && length > 1 ? 8 : 10);
}

Token Lexer::integer(size_t begin, unsigned base) {
  const uint64_t bits = digits(base);
  if (at() == 'U') ++position_;
  return make(TokenKind::integer, begin, bits);
}

uint64_t Lexer::digits(unsigned base) {
  uint64_t value = 0;
  const size_t begin = position_;
  for (;; ++position_) {
    const char c = at();
    unsigned digit = 99;
    if (is_digit(c)) digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base) break;
    if (value > (~uint64_t{0} - digit) / base) fail("an integer above 64 bits");
    value = value * base + digit;
  }
  if (position_ == begin) fail("a number without digits");
  return value;
}

}  // namespace nampemu
