#include "cuda/launcher.h"

#include <algorithm>

#include "cuda/kernel_images.h"

namespace namp::cuda {

void Launcher::release() noexcept {
  for (const auto& [image, module] : modules_)
    driver().cuModuleUnload.attempt(module);
  modules_.clear();
  kernels_.clear();
}

Module Launcher::module(const std::string& image) {
  const auto known = modules_.find(image);
  if (known != modules_.end()) return known->second;
  for (const KernelImage* entry = kKernelImages; entry->name != nullptr; ++entry) {
    if (image != entry->name) continue;
    Module loaded = nullptr;
    // What the driver's compiler says of PTX that it does not take: the first of it is enough.
    char log[1024] = {};
    int options[] = {kJitErrorLog, kJitErrorLogBytes};
    void* values[] = {log, reinterpret_cast<void*>(sizeof(log) - 1)};
    const Result result =
        driver().cuModuleLoadDataEx.attempt(&loaded, entry->data, 2, options, values);
    if (result != kSuccess) {
      const std::string said =
          log[0] == '\0' ? "" : "The driver's compiler says: " + std::string(log);
      throw_driver_error(result, driver().cuModuleLoadDataEx.name(), said);
    }
    modules_.emplace(image, loaded);
    return loaded;
  }
  throw Error(NAMP_ERROR_INTERNAL, "This build has no kernel image \"" + image + "\".");
}

const Launcher::Loaded& Launcher::find(const Which& kernel) {
  std::lock_guard lock(mutex_);
  const auto known = kernels_.find(kernel.name);
  if (known != kernels_.end()) return known->second;
  Loaded loaded{};
  driver().cuModuleGetFunction(&loaded.function, module(kernel.image), kernel.name);
  int blocks = 0;
  driver().cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, loaded.function, kernel.threads, 0);
  if (blocks < 1) {
    throw Error(NAMP_ERROR_UNSUPPORTED,
                std::string("The kernel ") + kernel.name + " does not fit this device.");
  }
  loaded.resident_blocks = int64_t{blocks} * multiprocessors_;
  return kernels_.emplace(kernel.name, loaded).first->second;
}

std::string Launcher::describe() {
  const Function function =
      find({kScalerUpdate.image, kScalerUpdate.name, kScalerUpdate.threads}).function;
  const auto version = [&](int attribute) {
    int value = 0;
    driver().cuFuncGetAttribute(&value, attribute, function);
    return std::to_string(value / 10) + "." + std::to_string(value % 10);
  };
  const std::string written = version(kFunctionPtxVersion);
  const std::string runs = version(kFunctionBinaryVersion);
  return std::string(kKernelFormat) + " for " + written +
         (written == runs ? "" : ", translated for " + runs);
}

void Launcher::launch(const Which& kernel, int64_t tasks, const void* args, Stream stream) {
  if (tasks <= 0) return;
  const Loaded& loaded = find(kernel);
  const auto blocks = static_cast<unsigned>(std::min(tasks, loaded.resident_blocks));
  void* parameters[] = {const_cast<void*>(args)};
  driver().cuLaunchKernel(loaded.function, blocks, 1, 1, static_cast<unsigned>(kernel.threads), 1,
                          1, 0, stream, parameters, nullptr);
}

}  // namespace namp::cuda
