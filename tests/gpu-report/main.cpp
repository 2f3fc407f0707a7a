// nativeamp-gpu-report: what the CUDA kernels are made of, move and execute. ./build.sh gpu-report
// runs it.
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>

#include "report.h"

namespace {

constexpr const char* kUsage =
    "Usage: nativeamp-gpu-report [--elements N] [--filter TEXT] [--images COMPILER FOLDER]... "
    "[--tools FOLDER] [--json]\n"
    "\n"
    "  --elements N      elements of a call (default 1048576)\n"
    "  --filter TEXT     only calls whose name contains the text\n"
    "  --images COMPILER FOLDER   a compiler's .ptx files, for NVIDIA's tools; of the "
    "same compiler's, "
    "the last that can serve an architecture\n"
    "  --tools FOLDER    where NVIDIA's tools are looked for first\n"
    "  --json            the same for a program\n";

int usage(const std::string& wrong) {
  std::cerr << wrong << "\n" << kUsage;
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  gpu_report::Report report;
  report.elements = 1 << 20;
  std::string filter;
  std::string tools;
  std::vector<std::pair<std::string, std::string>> images;  // compiler and folder
  bool as_json = false;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--json") {
      as_json = true;
      continue;
    }
    if (name == "--help") {
      std::cout << kUsage;
      return 0;
    }
    if (name != "--elements" && name != "--filter" && name != "--images" && name != "--tools")
      return usage("No such argument: " + name);
    if (i + 1 == count) return usage(name + " needs a value");
    const std::string value = arguments[++i];
    if (name == "--images") {
      if (i + 1 == count) return usage("--images needs a compiler's name and a folder");
      images.emplace_back(value, arguments[++i]);
    }
    if (name == "--filter") filter = value;
    if (name == "--tools") tools = value;
    if (name != "--elements") continue;
    char* end = nullptr;
    report.elements = std::strtoll(value.c_str(), &end, 10);
    constexpr int64_t kLeast = 65536;  // or the operators that take a fraction have nothing left
    if (*end != '\0' || report.elements < kLeast || report.elements > (int64_t{1} << 28)) {
      return usage("--elements is a number from 65536 to 268435456, not " + value);
    }
  }
  try {
    report.kernels = gpu_report::read_embedded_kernels();
    if (report.kernels.empty()) {
      std::cerr << "The library has no PTX of clang, which is what the emulated GPU runs: install "
                   "clang\n";
      return 1;
    }
    std::vector<std::string> names;
    for (const auto& kernel : report.kernels)
      names.emplace_back(kernel.kernel.name);
    gpu_report::EmulatedGpu gpu;
    for (const auto& workload : gpu_report::workloads(report.elements)) {
      if (workload.name.find(filter) == std::string::npos) continue;
      for (auto& row : gpu_report::measure(gpu, workload, names))
        report.rows.push_back(std::move(row));
    }
    if (report.rows.empty()) return usage("No call's name has \"" + filter + "\" in it");
    for (const auto& [compiler, folder] : images) {
      gpu_report::SassReport sass = gpu_report::read_machine_code(folder, tools);
      gpu_report::add_machine_code(report, compiler, std::move(sass));
    }
    as_json ? write_json(std::cout, report) : write_text(std::cout, report);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
