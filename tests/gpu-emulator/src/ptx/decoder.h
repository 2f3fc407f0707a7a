// From one statement of PTX to one instruction. A family of instructions registers a function a
// name; it takes the modifiers that it knows and the operands that it wants, and whatever is left
// over is an error: nothing is ever ignored or guessed.
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "exec/instruction.h"
#include "ptx/error.h"
#include "ptx/registers.h"
#include "ptx/syntax.h"

namespace nampemu {

struct Register {
  Type type;
  uint32_t offset = 0;
};

// A variable with an address known when the kernel is decoded.
struct Symbol {
  Space space = Space::global;
  uint64_t address =
      0;  // global, constant: a device address; shared, local: an offset; param: an offset
  uint64_t bytes = 0;
};

// Offsets of constants carry this bit until all registers have their places.
inline constexpr uint32_t kConstantTag = 0x80000000U;

// A kernel while it is decoded.
struct KernelBuilder {
  Kernel kernel;
  std::map<std::pair<uint64_t, uint32_t>, uint32_t> constant_offsets;  // (bits, bytes) to offset
  uint32_t next_register = 0;  // relative to the first register
  std::vector<AddedRegister> added;
  std::vector<RegisterUse> uses;
  uint32_t add_register(uint32_t bytes);
  // The next instruction reads or writes a register; its offset is returned.
  uint32_t use(uint32_t offset, bool writes);
};

// Names of the function being decoded.
struct FunctionNames {
  const Function* function = nullptr;
  const Syntax* module = nullptr;
  std::unordered_map<std::string, Register> registers;
  std::map<std::string, Symbol> symbols;  // of the function and of the module
};

class Decode {
 public:
  Decode(KernelBuilder& builder, const FunctionNames& names, const Statement& statement,
         Instruction& out);

  const Statement& statement;
  Instruction& out;
  KernelBuilder& builder;
  const FunctionNames& names;

  [[noreturn]] void fail(const std::string& message) const;

  // An instruction that came with a version of PTX (70 for 7.0) and a device (80 for sm_80): an error in text for older ones, as for ptxas.
  void needs(int version, int target) const;

  // Modifiers. Each is taken once; those left over at the end are an error.
  bool take(std::string_view modifier);
  // The position of the one given, or -1 for none.
  int take_one(std::initializer_list<std::string_view> modifiers);
  bool peek(std::string_view modifier) const;
  Type take_type();
  bool take_type(Type& type);

  // Operands.
  size_t count() const { return statement.operands.size(); }
  void expect_operands(size_t least, size_t most);
  const Operand& operand(size_t index) const;
  uint32_t source(size_t index, Type type) { return source(operand(index), type); }
  uint32_t source(const Operand& operand, Type type);
  uint32_t destination(size_t index, Type type) { return destination(operand(index), type); }
  uint32_t destination(const Operand& operand, Type type);
  // A register of this width or wider, as ld, st and cvt allow; its width is returned.
  uint32_t wide_register(const Operand& operand, Type type, bool writes, uint32_t& bytes);
  uint32_t predicate(const Operand& operand, bool writes);
  uint32_t constant(uint64_t bits, uint32_t bytes);
  uint32_t sink(uint32_t bytes);
  // An integer that must be written as a constant.
  int64_t literal(size_t index) const;
  const Register* find_register(const Operand& operand) const;
  const Symbol* find_symbol(const Operand& operand) const;
  // Operands of an instruction of more than eight: decoded by f into a second instruction, beside the first.
  template <class F>
  void decode_second(F f);

  void finish() const;

  static constexpr Type bits(uint8_t bytes) { return {Type::Kind::bits, bytes, false}; }
  static constexpr Type b32 = {Type::Kind::bits, 4, false};
  static constexpr Type u32 = {Type::Kind::unsigned_, 4, false};
  static constexpr Type f32 = {Type::Kind::float_, 4, false};
  static constexpr Type pred = {Type::Kind::predicate, 0, false};

 private:
  void check_type(const Operand& operand, const Register& found, Type wanted) const;
  std::vector<bool> taken_;
};

template <class F>
void Decode::decode_second(F f) {
  Instruction second;
  second.line = out.line;
  Decode d(builder, names, statement, second);
  f(d);
  out.second = static_cast<uint32_t>(builder.kernel.seconds.size());
  builder.kernel.seconds.push_back(second);
}

using DecodeFunction = void (*)(Decode& d);
using DecodeTable = std::map<std::string, DecodeFunction, std::less<>>;

// The families.
void add_integer_decoders(DecodeTable& table);
void add_carry_decoders(DecodeTable& table);
void add_bit_decoders(DecodeTable& table);
void add_float_decoders(DecodeTable& table);
void add_half_decoders(DecodeTable& table);
void add_compare_decoders(DecodeTable& table);
void add_move_decoders(DecodeTable& table);
void add_convert_decoders(DecodeTable& table);
void add_memory_decoders(DecodeTable& table);
void add_atomic_decoders(DecodeTable& table);
void add_warp_decoders(DecodeTable& table);
void add_matrix_decoders(DecodeTable& table);
void add_copy_decoders(DecodeTable& table);
void add_control_decoders(DecodeTable& table);

// Operations whose name is shared by integers and floats: the float families take the statement
// when the type is theirs. False: the type is not a float one.
bool decode_float_arithmetic(Decode& d, Type type);
bool decode_half_arithmetic(Decode& d, Type type);

// Shared by loads, stores and atomics.
Space take_space(Decode& d);
void take_address(Decode& d, size_t index, size_t place);
bool take_scope(Decode& d, const char* device = "gpu");
void take_ordering(Decode& d, bool release_allowed, bool acquire_allowed);

}  // namespace nampemu
