#include "ptx/parser.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "ptx/error.h"
#include "ptx/lexer.h"

namespace nampemu {

bool parse_type(std::string_view word, Type& type) {
  using Kind = Type::Kind;
  static const std::map<std::string_view, Type> types = {
      {"b8", {Kind::bits, 1, false}},       {"b16", {Kind::bits, 2, false}},
      {"b32", {Kind::bits, 4, false}},      {"b64", {Kind::bits, 8, false}},
      {"u8", {Kind::unsigned_, 1, false}},  {"u16", {Kind::unsigned_, 2, false}},
      {"u32", {Kind::unsigned_, 4, false}}, {"u64", {Kind::unsigned_, 8, false}},
      {"s8", {Kind::signed_, 1, false}},    {"s16", {Kind::signed_, 2, false}},
      {"s32", {Kind::signed_, 4, false}},   {"s64", {Kind::signed_, 8, false}},
      {"f16", {Kind::float_, 2, false}},    {"f16x2", {Kind::float_, 4, true}},
      {"bf16", {Kind::bfloat, 2, false}},   {"bf16x2", {Kind::bfloat, 4, true}},
      {"f32", {Kind::float_, 4, false}},    {"f64", {Kind::float_, 8, false}},
      {"pred", {Kind::predicate, 0, false}}};
  const auto found = types.find(word);
  if (found == types.end()) return false;
  type = found->second;
  return true;
}

namespace {

bool parse_space(std::string_view word, Space& space) {
  static const std::map<std::string_view, Space> spaces = {
      {"reg", Space::reg},     {"global", Space::global},  {"shared", Space::shared},
      {"local", Space::local}, {"const", Space::constant}, {"param", Space::param}};
  const auto found = spaces.find(word);
  if (found == spaces.end()) return false;
  space = found->second;
  return true;
}

class Parser {
 public:
  explicit Parser(std::string_view source) : lexer_(source), ahead_{lexer_.next(), lexer_.next()} {}

  Syntax run() {
    expect_dotted("version");
    parse_version();
    while (peek().kind != TokenKind::end)
      parse_top();
    return std::move(syntax_);
  }

 private:
  // Tokens.
  const Token& peek(size_t ahead = 0) const { return ahead_[ahead]; }
  Token take() {
    const Token token = ahead_[0];
    ahead_[0] = ahead_[1];
    ahead_[1] = lexer_.next();
    return token;
  }
  [[noreturn]] void fail(const std::string& message) const { throw PtxError(peek().line, message); }
  bool is_punctuation(char c, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::punctuation && peek(ahead).text[0] == c;
  }
  bool accept(char c) {
    if (!is_punctuation(c)) return false;
    take();
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("'" + std::string(1, c) + "' expected, " + found());
  }
  std::string found() const { return "'" + std::string(peek().text) + "' found"; }
  bool is_dotted(const char* text) const {
    return peek().kind == TokenKind::dotted && peek().text == text;
  }
  bool accept_dotted(const char* text) {
    if (!is_dotted(text)) return false;
    take();
    return true;
  }
  void expect_dotted(const char* text) {
    if (!accept_dotted(text)) fail("." + std::string(text) + " expected");
  }
  std::string expect_name() {
    if (peek().kind != TokenKind::identifier) fail("a name expected, " + found());
    return std::string(take().text);
  }
  uint64_t expect_integer() {
    if (peek().kind != TokenKind::integer) fail("an integer expected, " + found());
    return take().bits;
  }

  // Module level.
  void parse_version() {
    // The lexer reads "7.5" as a double: its text has what is needed.
    const std::string text(take().text);
    const size_t dot = text.find('.');
    if (dot == std::string::npos) fail("a version like 7.5 expected");
    syntax_.version = std::atoi(text.c_str()) * 10 + std::atoi(text.c_str() + dot + 1);
    if (syntax_.version < 60) fail("PTX before 6.0 isn't known");
  }

  void parse_top() {
    if (accept_dotted("target")) {
      do {
        const std::string name = expect_name();
        if (name.rfind("sm_", 0) == 0) {
          syntax_.target = std::atoi(name.c_str() + 3);
        } else if (name != "debug" && name != "texmode_independent") {
          fail("target '" + name + "' isn't known");
        }
      } while (accept(','));
      return;
    }
    if (accept_dotted("address_size")) {
      if (expect_integer() != 64) fail("only .address_size 64 is known");
      return;
    }
    if (accept_dotted("file")) {
      const int line = peek().line;
      while (peek().line == line && peek().kind != TokenKind::end)
        take();
      return;
    }
    if (accept_dotted("section")) {
      while (!is_punctuation('{'))
        take();
      while (!accept('}')) {
        if (peek().kind == TokenKind::end) fail("a .section that doesn't end");
        take();
      }
      return;
    }
    bool is_extern = false;
    while (true) {
      if (accept_dotted("extern")) {
        is_extern = true;
      } else if (!accept_dotted("visible") && !accept_dotted("weak") && !accept_dotted("common")) {
        break;
      }
    }
    if (is_dotted("entry") || is_dotted("func")) {
      parse_function();
    } else {
      Space space;
      if (peek().kind != TokenKind::dotted || !parse_space(peek().text, space) ||
          space == Space::reg || space == Space::param) {
        fail("the directive '" + std::string(peek().text) + "' isn't known here");
      }
      take();
      for (Variable& variable : parse_variables(space, is_extern)) {
        expect_new(variable.name);
        syntax_.variables.push_back(std::move(variable));
      }
    }
  }

  void expect_new(const std::string& name) {
    if (!global_names_.insert(name).second) fail("'" + name + "' is declared twice");
  }

  // Variables: after the space, up to and including ';'.
  std::vector<Variable> parse_variables(Space space, bool is_extern) {
    Variable base;
    base.space = space;
    base.line = peek().line;
    base.is_extern = is_extern;
    parse_variable_type(base);
    std::vector<Variable> all;
    do {
      Variable variable = base;
      variable.name = expect_name();
      if (accept('<')) {  // .reg .b32 %r<5>: %r0 … %r4
        const uint64_t count = expect_integer();
        expect('>');
        if (space != Space::reg || count > 1'000'000) fail("a register range isn't possible here");
        for (uint64_t i = 0; i < count; ++i) {
          Variable one = variable;
          one.name += std::to_string(i);
          all.push_back(one);
        }
        continue;
      }
      parse_dimensions(variable);
      if (accept('=')) parse_initializers(variable);
      all.push_back(variable);
    } while (accept(','));
    expect(';');
    return all;
  }

  void parse_variable_type(Variable& variable) {
    bool has_type = false;
    while (peek().kind == TokenKind::dotted) {
      const std::string word(take().text);
      if (word == "align") {
        variable.alignment = expect_integer();
      } else if (word == "ptr" && variable.space == Space::param) {
        // A note for the optimizer: .ptr .global .align 4
        Space ignored;
        if (peek().kind == TokenKind::dotted && parse_space(peek().text, ignored)) take();
        if (accept_dotted("align")) expect_integer();
      } else if (parse_type(word, variable.type)) {
        has_type = true;
      } else {
        fail("'." + word + "' of a declaration isn't known");
      }
    }
    if (!has_type) fail("a type expected");
    if (variable.type.kind == Type::Kind::predicate && variable.space != Space::reg) {
      fail(".pred is for registers only");
    }
    if (variable.alignment == 0) variable.alignment = std::max<uint64_t>(1, variable.type.bytes);
    if ((variable.alignment & (variable.alignment - 1)) != 0 || variable.alignment > 4096) {
      fail("an alignment of " + std::to_string(variable.alignment) + " isn't possible");
    }
  }

  void parse_dimensions(Variable& variable) {
    while (accept('[')) {
      if (accept(']')) {
        variable.unsized = true;
        variable.elements = 0;
        continue;
      }
      const uint64_t count = expect_integer();
      if (count == 0 || variable.elements > (uint64_t{1} << 40) / count) fail("an array too large");
      variable.elements *= count;
      expect(']');
    }
  }

  void parse_initializers(Variable& variable) {
    if (!accept('{')) {
      variable.initializers.push_back(parse_initializer());
    } else {
      parse_initializer_list(variable);
    }
    if (variable.unsized) {
      variable.unsized = false;
      variable.elements = variable.initializers.size();
    }
    if (variable.initializers.size() > variable.elements) fail("more values than elements");
  }

  void parse_initializer_list(Variable& variable) {
    do {
      if (is_punctuation('}')) break;
      if (accept('{')) {
        parse_initializer_list(variable);
      } else {
        variable.initializers.push_back(parse_initializer());
      }
    } while (accept(','));
    expect('}');
  }

  Initializer parse_initializer() {
    Initializer value;
    if (peek().kind == TokenKind::identifier) {
      std::string name(take().text);
      if (name == "generic" && accept('(')) {
        value.generic = true;
        name = expect_name();
        expect(')');
      }
      value.symbol = name;
      if (accept('+')) value.bits = expect_integer();
      return value;
    }
    const Operand operand = parse_constant();
    value.bits = operand.bits;
    value.kind = operand.kind;
    return value;
  }

  // Functions.
  void parse_function() {
    Function function;
    function.line = peek().line;
    function.is_entry = take().text == "entry";
    scopes_.assign(1, {});
    if (accept('(')) function.results = parse_parameters();
    function.name = expect_name();
    if (accept('(')) function.parameters = parse_parameters();
    parse_performance(function);
    if (!accept(';')) {
      function.has_body = true;
      expect('{');
      parse_scope(function);
    }
    const auto same = std::find_if(syntax_.functions.begin(), syntax_.functions.end(),
                                   [&](const Function& f) { return f.name == function.name; });
    if (same == syntax_.functions.end()) {
      expect_new(function.name);
      syntax_.functions.push_back(std::move(function));
    } else if (!same->has_body) {
      *same = std::move(function);
    } else if (function.has_body) {
      fail("'" + function.name + "' is defined twice");
    }
  }

  std::vector<Variable> parse_parameters() {
    std::vector<Variable> all;
    if (accept(')')) return all;
    do {
      Variable variable;
      variable.line = peek().line;
      variable.space = Space::param;
      expect_dotted("param");
      parse_variable_type(variable);
      variable.name = expect_name();
      parse_dimensions(variable);
      all.push_back(variable);
      scopes_[0][variable.name] = variable.name;
    } while (accept(','));
    expect(')');
    return all;
  }

  void parse_performance(Function& function) {
    while (peek().kind == TokenKind::dotted) {
      const std::string word(take().text);
      if (word == "maxntid" || word == "reqntid") {
        uint32_t* to = word == "maxntid" ? function.maximum_threads : function.required_threads;
        to[0] = to[1] = to[2] = 1;
        int axis = 0;
        do {
          if (axis == 3) fail("at most three sizes");
          to[axis++] = static_cast<uint32_t>(expect_integer());
        } while (accept(','));
      } else if (word == "minnctapersm" || word == "maxnreg" || word == "maxnctapersm") {
        expect_integer();
      } else if (word == "pragma") {
        parse_pragma();
      } else if (word != "noreturn") {
        fail("the directive '." + word + "' isn't known here");
      }
    }
  }

  void parse_pragma() {
    do {
      if (take().kind != TokenKind::text) fail("a string expected");
    } while (accept(','));
    expect(';');
  }

  // A name declared in an inner scope gets a suffix, so that a function has one flat list.
  std::string resolve(const std::string& name) const {
    for (size_t i = scopes_.size(); i-- > 0;) {
      const auto found = scopes_[i].find(name);
      if (found != scopes_[i].end()) return found->second;
    }
    return name;
  }

  void declare(Function& function, Variable variable) {
    auto& scope = scopes_.back();
    if (scope.count(variable.name) != 0) fail("'" + variable.name + "' is declared twice");
    std::string unique = variable.name;
    if (scopes_.size() > 1) unique += "#" + std::to_string(++unique_);
    scope[variable.name] = unique;
    variable.name = unique;
    function.variables.push_back(std::move(variable));
  }

  // After '{', up to and including '}'.
  void parse_scope(Function& function) {
    while (!accept('}')) {
      if (peek().kind == TokenKind::end) fail("a body that doesn't end");
      if (accept('{')) {
        if (scopes_.size() > 64) fail("scopes too deep");
        scopes_.emplace_back();
        parse_scope(function);
        scopes_.pop_back();
      } else if (peek().kind == TokenKind::dotted) {
        parse_body_directive(function);
      } else {
        parse_statement(function);
      }
    }
  }

  void parse_body_directive(Function& function) {
    Space space;
    if (parse_space(peek().text, space) && space != Space::global) {
      take();
      for (Variable& variable : parse_variables(space, false)) {
        declare(function, std::move(variable));
      }
      return;
    }
    if (accept_dotted("loc")) {
      const int line = peek().line;
      while (peek().line == line && peek().kind != TokenKind::end)
        take();
      return;
    }
    if (accept_dotted("pragma")) return parse_pragma();
    fail("the directive '." + std::string(peek().text) + "' isn't known here");
  }

  void parse_statement(Function& function) {
    if (accept(';')) return;
    Statement statement;
    statement.line = peek().line;
    if (peek().kind == TokenKind::identifier && is_punctuation(':', 1)) {
      statement.label = take().text;
      expect(':');
      if (accept_dotted("branchtargets")) {
        std::vector<std::string> targets;
        do {
          targets.push_back(expect_name());
        } while (accept(','));
        expect(';');
        function.branch_targets[statement.label] = targets;
        return;
      }
      function.body.push_back(std::move(statement));
      return;
    }
    if (accept('@')) {
      statement.guard_negated = accept('!');
      statement.guard = resolve(expect_name());
    }
    statement.opcode = expect_name();
    while (peek().kind == TokenKind::dotted)
      statement.modifiers.emplace_back(take().text);
    while (!accept(';')) {
      if (!statement.operands.empty()) expect(',');
      statement.operands.push_back(parse_operand());
    }
    function.body.push_back(std::move(statement));
  }

  Operand parse_operand() {
    Operand operand = parse_simple();
    if (!accept('|')) return operand;
    Operand pair;
    pair.kind = Operand::Kind::pair;
    pair.parts.push_back(std::move(operand));
    pair.parts.push_back(parse_simple());
    return pair;
  }

  Operand parse_simple() {
    Operand operand;
    if (accept('{')) {
      operand.kind = Operand::Kind::vector;
      do {
        operand.parts.push_back(parse_simple());
      } while (accept(','));
      expect('}');
      return operand;
    }
    if (accept('(')) {
      operand.kind = Operand::Kind::list;
      if (accept(')')) return operand;
      do {
        operand.parts.push_back(parse_simple());
      } while (accept(','));
      expect(')');
      return operand;
    }
    if (accept('[')) {
      operand.kind = Operand::Kind::address;
      Operand base = parse_simple();
      operand.offset = base.offset;
      base.offset = 0;
      operand.parts.push_back(std::move(base));
      expect(']');
      return operand;
    }
    if (accept('!')) {
      operand = parse_simple();
      operand.negated = true;
      return operand;
    }
    if (peek().kind != TokenKind::identifier) return parse_constant();
    operand.text = take().text;
    // %tid.x: a special register's component reads as a dotted word.
    if (operand.text[0] == '%' && peek().kind == TokenKind::dotted) {
      operand.text += '.';
      operand.text += take().text;
      return operand;
    }
    operand.text = resolve(operand.text);
    while (is_punctuation('+') || is_punctuation('-')) {
      const bool minus = take().text[0] == '-';
      const bool twice = accept('-');
      const int64_t value = static_cast<int64_t>(expect_integer());
      operand.offset += minus != twice ? -value : value;
    }
    return operand;
  }

  Operand parse_constant() {
    Operand operand;
    const bool minus = accept('-');
    const bool complement = !minus && accept('~');
    const Token token = take();
    operand.bits = token.bits;
    switch (token.kind) {
      case TokenKind::integer:
        operand.kind = Operand::Kind::integer;
        if (minus) operand.bits = ~operand.bits + 1;
        if (complement) operand.bits = ~operand.bits;
        break;
      case TokenKind::float32:
        operand.kind = Operand::Kind::float32;
        if (minus) operand.bits ^= uint64_t{1} << 31;
        break;
      case TokenKind::float64:
        operand.kind = Operand::Kind::float64;
        if (minus) operand.bits ^= uint64_t{1} << 63;
        break;
      default:
        fail("an operand expected, '" + std::string(token.text) + "' found");
    }
    return operand;
  }

  Lexer lexer_;
  std::array<Token, 2> ahead_;  // the next ones
  Syntax syntax_;
  std::set<std::string> global_names_;
  std::vector<std::unordered_map<std::string, std::string>> scopes_;
  int unique_ = 0;
};

}  // namespace

Syntax parse_ptx(std::string_view source) { return Parser(source).run(); }

}  // namespace nampemu
