#include "sass_facts.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <regex>
#include <sstream>

namespace gpu_report {
namespace {

namespace fs = std::filesystem;

const char* const kArchitectures[] = {"sm_75", "sm_80",  "sm_86", "sm_89",
                                      "sm_90", "sm_100", "sm_120"};

SassFacts& at(SassTable& facts, const std::string& architecture, const std::string& kernel) {
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

fs::path find_tool(const std::string& name) {
  std::vector<fs::path> folders;
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
    if (std::regex_search(line, found, entry)) one = &at(facts, found[2], found[1]);
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
    if (std::regex_search(line, found, function)) one = &at(facts, architecture, found[1]);
    if (one != nullptr && std::regex_search(line, found, usage)) {
      one->registers = std::stoi(found[1]);
      one->stack_bytes = std::stoi(found[2]);
      one->shared_bytes = std::stoi(found[3]);
      one->local_bytes = std::stoi(found[4]);
      one = nullptr;
    }
  });
}

void read_sass(std::string_view text, SassTable& facts) {
  static const std::regex code(R"(code for (sm_\w+))");
  static const std::regex function(R"(Function : (\S+))");
  // /*0040*/  @!P0 LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;  /* 0x… */
  static const std::regex instruction(R"(^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*))");
  std::string architecture;
  SassFacts* one = nullptr;
  each_line(text, [&](const std::string& line) {
    std::smatch found;
    if (std::regex_search(line, found, code)) architecture = found[1];
    if (std::regex_search(line, found, function)) {
      one = &at(facts, architecture, found[1]);
      one->instructions = 0;
    }
    if (one == nullptr || !std::regex_search(line, found, instruction)) return;
    const std::string name = std::string(found[1]) + ".";
    const auto is = [&](const char* opcode) { return name.rfind(opcode, 0) == 0; };
    if (is("NOP.")) return;  // padding behind the end
    ++one->instructions;
    if (is("LDL.") || is("STL.")) ++one->local_accesses;
    if (!is("LDG.") && !is("STG.")) return;
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    const int width = has(".128.")                   ? 4
                      : has(".64.")                  ? 3
                      : has(".U16.") || has(".S16.") ? 1
                      : has(".U8.") || has(".S8.")   ? 0
                                                     : 2;
    ++(is("LDG.") ? one->loads : one->stores)[width];
  });
}

SassReport read_machine_code(const fs::path& images) {
  SassReport report;
  const fs::path assembler = find_tool("ptxas");
  const fs::path disassembler = find_tool("cuobjdump");
  if (assembler.empty())
    report.notes.emplace_back("ptxas was not found: no machine registers from PTX");
  if (disassembler.empty())
    report.notes.emplace_back("cuobjdump was not found: no machine instructions");
  if (assembler.empty() && disassembler.empty()) return report;

  const auto disassemble = [&](const fs::path& object, const std::string& architecture) {
    if (disassembler.empty()) return;
    int status = 0;
    const std::string usage = run(quoted(disassembler) + " -res-usage " + quoted(object), status);
    if (status == 0) read_resource_usage(usage, report.facts, architecture);
    const std::string code = run(quoted(disassembler) + " -sass " + quoted(object), status);
    if (status == 0) read_sass(code, report.facts);
    if (status != 0) report.notes.push_back("cuobjdump of " + object.string() + " failed: " + code);
  };

  const fs::path scratch =
      fs::temp_directory_path() / ("nativeamp-gpu-report-" + std::to_string(std::rand()));
  fs::create_directories(scratch);
  for (const auto& entry : fs::directory_iterator(images)) {
    const fs::path& image = entry.path();
    if (image.extension() == ".fatbin") disassemble(image, "");
    if (image.extension() != ".ptx" || assembler.empty()) continue;
    for (const char* architecture : kArchitectures) {
      const fs::path object = scratch / (image.stem().string() + "." + architecture + ".cubin");
      int status = 0;
      const std::string said = run(quoted(assembler) + " -v -arch=" + architecture + " -o " +
                                       quoted(object) + " " + quoted(image),
                                   status);
      if (status != 0) {
        // An architecture that this assembler does not know yet, or any more; or PTX that it
        // refuses.
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
