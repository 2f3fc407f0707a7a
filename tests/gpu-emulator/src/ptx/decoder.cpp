#include "ptx/decoder.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace nampemu {

// Registers hold 32 lanes; a predicate is one bit a lane.
uint32_t KernelBuilder::add_register(uint32_t bytes) {
  const uint32_t size = bytes == 0 ? 4 : std::max(bytes, 2U) * kLanes;
  next_register = (next_register + 63) & ~63U;
  const uint32_t offset = kSpecialBytes + next_register;
  next_register += size;
  kernel.registers += bytes == 0 ? 0 : (bytes + 3) / 4;
  added.push_back({offset, size});
  return offset;
}

uint32_t KernelBuilder::use(uint32_t offset, bool writes) {
  uses.push_back({static_cast<uint32_t>(kernel.code.size()), offset, writes});
  return offset;
}

Decode::Decode(KernelBuilder& b, const FunctionNames& n, const Statement& s, Instruction& o)
    : statement(s), out(o), builder(b), names(n), taken_(s.modifiers.size(), false) {}

void Decode::fail(const std::string& message) const {
  std::string text = statement.opcode;
  for (const std::string& modifier : statement.modifiers)
    text += "." + modifier;
  throw PtxError(statement.line, text + ": " + message);
}

void Decode::needs(int version, int target) const {
  const Syntax& module = *names.module;
  const auto number = [](int tenths) {
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
  };
  if (module.version < version) {
    fail("needs PTX " + number(version) + ", and the module is of " + number(module.version));
  }
  if (module.target < target) {
    fail("needs sm_" + std::to_string(target) + ", and the module is for sm_" +
         std::to_string(module.target));
  }
}

bool Decode::take(std::string_view modifier) {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i] && statement.modifiers[i] == modifier) {
      taken_[i] = true;
      return true;
    }
  }
  return false;
}

int Decode::take_one(std::initializer_list<std::string_view> modifiers) {
  int index = 0;
  for (const std::string_view modifier : modifiers) {
    if (take(modifier)) return index;
    ++index;
  }
  return -1;
}

bool Decode::peek(std::string_view modifier) const {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i] && statement.modifiers[i] == modifier) return true;
  }
  return false;
}

bool Decode::take_type(Type& type) {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i] && parse_type(statement.modifiers[i], type)) {
      taken_[i] = true;
      return true;
    }
  }
  return false;
}

Type Decode::take_type() {
  Type type;
  if (!take_type(type)) fail("a type is missing");
  return type;
}

void Decode::expect_operands(size_t least, size_t most) {
  if (count() < least || count() > most)
    fail(std::to_string(count()) + " operands aren't known here");
}

const Operand& Decode::operand(size_t index) const {
  if (index >= count()) fail("an operand is missing");
  return statement.operands[index];
}

const Register* Decode::find_register(const Operand& operand) const {
  if (operand.kind != Operand::Kind::name || operand.offset != 0) return nullptr;
  const auto found = names.registers.find(operand.text);
  return found == names.registers.end() ? nullptr : &found->second;
}

const Symbol* Decode::find_symbol(const Operand& operand) const {
  if (operand.kind != Operand::Kind::name) return nullptr;
  const auto found = names.symbols.find(operand.text);
  return found == names.symbols.end() ? nullptr : &found->second;
}

// Bits go with everything; signed with unsigned; floats only with their own.
void Decode::check_type(const Operand& operand, const Register& found, Type wanted) const {
  const bool bits = found.type.kind == Type::Kind::bits || wanted.kind == Type::Kind::bits;
  const bool integers = found.type.is_integer() && wanted.is_integer();
  if (!bits && !integers && found.type.is_float() != wanted.is_float()) {
    fail("'" + operand.text + "' has another type");
  }
}

uint32_t Decode::source(const Operand& operand, Type type) {
  if (operand.negated) fail("'!' isn't known here");
  if (type.kind == Type::Kind::predicate) return predicate(operand, false);
  if (const Register* found = find_register(operand)) {
    if (found->type.kind == Type::Kind::predicate || found->type.bytes != type.bytes) {
      fail("'" + operand.text + "' has another width");
    }
    check_type(operand, *found, type);
    return builder.use(found->offset, false);
  }
  switch (operand.kind) {
    case Operand::Kind::integer:
      if (type.is_float() && type.bytes > 2 && !type.packed)
        fail("an integer where a float is needed");
      return constant(operand.bits, type.bytes);
    case Operand::Kind::float32:
      if (type.bytes != 4 || type.is_integer()) fail("a float constant isn't known here");
      return constant(operand.bits, 4);
    case Operand::Kind::float64:
      if (type.is_integer()) fail("a float constant isn't known here");
      if (type.bytes == 8) return constant(operand.bits, 8);
      if (type.kind == Type::Kind::float_ && type.bytes == 4 && !type.packed) {
        const auto value = static_cast<float>(std::bit_cast<double>(operand.bits));
        return constant(std::bit_cast<uint32_t>(value), 4);
      }
      fail("a float constant isn't known here");
    case Operand::Kind::name:
      fail("'" + operand.text + "' isn't a register");
    default:
      fail("an operand of this form isn't known here");
  }
}

uint32_t Decode::destination(const Operand& operand, Type type) {
  if (operand.kind == Operand::Kind::name && operand.text == "_") return sink(type.bytes);
  if (type.kind == Type::Kind::predicate) return predicate(operand, true);
  const Register* found = find_register(operand);
  if (found == nullptr || operand.negated) fail("the destination isn't a register");
  if (found->type.kind == Type::Kind::predicate || found->type.bytes != type.bytes) {
    fail("'" + operand.text + "' has another width");
  }
  check_type(operand, *found, type);
  return builder.use(found->offset, true);
}

uint32_t Decode::wide_register(const Operand& operand, Type type, bool writes, uint32_t& bytes) {
  bytes = type.bytes;
  if (writes && operand.kind == Operand::Kind::name && operand.text == "_") return sink(type.bytes);
  const Register* found = find_register(operand);
  if (found == nullptr) {
    if (writes) fail("the destination isn't a register");
    bytes = std::max<uint32_t>(type.bytes, 2);
    return source(operand, type);
  }
  if (operand.negated) fail("'!' isn't known here");
  if (found->type.kind == Type::Kind::predicate || found->type.bytes < type.bytes) {
    fail("'" + operand.text + "' is too narrow");
  }
  bytes = std::max<uint32_t>(found->type.bytes, 2);
  if (found->type.bytes != type.bytes && type.is_float()) {
    fail("'" + operand.text + "' has another width than the float type");
  }
  if (found->type.bytes == type.bytes) check_type(operand, *found, type);
  return builder.use(found->offset, writes);
}

uint32_t Decode::predicate(const Operand& operand, bool writes) {
  if (writes && operand.kind == Operand::Kind::name && operand.text == "_") return sink(0);
  if (!writes && operand.kind == Operand::Kind::integer) {
    return constant(operand.bits != 0 ? 1 : 0, 0);
  }
  const Register* found = find_register(operand);
  if (found == nullptr || found->type.kind != Type::Kind::predicate) {
    fail("a predicate is needed");
  }
  return builder.use(found->offset, writes);
}

uint32_t Decode::constant(uint64_t bits, uint32_t bytes) {
  const uint32_t stored = bytes == 0 ? 0 : std::max(bytes, 2U);
  if (stored != 0 && stored < 8) bits &= (uint64_t{1} << (stored * 8)) - 1;
  const auto [place, is_new] = builder.constant_offsets.try_emplace({bits, stored}, 0);
  if (is_new) {
    std::vector<std::byte>& all = builder.kernel.constants;
    all.resize((all.size() + 63) & ~size_t{63});
    place->second = kConstantTag | static_cast<uint32_t>(all.size());
    if (stored == 0) {
      const uint32_t mask = bits != 0 ? kAllLanes : 0;
      all.resize(all.size() + 4);
      std::memcpy(all.data() + all.size() - 4, &mask, 4);
    } else {
      for (uint32_t lane = 0; lane < kLanes; ++lane) {
        all.resize(all.size() + stored);
        std::memcpy(all.data() + all.size() - stored, &bits, stored);
      }
    }
  }
  return place->second;
}

uint32_t Decode::sink(uint32_t bytes) {
  return builder.use(builder.add_register(bytes == 0 ? 0 : 8), true);
}

int64_t Decode::literal(size_t index) const {
  const Operand& o = operand(index);
  if (o.kind != Operand::Kind::integer) fail("a constant is needed here");
  return static_cast<int64_t>(o.bits);
}

void Decode::finish() const {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i]) fail("the modifier ." + statement.modifiers[i] + " isn't known here");
  }
}

}  // namespace nampemu
