#include "ptx/kernels.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "exec/block.h"
#include "ptx/classify.h"

namespace nampemu {
namespace {

const DecodeTable& decoders() {
  static const DecodeTable all = [] {
    DecodeTable table;
    add_integer_decoders(table);
    add_carry_decoders(table);
    add_bit_decoders(table);
    add_float_decoders(table);
    add_compare_decoders(table);
    add_move_decoders(table);
    add_convert_decoders(table);
    add_memory_decoders(table);
    add_atomic_decoders(table);
    add_warp_decoders(table);
    add_matrix_decoders(table);
    add_copy_decoders(table);
    add_control_decoders(table);
    return table;
  }();
  return all;
}

uint64_t align(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

// A function once in the kernel's code.
struct Placed {
  uint32_t entry = 0;
  uint32_t return_to = kNone;  // register with the place to go back to; kNone for the entry
  bool done = false;
  std::map<std::string, Symbol> symbols;
};

// Parameters of a call are bytes in the thread's frame: immediate from, target to, slot how many.
void copy_frame(Warp& warp, const Instruction& i, uint32_t lanes) {
  const Block& block = *warp.block;
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint64_t base =
        block.local_base(warp.thread(static_cast<uint32_t>(std::countr_zero(lanes))));
    const uint64_t from = base + static_cast<uint64_t>(i.immediate);
    const uint64_t to = base + i.target;
    std::memcpy(block.local.at(to), block.local.at(from), i.slot);
    std::memcpy(block.local.written + (to - block.local.base),
                block.local.written + (from - block.local.base), i.slot);
  }
}

class KernelDecoder {
 public:
  KernelDecoder(const Syntax& syntax, const std::map<std::string, Symbol>& globals)
      : syntax_(syntax), globals_(globals) {}

  Kernel run(const Function& entry) {
    Kernel& kernel = builder_.kernel;
    kernel.name = entry.name;
    kernel.carry = builder_.add_register(0);
    kernel.registers = 0;
    std::copy_n(entry.required_threads, 3, kernel.required_threads.begin());
    std::copy_n(entry.maximum_threads, 3, kernel.maximum_threads.begin());
    place_parameters(entry);
    place_shared(entry);
    place_function(entry);
    kernel.local_bytes = static_cast<uint32_t>(align(kernel.local_bytes, 16));
    place_constants();
    return std::move(kernel);
  }

 private:
  const Function* find(const std::string& name) const {
    for (const Function& f : syntax_.functions) {
      if (f.name == name) return &f;
    }
    return nullptr;
  }

  void place_parameters(const Function& entry) {
    uint64_t offset = 0;
    for (const Variable& p : entry.parameters) {
      offset = align(offset, p.alignment);
      builder_.kernel.parameters.push_back(
          {static_cast<uint32_t>(offset), static_cast<uint32_t>(p.bytes())});
      parameters_[p.name] = {Space::param, offset, p.bytes()};
      offset += p.bytes();
      if (offset > 4096) throw PtxError(p.line, "more than 4096 bytes of parameters");
    }
    builder_.kernel.parameter_bytes = static_cast<uint32_t>(offset);
  }

  // The module's shared variables that this kernel or something it calls names, then the functions'
  // own, then the dynamic part.
  void place_shared(const Function& entry) {
    std::set<std::string> names;
    std::set<const Function*> reached;
    collect_names(entry, names, reached);
    const auto used = [&](const Variable& v) {
      return v.space == Space::shared && names.count(v.name) != 0;
    };
    for (const Variable& v : syntax_.variables) {
      if (used(v) && !v.unsized) shared_[v.name] = add_shared(v);
    }
    for (const Function& f : syntax_.functions) {
      if (reached.count(&f) == 0) continue;
      for (const Variable& v : f.variables) {
        if (v.space == Space::shared) function_shared_[&f][v.name] = add_shared(v);
      }
    }
    for (const Variable& v : syntax_.variables) {
      if (!used(v) || !v.unsized) continue;
      const uint64_t begin =
          align(builder_.kernel.shared_bytes, std::max<uint64_t>(v.alignment, 16));
      builder_.kernel.shared_bytes = static_cast<uint32_t>(begin);
      builder_.kernel.uses_dynamic_shared = true;
      shared_[v.name] = {Space::shared, begin, 0};
    }
  }

  Symbol add_shared(const Variable& v) {
    const uint64_t offset = align(builder_.kernel.shared_bytes, v.alignment);
    if (v.unsized || offset + v.bytes() > (1U << 30))
      throw PtxError(v.line, "shared memory too large");
    builder_.kernel.shared_bytes = static_cast<uint32_t>(offset + v.bytes());
    return {Space::shared, offset, v.bytes()};
  }

  static void collect_operand(const Operand& operand, std::set<std::string>& names) {
    if (operand.kind == Operand::Kind::name) names.insert(operand.text);
    for (const Operand& part : operand.parts)
      collect_operand(part, names);
  }

  void collect_names(const Function& f, std::set<std::string>& names,
                     std::set<const Function*>& seen) const {
    if (!seen.insert(&f).second) return;
    for (const Statement& s : f.body) {
      for (const Operand& operand : s.operands)
        collect_operand(operand, names);
      if (s.opcode != "call") continue;
      for (const Operand& operand : s.operands) {
        const Function* callee = find(operand.text);
        if (callee != nullptr) collect_names(*callee, names, seen);
      }
    }
  }

  Symbol place_local(const Variable& v) {
    Kernel& kernel = builder_.kernel;
    const uint64_t offset = align(kernel.local_bytes, std::max<uint64_t>(v.alignment, 1));
    if (offset + v.bytes() > (1U << 20)) throw PtxError(v.line, "local memory too large");
    kernel.local_bytes = static_cast<uint32_t>(offset + v.bytes());
    return {Space::local, offset, v.bytes()};
  }

  FunctionNames names_of(const Function& f, Placed& placed) {
    FunctionNames names;
    names.function = &f;
    names.module = &syntax_;
    for (const auto& [name, symbol] : globals_)
      names.symbols[name] = symbol;
    for (const auto& [name, symbol] : shared_)
      names.symbols[name] = symbol;
    if (f.is_entry) {
      for (const auto& [name, symbol] : parameters_)
        names.symbols[name] = symbol;
    }
    for (const Variable& v : f.variables) {
      switch (v.space) {
        case Space::reg:
          names.registers[v.name] = {v.type, builder_.add_register(v.type.bytes)};
          break;
        case Space::shared:
          names.symbols[v.name] = function_shared_.at(&f).at(v.name);
          break;
        case Space::local:
        case Space::param:
          names.symbols[v.name] = place_local(v);
          break;
        default:
          throw PtxError(v.line, "a variable of this space isn't known in a function");
      }
    }
    for (const auto& [name, symbol] : placed.symbols)
      names.symbols[name] = symbol;
    return names;
  }

  Placed& place_function(const Function& f) {
    const auto [found, is_new] = placed_.try_emplace(&f);
    Placed& placed = found->second;
    if (!is_new) {
      if (!placed.done) throw PtxError(f.line, "recursion isn't known: '" + f.name + "'");
      return placed;
    }
    if (!f.has_body) throw PtxError(f.line, "'" + f.name + "' has no body here");
    if (!f.is_entry) {
      placed.return_to = builder_.add_register(4);
      for (const Variable& v : f.parameters)
        placed.symbols[v.name] = place_local(v);
      for (const Variable& v : f.results)
        placed.symbols[v.name] = place_local(v);
    }
    const FunctionNames names = names_of(f, placed);
    // Callees come first, so that a function's code is in one piece.
    for (const Statement& s : f.body) {
      if (s.opcode == "call") place_function(callee_of(s));
    }
    placed.entry = static_cast<uint32_t>(builder_.kernel.code.size());
    regions_.push_back(placed.entry);
    decode_body(f, placed, names);
    placed.done = true;
    return placed;
  }

  const Function& callee_of(const Statement& s) const {
    for (const Operand& operand : s.operands) {
      if (operand.kind != Operand::Kind::name) continue;
      if (const Function* callee = find(operand.text)) return *callee;
      throw PtxError(s.line, "the function '" + operand.text + "' isn't known");
    }
    throw PtxError(s.line, "a call without a function");
  }

  void decode_body(const Function& f, const Placed& placed, const FunctionNames& names) {
    std::map<std::string, uint32_t> labels;
    std::vector<std::pair<size_t, const Statement*>> branches;
    for (const Statement& s : f.body) {
      if (!s.label.empty()) {
        if (!labels.try_emplace(s.label, code().size()).second) {
          throw PtxError(s.line, "the label '" + s.label + "' is there twice");
        }
        continue;
      }
      decode_statement(f, placed, names, s, branches);
    }
    add_return(placed, f.body.empty() ? f.line : f.body.back().line);
    for (const auto& [at, s] : branches)
      patch_branch(f, labels, code()[at], *s);
  }

  void patch_branch(const Function& f, const std::map<std::string, uint32_t>& labels,
                    Instruction& i, const Statement& s) {
    const auto target = [&](const std::string& label) {
      const auto found = labels.find(label);
      if (found == labels.end()) throw PtxError(s.line, "the label '" + label + "' isn't known");
      return found->second;
    };
    if (i.flow == Flow::branch) {
      i.target = target(s.operands[0].text);
      return;
    }
    const auto table = f.branch_targets.find(s.operands[1].text);
    if (table == f.branch_targets.end()) throw PtxError(s.line, "the branch table isn't known");
    std::vector<uint32_t> places;
    for (const std::string& label : table->second)
      places.push_back(target(label));
    i.target = static_cast<uint32_t>(builder_.kernel.branch_tables.size());
    builder_.kernel.branch_tables.push_back(places);
  }

  void add_return(const Placed& placed, int line) {
    Instruction i;
    i.line = static_cast<uint32_t>(line);
    i.kind = NAMPEMU_CONTROL;
    return_by(placed, i);
    code().push_back(i);
  }

  void return_by(const Placed& placed, Instruction& i) {
    i.flow = placed.return_to == kNone ? Flow::exit : Flow::ret;
    i.r[0] = placed.return_to;
    if (placed.return_to != kNone) builder_.use(placed.return_to, false);
  }

  void decode_statement(const Function& f, const Placed& placed, const FunctionNames& names,
                        const Statement& s,
                        std::vector<std::pair<size_t, const Statement*>>& branches) {
    Instruction i;
    i.line = static_cast<uint32_t>(s.line);
    i.kind = static_cast<uint8_t>(classify(s));
    if (!s.guard.empty()) {
      const auto found = names.registers.find(s.guard);
      if (found == names.registers.end() || found->second.type.kind != Type::Kind::predicate) {
        throw PtxError(s.line, "'" + s.guard + "' isn't a predicate");
      }
      i.guard = found->second.offset;
      i.guard_negated = s.guard_negated;
    }
    Decode d(builder_, names, s, i);
    if (s.opcode == "bra" || s.opcode == "brx") {
      d.take("uni");
      if (s.opcode == "bra") {
        d.expect_operands(1, 1);
        i.flow = Flow::branch;
      } else {
        if (!d.take("idx")) d.fail("only brx.idx is known");
        d.expect_operands(2, 2);
        i.flow = Flow::branch_indexed;
        i.r[0] = d.source(0, Decode::u32);
      }
      branches.emplace_back(code().size(), &s);
    } else if (s.opcode == "ret") {
      d.take("uni");
      d.expect_operands(0, 0);
      return_by(placed, i);
    } else if (s.opcode == "call") {
      d.take("uni");
      d.finish();
      return decode_call(f, names, s, i);
    } else {
      const auto decoder = decoders().find(s.opcode);
      if (decoder == decoders().end()) d.fail("this instruction isn't known");
      decoder->second(d);
    }
    d.finish();
    code().push_back(i);
  }

  // call (results), function, (parameters): each list may be missing.
  void decode_call(const Function&, const FunctionNames& names, const Statement& s,
                   Instruction& i) {
    const Function& callee = callee_of(s);
    const Placed& placed = placed_.at(&callee);
    std::vector<Operand> results;
    std::vector<Operand> arguments;
    bool after = false;
    for (const Operand& operand : s.operands) {
      if (operand.kind == Operand::Kind::list) {
        (after ? arguments : results) = operand.parts;
      } else if (operand.kind == Operand::Kind::name && !after) {
        after = true;
      } else {
        throw PtxError(s.line, "a call of this form isn't known");
      }
    }
    if (results.size() != callee.results.size() || arguments.size() != callee.parameters.size()) {
      throw PtxError(s.line, "the call's parameters don't fit '" + callee.name + "'");
    }
    const auto copy = [&](const Operand& operand, const Variable& formal, bool in) {
      const auto own = names.symbols.find(operand.text);
      if (own == names.symbols.end() || own->second.space != Space::local ||
          own->second.bytes != formal.bytes()) {
        throw PtxError(s.line, "'" + operand.text + "' doesn't fit the parameter " + formal.name);
      }
      const Symbol& theirs = placed.symbols.at(formal.name);
      Instruction c = i;
      c.flow = Flow::next;
      c.execute = copy_frame;
      c.immediate = static_cast<int64_t>(in ? own->second.address : theirs.address);
      c.target = static_cast<uint32_t>(in ? theirs.address : own->second.address);
      c.slot = static_cast<uint32_t>(formal.bytes());
      code().push_back(c);
    };
    for (size_t k = 0; k < arguments.size(); ++k)
      copy(arguments[k], callee.parameters[k], true);
    i.flow = Flow::call;
    i.target = placed.entry;
    i.r[0] = builder_.use(placed.return_to, true);
    code().push_back(i);
    for (size_t k = 0; k < results.size(); ++k)
      copy(results[k], callee.results[k], false);
  }

  void place_constants() {
    Kernel& kernel = builder_.kernel;
    const uint32_t bytes = place_registers(kernel, builder_.added, builder_.uses, regions_);
    kernel.constants_at = static_cast<uint32_t>(align(kSpecialBytes + bytes, 64));
    kernel.register_bytes =
        static_cast<uint32_t>(align(kernel.constants_at + kernel.constants.size(), 64));
    for (std::vector<Instruction>* all : {&kernel.code, &kernel.seconds}) {
      for (Instruction& i : *all) {
        for (uint32_t& r : i.r) {
          if (r != kNone && (r & kConstantTag) != 0) r = (r & ~kConstantTag) + kernel.constants_at;
        }
      }
    }
    const auto entry = std::find_if(placed_.begin(), placed_.end(),
                                    [](const auto& p) { return p.first->is_entry; });
    kernel.entry = entry->second.entry;
  }

  std::vector<Instruction>& code() { return builder_.kernel.code; }

  const Syntax& syntax_;
  const std::map<std::string, Symbol>& globals_;
  KernelBuilder builder_;
  std::map<std::string, Symbol> parameters_;
  std::map<std::string, Symbol> shared_;
  std::map<const Function*, Placed> placed_;
  std::vector<uint32_t> regions_;  // where each function's code begins
  std::map<const Function*, std::map<std::string, Symbol>> function_shared_;
};

}  // namespace

std::vector<Kernel> decode_kernels(const Syntax& syntax,
                                   const std::map<std::string, Symbol>& globals) {
  std::vector<Kernel> kernels;
  for (const Function& f : syntax.functions) {
    if (f.is_entry && f.has_body) kernels.push_back(KernelDecoder(syntax, globals).run(f));
  }
  return kernels;
}

}  // namespace nampemu
