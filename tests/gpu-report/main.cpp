// nativeamp-gpu-report: what the CUDA kernels are made of, move and execute. ./build.sh gpu-report
// runs it.
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>

#include <fstream>
#include <map>

#include "format.h"
#include "report.h"
#include "times.h"

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
    "  --json            the same for a program\n"
    "\n"
    "Or: nativeamp-gpu-report --gpus\n"
    "    nativeamp-gpu-report --recorded LABEL GPU FILE...\n"
    "\n"
    "  --gpus            the GPUs, each with its compute capability and multiprocessors\n"
    "  --recorded LABEL GPU FILE   times by a model, of work that the emulated GPU recorded "
    "(NAMPEMU_RECORD) with "
    "that GPU's capability and\n"
    "                    multiprocessors; again for other GPUs and other work\n";

int usage(const std::string& wrong) {
  std::cerr << wrong << "\n" << kUsage;
  return 2;
}

void write_gpus() {
  for (const gpu_report::Gpu& gpu : gpu_report::kGpus) {
    std::cout << gpu_report::format("%s %d.%d %.0f\n", gpu.name, gpu.compute / 10, gpu.compute % 10,
                                    gpu.multiprocessors);
  }
}

// --recorded LABEL GPU FILE, any number of times.
int write_recorded(int count, char** arguments) {
  std::vector<std::string> labels;  // in their order
  std::map<std::string, std::vector<gpu_report::Recording>> by_label;
  for (int i = 1; i < count; i += 4) {
    if (arguments[i] != std::string("--recorded") || i + 3 >= count)
      return usage("--recorded needs a label, a GPU and a file");
    const std::string label = arguments[i + 1];
    const gpu_report::Gpu* gpu = gpu_report::find_gpu(arguments[i + 2]);
    if (gpu == nullptr) return usage("No such GPU: " + std::string(arguments[i + 2]));
    std::ifstream file(arguments[i + 3]);
    if (!file) return usage("Cannot be read: " + std::string(arguments[i + 3]));
    if (by_label.count(label) == 0) labels.push_back(label);
    by_label[label].push_back({gpu, gpu_report::read_record(file)});
    if (by_label[label].back().pieces.empty())
      return usage("No work was recorded in " + std::string(arguments[i + 3]));
  }
  gpu_report::write_assumptions(std::cout);
  for (const std::string& label : labels)
    gpu_report::write_times(std::cout, label, by_label[label]);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1 && arguments[1] == std::string("--gpus")) {
    write_gpus();
    return 0;
  }
  if (count > 1 && arguments[1] == std::string("--recorded")) {
    try {
      return write_recorded(count, arguments);
    } catch (const std::exception& error) {
      std::cerr << error.what() << "\n";
      return 1;
    }
  }
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
