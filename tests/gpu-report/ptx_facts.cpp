#include "ptx_facts.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>

#include "cuda/kernel_images.h"

namespace gpu_report {

namespace {

// f(name, text) of each image's PTX.
template <class F>
void each_embedded_text(F f) {
  const bool is_ptx = std::string(namp::kKernelImages.format) == "PTX";
  for (const namp::KernelImage* image = namp::kKernelImages.first; image->name != nullptr;
       ++image) {
    if (const unsigned char* text = is_ptx ? image->data : image->net)
      f(std::string(image->name), reinterpret_cast<const char*>(text));
  }
}

// The words of an instruction: a guard, the opcode, the operands; without punctuation.
std::vector<std::string> split(std::string line) {
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == ',' || c == ';' || c == '\t'; }, ' ');
  std::istringstream words(line);
  std::vector<std::string> all;
  for (std::string word; words >> word;) {
    if (all.empty() && word[0] == '@') continue;
    all.push_back(word);
  }
  return all;
}

bool begins_with(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

}  // namespace

std::vector<std::string> find_bits_of_signs(const std::string& ptx) {
  std::vector<std::string> found;
  std::set<std::string> signs;  // registers with what abs or neg made
  std::istringstream lines(ptx);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::vector<std::string> words = split(line);
    if (words.size() < 2) continue;
    const std::string& opcode = words[0];
    const bool of_signs = std::any_of(words.begin() + 2, words.end(),
                                      [&](const auto& word) { return signs.count(word) != 0; });
    if (opcode == ".visible" || opcode == ".func" || opcode == ".entry") {
      signs.clear();
    } else if (opcode == "abs.f32" || opcode == "neg.f32" || begins_with(opcode, "abs.ftz.f32") ||
               begins_with(opcode, "neg.ftz.f32")) {
      signs.insert(words[1]);
    } else if (of_signs && (opcode == "mov.f32" || opcode == "selp.f32")) {
      signs.insert(words[1]);
    } else if (of_signs && opcode == "mov.b32") {
      found.push_back("line " + std::to_string(number) + ": " + line);
    }
  }
  return found;
}

std::vector<std::string> find_embedded_bits_of_signs() {
  std::vector<std::string> all;
  each_embedded_text([&](const std::string& name, const char* text) {
    for (const std::string& place : find_bits_of_signs(text))
      all.push_back(name + ", " + place);
  });
  return all;
}

std::vector<PtxFacts> read_embedded_kernels() {
  std::vector<PtxFacts> all;
  each_embedded_text([&](const std::string& name, const char* text) {
    std::vector<nampemu_kernel_facts> facts(nampemu_read_kernels(text, nullptr, 0));
    if (facts.empty()) throw std::runtime_error(name + " has no kernel");
    nampemu_read_kernels(text, facts.data(), facts.size());
    for (const nampemu_kernel_facts& kernel : facts)
      all.push_back({name, kernel});
  });
  return all;
}

}  // namespace gpu_report
