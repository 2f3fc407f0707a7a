#include "ptx_facts.h"

#include <stdexcept>

#include "cuda/kernel_images.h"

namespace gpu_report {

std::vector<PtxFacts> read_embedded_kernels() {
  std::vector<PtxFacts> all;
  const bool is_ptx = std::string(namp::kKernelImages.format) == "PTX";
  for (const namp::KernelImage* image = namp::kKernelImages.first; image->name != nullptr; ++image) {
    const auto* text = reinterpret_cast<const char*>(is_ptx ? image->data : image->net);
    if (text == nullptr) return all;
    std::vector<nampemu_kernel_facts> facts(nampemu_read_kernels(text, nullptr, 0));
    if (facts.empty()) throw std::runtime_error(std::string(image->name) + " has no kernel");
    nampemu_read_kernels(text, facts.data(), facts.size());
    for (const nampemu_kernel_facts& kernel : facts)
      all.push_back({image->name, kernel});
  }
  return all;
}

}  // namespace gpu_report
