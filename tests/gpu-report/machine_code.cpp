#include "machine_code.h"

#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace gpu_report {
namespace {

namespace fs = std::filesystem;

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

// A .cu file's PTX.
struct Image {
  std::string name;
  std::string text;
  int target = 0;  // 80 of ".target sm_80"
};

int number_of(std::string_view architecture) { return std::atoi(architecture.data() + 3); }

// A name that is none of C's ("_ZZN…") gets the image's in front: two images may have a variable
// of one name, of the same header.
std::string with_names_of_its_own(const std::string& text, const std::string& image) {
  std::string changed;
  changed.reserve(text.size() + text.size() / 8);
  char before = ' ';
  for (size_t at = 0; at < text.size(); before = text[at++]) {
    const bool inside = std::isalnum(static_cast<unsigned char>(before)) != 0 || before == '_';
    if (!inside && text.compare(at, 2, "_Z") == 0) changed += image;
    changed += text[at];
  }
  return changed;
}

std::vector<Image> read_images(const fs::path& folder, std::vector<std::string>& notes) {
  std::vector<Image> images;
  std::istringstream names(NATIVEAMP_KERNELS);
  for (std::string name; std::getline(names, name, ',');) {
    std::ifstream in(folder / (name + ".ptx"));
    std::ostringstream text;
    if (!(text << in.rdbuf())) {
      notes.push_back((folder / (name + ".ptx")).string() + " is missing");
      continue;
    }
    Image& image = images.emplace_back(Image{name, with_names_of_its_own(text.str(), name)});
    if (const size_t at = image.text.find(".target sm_"); at != std::string::npos)
      image.target = number_of(image.text.substr(at + 8));
  }
  return images;
}

}  // namespace

SassReport read_machine_code(const fs::path& folder, const fs::path& tools,
                             const std::vector<std::string>& architectures,
                             const std::string& from) {
  SassReport report;
  const fs::path assembler = find_tool("ptxas", tools);
  const fs::path disassembler = find_tool("nvdisasm", tools);
  if (assembler.empty()) report.notes.emplace_back("ptxas was not found: no machine code");
  if (disassembler.empty())
    report.notes.emplace_back("nvdisasm was not found: no machine instructions");
  if (assembler.empty()) return report;

  const std::vector<Image> images = read_images(folder, report.notes);
  const fs::path scratch =
      fs::temp_directory_path() / ("nativeamp-machine-code-" + std::to_string(getpid()));
  fs::create_directories(scratch);
  for (const Image& image : images)
    std::ofstream(scratch / (image.name + ".ptx")) << image.text;

  // All images of an architecture at once: to start costs the disassembler longer than to work.
  for (const std::string& architecture : architectures) {
    const fs::path object = scratch / (architecture + ".cubin");
    std::string command = quoted(assembler) + " -v -arch=" + architecture + " -o " + quoted(object);
    for (const Image& image : images) {
      if (number_of(architecture) < image.target || image.target < number_of(from)) continue;
      command += ' ';
      command += quoted(scratch / (image.name + ".ptx"));
    }
    int status = 0;
    const std::string said = run(command, status);
    if (said.find("is not defined for option 'gpu-name'") != std::string::npos) {
      report.notes.push_back("this ptxas does not know " + architecture);
      continue;
    }
    if (status != 0) {
      report.notes.push_back("ptxas for " + architecture +
                             " failed: " + said.substr(0, said.find('\n')));
      continue;
    }
    read_ptxas(said, report.facts);
    if (disassembler.empty()) continue;
    const std::string code = run(quoted(disassembler) + " -c " + quoted(object), status);
    if (status == 0) read_sass(code, architecture, report.facts);
    if (status != 0) report.notes.push_back("nvdisasm for " + architecture + " failed: " + code);
  }
  fs::remove_all(scratch);
  return report;
}

}  // namespace gpu_report
