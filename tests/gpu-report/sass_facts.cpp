#include "sass_facts.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include <unistd.h>

namespace gpu_report {
namespace {

namespace fs = std::filesystem;

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

fs::path find_tool(const std::string& name, const fs::path& named) {
  std::vector<fs::path> folders;
  if (!named.empty()) folders.push_back(named);
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');)
    folders.emplace_back(folder);
  for (const char* variable : {"CUDA_PATH", "CUDA_HOME"}) {
    if (const char* root = std::getenv(variable)) folders.push_back(fs::path(root) / "bin");
  }
  folders.emplace_back("/usr/local/cuda/bin");
  for (const fs::path& folder : folders) {
    std::error_code none;
    if (fs::is_regular_file(folder / name, none)) return folder / name;
  }
  return {};
}

std::string quoted(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.string())
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// Output and errors together; the exit status in result.
std::string run(const std::string& command, int& result) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) {
    result = -1;
    return output;
  }
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) != 0;)
    output.append(buffer.data(), n);
  result = pclose(pipe);
  return output;
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

void read_resource_usage(std::string_view text, SassTable& facts, std::string architecture) {
  static const std::regex heading(R"(arch = (sm_\w+))");
  static const std::regex function(R"(Function ([^\s:]+):)");
  static const std::regex usage(R"(REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+))");
  SassFacts* one = nullptr;
  each_line(text, [&](const std::string& line) {
    std::smatch found;
    if (std::regex_search(line, found, heading)) architecture = found[1];
    if (std::regex_search(line, found, function)) one = &facts_of(facts, architecture, found[1]);
    if (one != nullptr && std::regex_search(line, found, usage)) {
      one->registers = std::stoi(found[1]);
      one->stack_bytes = std::stoi(found[2]);
      one->shared_bytes = std::stoi(found[3]);
      one->local_bytes = std::stoi(found[4]);
      one = nullptr;
    }
  });
}

namespace {

bool begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

// One line of a disassembly: /*0040*/  @!P0 LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;  /* 0x… */
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

std::string word_at(const std::string& line, size_t at) {
  return line.substr(at, line.find_first_of(" \t\r", at) - at);
}

int width_of(const Instruction& i) {
  return i.has(".128")                    ? 4
         : i.has(".64")                   ? 3
         : i.has(".U16") || i.has(".S16") ? 1
         : i.has(".U8") || i.has(".S8")   ? 0
                                          : 2;
}

}  // namespace

void read_sass(std::string_view text, SassTable& facts) {
  static constexpr std::string_view kCode = "code for ";
  static constexpr std::string_view kFunction = "Function : ";
  std::string architecture;
  SassFacts* one = nullptr;
  AbsoluteValues absolutes;
  each_line(text, [&](const std::string& line) {
    if (const size_t at = line.find(kCode); at != std::string::npos) {
      architecture = word_at(line, at + kCode.size());
    }
    if (const size_t at = line.find(kFunction); at != std::string::npos) {
      one = &facts_of(facts, architecture, word_at(line, at + kFunction.size()));
      one->instructions = 0;
      absolutes = {};
    }
    const Instruction i = Instruction::of(line);
    if (one == nullptr || i.name.empty() || i.is("NOP")) return;  // padding behind the end
    ++one->instructions;
    if (i.is("LDL") || i.is("STL")) ++one->local_accesses;
    if (is_double(i)) ++one->doubles;
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

namespace {

// sm_90 of ".target sm_90"; "" where the text does not say.
std::string target_of(const fs::path& ptx) {
  std::ifstream in(ptx);
  for (std::string line; std::getline(in, line);) {
    if (begins(line, ".target ")) return line.substr(8, line.find_first_of(", \r", 8) - 8);
  }
  return "";
}

int number_of(const std::string& architecture) { return std::atoi(architecture.c_str() + 3); }

}  // namespace

SassReport read_machine_code(const fs::path& images, const fs::path& tools,
                             const std::vector<std::string>& architectures) {
  SassReport report;
  const fs::path assembler = find_tool("ptxas", tools);
  const fs::path disassembler = find_tool("cuobjdump", tools);
  if (assembler.empty())
    report.notes.emplace_back("ptxas was not found: no machine registers from PTX");
  if (disassembler.empty())
    report.notes.emplace_back("cuobjdump was not found: no machine instructions");
  if (assembler.empty() && disassembler.empty()) return report;

  const auto disassemble = [&](const fs::path& object, const std::string& architecture) {
    if (disassembler.empty()) return;
    int status = 0;
    if (architecture.empty()) {  // of what ptxas made, it has said
      const std::string usage = run(quoted(disassembler) + " -res-usage " + quoted(object), status);
      if (status == 0) read_resource_usage(usage, report.facts, architecture);
    }
    const std::string code = run(quoted(disassembler) + " -sass " + quoted(object), status);
    if (status == 0) read_sass(code, report.facts);
    if (status != 0) report.notes.push_back("cuobjdump of " + object.string() + " failed: " + code);
  };

  const fs::path scratch =
      fs::temp_directory_path() / ("nativeamp-gpu-report-" + std::to_string(getpid()));
  fs::create_directories(scratch);
  std::set<std::string> unknown;
  for (const auto& entry : fs::directory_iterator(images)) {
    const fs::path& image = entry.path();
    if (image.extension() == ".fatbin") disassemble(image, "");
    if (image.extension() != ".ptx" || assembler.empty()) continue;
    const std::string target = target_of(image);
    for (const std::string& architecture : architectures) {
      if (target.size() > 3 && number_of(architecture) < number_of(target)) continue;
      if (unknown.count(architecture) != 0) continue;
      const fs::path object = scratch / (image.stem().string() + "." + architecture + ".cubin");
      int status = 0;
      const std::string said = run(quoted(assembler) + " -v -arch=" + architecture + " -o " +
                                       quoted(object) + " " + quoted(image),
                                   status);
      if (said.find("is not defined for option 'gpu-name'") != std::string::npos) {
        if (unknown.insert(architecture).second)
          report.notes.push_back("this ptxas does not know " + architecture);
        continue;
      }
      if (status != 0) {
        report.notes.push_back("ptxas of " + image.filename().string() + " for " + architecture +
                               " failed: " + said.substr(0, said.find('\n')));
        continue;
      }
      read_ptxas(said, report.facts);
      disassemble(object, architecture);
    }
  }
  fs::remove_all(scratch);
  return report;
}

}  // namespace gpu_report
