#include "sass_facts.h"

#include <algorithm>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

namespace gpu_report {
namespace {

SassFacts& facts_of(SassTable& facts, const std::string& architecture, const std::string& kernel) {
  SassFacts& one = facts[{architecture, kernel}];
  one.architecture = architecture;
  one.kernel = kernel;
  return one;
}

template <class F>
void each_line(std::string_view text, F f) {
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);)
    f(line);
}

std::optional<int> number(const std::string& line, const std::regex& pattern) {
  std::smatch found;
  if (!std::regex_search(line, found, pattern)) return std::nullopt;
  return std::stoi(found[1]);
}

}  // namespace

void read_ptxas(std::string_view text, SassTable& facts) {
  static const std::regex entry(R"(Compiling entry function '([^']+)' for '([^']+)')");
  static const std::regex stack(R"((\d+) bytes stack frame)");
  static const std::regex spill_stores(R"((\d+) bytes spill stores)");
  static const std::regex spill_loads(R"((\d+) bytes spill loads)");
  static const std::regex registers(R"(Used (\d+) registers)");
  static const std::regex shared(R"((\d+) bytes smem)");
  SassFacts* one = nullptr;
  each_line(text, [&](const std::string& line) {
    std::smatch found;
    if (std::regex_search(line, found, entry)) one = &facts_of(facts, found[2], found[1]);
    if (one == nullptr) return;
    if (const auto n = number(line, stack)) one->stack_bytes = *n;
    if (const auto n = number(line, spill_stores)) one->spill_stores = *n;
    if (const auto n = number(line, spill_loads)) one->spill_loads = *n;
    if (const auto n = number(line, registers)) {
      one->registers = *n;
      one->shared_bytes = number(line, shared).value_or(0);
    }
  });
}

namespace {

bool begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

// One line of a disassembly: /*0040*/  @!P0 LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;
struct Instruction {
  std::string_view name;      // "LDG.E.128.CONSTANT"
  std::string_view operands;  // "R4, desc[UR4][R2.64] "

  // Empty where the line is none.
  static Instruction of(std::string_view line) {
    const size_t end_of_address = line.find("*/");
    const size_t start = line.find_first_not_of(" \t");
    if (end_of_address == std::string_view::npos || !begins(line.substr(start), "/*") ||
        begins(line.substr(start), "/* ")) {
      return {};
    }
    std::string_view rest = line.substr(end_of_address + 2);
    const auto skip = [&] {
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    };
    skip();
    if (begins(rest, "@")) {
      rest.remove_prefix(std::min(rest.find(' '), rest.size()));
      skip();
    }
    if (rest.empty() || rest[0] < 'A' || rest[0] > 'Z') return {};
    const size_t end = std::min(rest.find(';'), rest.size());
    rest = rest.substr(0, end);
    const size_t space = std::min(rest.find(' '), rest.size());
    return {rest.substr(0, space), rest.substr(space)};
  }

  // "LDG." is of LDG and of LDG.E.128.
  bool is(std::string_view opcode) const {
    return begins(name, opcode) && (name.size() == opcode.size() || name[opcode.size()] == '.');
  }
  bool has(std::string_view part) const {
    for (size_t at = name.find(part); at != std::string_view::npos; at = name.find(part, at + 1)) {
      const size_t end = at + part.size();
      if (end == name.size() || name[end] == '.') return true;
    }
    return false;
  }
};

// "R12" where the text is that register and no more of it; "" else.
std::string_view register_at(std::string_view text) {
  if (text.size() < 2 || text[0] != 'R' || text[1] < '0' || text[1] > '9') return {};
  return text.substr(0, std::min(text.find_first_not_of("0123456789", 1), text.size()));
}

// Follows absolute values through one kernel, in the order of the text.
class AbsoluteValues {
 public:
  // Whether the instruction takes the bits of one.
  bool sees(const Instruction& i) {
    const size_t comma = std::min(i.operands.find(','), i.operands.size());
    const bool stores = i.is("STG") || i.is("STS") || i.is("STL") || i.is("ST") || i.is("RED");
    const std::string_view first = i.operands.substr(std::min<size_t>(1, i.operands.size()), comma);
    const std::string_view others = stores ? i.operands : i.operands.substr(comma);
    const bool moves = i.is("MOV") || begins(i.name, "IMAD.MOV");
    const bool uses = mentions_one(others);
    if (const std::string_view target = register_at(first); !stores && !target.empty()) {
      held_.erase(std::string(target));
      // abs.f32 becomes an addition of zero.
      const bool absolute = i.is("FADD") && others.find('|') != std::string_view::npos &&
                            others.find("RZ") != std::string_view::npos;
      if (absolute || (moves && uses)) held_.insert(std::string(target));
    }
    return uses && !moves && !is_float(i);
  }

 private:
  static bool is_float(const Instruction& i) {
    for (const char* opcode : {"FADD", "FMUL", "FFMA", "FSETP", "FSET", "FMNMX", "FCHK", "MUFU",
                               "F2F", "F2FP", "F2I", "FSEL"}) {
      if (i.is(opcode)) return true;
    }
    return false;
  }
  bool mentions_one(std::string_view operands) const {
    if (held_.empty()) return false;
    for (size_t at = operands.find('R'); at != std::string_view::npos;
         at = operands.find('R', at + 1)) {
      const std::string_view one = register_at(operands.substr(at));
      const bool of_others = at > 0 && operands[at - 1] == 'U';
      if (!one.empty() && !of_others && held_.count(std::string(one)) != 0) return true;
    }
    return false;
  }

  std::set<std::string> held_;
};

bool is_double(const Instruction& i) {
  return i.is("DADD") || i.is("DMUL") || i.is("DFMA") || i.is("DSETP") || i.is("DMNMX") ||
         ((i.is("F2F") || i.is("I2F") || i.is("F2I") || i.is("MUFU")) &&
          (i.has(".F64") || i.has(".RCP64H") || i.has(".RSQ64H")));
}

int width_of(const Instruction& i) {
  return i.has(".128")                    ? 4
         : i.has(".64")                   ? 3
         : i.has(".U16") || i.has(".S16") ? 1
         : i.has(".U8") || i.has(".S8")   ? 0
                                          : 2;
}

}  // namespace

void read_sass(std::string_view text, const std::string& architecture, SassTable& facts) {
  static constexpr std::string_view kFunction = ".text.";
  SassFacts* one = nullptr;
  AbsoluteValues absolutes;
  each_line(text, [&](const std::string& line) {
    if (begins(line, kFunction)) {  // a label: .text.adam_kernel:
      one = &facts_of(facts, architecture,
                      line.substr(kFunction.size(), line.find(':') - kFunction.size()));
      one->instructions = 0;
      absolutes = {};
    }
    const Instruction i = Instruction::of(line);
    if (one == nullptr || i.name.empty() || i.is("NOP")) return;  // padding behind the end
    ++one->instructions;
    if (i.is("LDL") || i.is("STL")) ++one->local_accesses;
    if (is_double(i)) ++one->doubles;
    if (i.is("HMMA") || i.is("IMMA")) ++one->tensor_products;
    if (i.is("LDGSTS")) ++one->async_copies;
    if (absolutes.sees(i)) ++one->absolute_bits;
    if (i.is("LDG")) ++one->loads[width_of(i)];
    if (i.is("STG")) ++one->stores[width_of(i)];
  });
}

double occupancy(const SassFacts& facts, int threads) {
  // CUDA C++ Programming Guide, "Technical specifications per compute capability". All have 65,536
  // registers a multiprocessor, which a warp gets 256 at a time.
  struct Multiprocessor {
    const char* architecture;
    int threads;
    int blocks;
    int shared_kib;
    int reserved_bytes;  // of shared memory, a block
  };
  static constexpr Multiprocessor kAll[] = {
      {"sm_75", 1024, 16, 64, 0},     {"sm_80", 2048, 32, 164, 1024},
      {"sm_86", 1536, 16, 100, 1024}, {"sm_87", 1536, 16, 164, 1024},
      {"sm_89", 1536, 24, 100, 1024}, {"sm_90", 2048, 32, 228, 1024}};
  for (const Multiprocessor& one : kAll) {
    if (facts.architecture != one.architecture || facts.registers < 1 || threads < 1) continue;
    const int warps = (threads + 31) / 32;
    const int registers_of_a_warp = (facts.registers * 32 + 255) / 256 * 256;
    int blocks = std::min(one.blocks, one.threads / threads);
    blocks = std::min(blocks, 65536 / (registers_of_a_warp * warps));
    const int shared = std::max(facts.shared_bytes, 0) + one.reserved_bytes;
    if (shared > 0) blocks = std::min(blocks, one.shared_kib * 1024 / shared);
    return static_cast<double>(blocks) * threads / one.threads;
  }
  return -1;
}

}  // namespace gpu_report
