// A PTX module as the parser leaves it: names resolved to scopes, nothing executed or checked for
// meaning yet.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nampemu {

enum class Space : uint8_t { generic, global, shared, local, constant, param, reg };

// A type as written: .f32, .b64, .pred …
struct Type {
  enum class Kind : uint8_t { bits, unsigned_, signed_, float_, bfloat, predicate };
  Kind kind = Kind::bits;
  uint8_t bytes = 0;    // of one value; a pair counts both halves
  bool packed = false;  // f16x2, bf16x2
  bool operator==(const Type&) const = default;
  bool is_float() const { return kind == Kind::float_ || kind == Kind::bfloat; }
  bool is_integer() const { return kind == Kind::unsigned_ || kind == Kind::signed_; }
};

// False for a word that isn't a type.
bool parse_type(std::string_view word, Type& type);

struct Operand {
  enum class Kind : uint8_t {
    name,     // register, special register, variable, label or function: text
    integer,  // bits
    float32,  // bits
    float64,  // bits
    vector,   // {a, b}: parts
    address,  // [base + offset]: parts[0] is the base (a name or an integer), offset
    list,     // (a, b) of a call: parts
    pair,     // a|b: parts
  };
  Kind kind = Kind::name;
  std::string text;
  uint64_t bits = 0;
  int64_t offset = 0;    // name + offset, [base + offset]
  bool negated = false;  // !p
  std::vector<Operand> parts;
};

struct Statement {
  int line = 0;
  std::string label;   // a label standing alone; opcode is empty then
  std::string opcode;  // add
  std::vector<std::string> modifiers;
  std::vector<Operand> operands;
  std::string guard;  // the predicate of @p
  bool guard_negated = false;
};

struct Initializer {
  uint64_t bits = 0;
  Operand::Kind kind = Operand::Kind::integer;
  std::string symbol;  // an address, plus bits
  bool generic = false;
};

struct Variable {
  std::string name;
  int line = 0;
  Space space = Space::reg;
  Type type;
  uint64_t alignment = 0;
  uint64_t elements = 1;  // of type
  bool is_extern = false;
  bool unsized = false;  // extern .shared name[]
  std::vector<Initializer> initializers;
  uint64_t bytes() const { return elements * type.bytes; }
};

struct Function {
  std::string name;
  int line = 0;
  bool is_entry = false;
  bool has_body = false;
  std::vector<Variable> results;
  std::vector<Variable> parameters;
  std::vector<Variable>
      variables;  // .reg, .local, .shared, .param of all scopes, names made unique
  std::vector<Statement> body;
  std::map<std::string, std::vector<std::string>> branch_targets;  // of brx.idx
  uint32_t required_threads[3] = {0, 0, 0};                        // .reqntid
  uint32_t maximum_threads[3] = {0, 0, 0};                         // .maxntid
};

struct Syntax {
  int version = 0;  // 75 for 7.5
  int target = 0;   // 75 for sm_75
  std::vector<Variable> variables;
  std::vector<Function> functions;
};

}  // namespace nampemu
