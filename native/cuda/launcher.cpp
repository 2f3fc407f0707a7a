#include "cuda/launcher.h"

#include <algorithm>

#include "capture.h"

namespace namp::cuda {
namespace {

// A driver's answers to an image that it is too old for, or that holds nothing for the device.
bool is_refusal(Result result) {
  return result == kErrorInvalidImage || result == kErrorNoBinaryForGpu ||
         result == kErrorUnsupportedPtxVersion;
}

std::string capability_text(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

// 12040: 12.4
std::string cuda_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Loads an image and keeps what the driver's compiler says of it: the first of it is enough.
class JitLog {
 public:
  Result load(Module& loaded, const unsigned char* image) {
    int options[] = {kJitErrorLog, kJitErrorLogBytes};
    void* values[] = {log_, reinterpret_cast<void*>(sizeof(log_) - 1)};
    return driver().cuModuleLoadDataEx.attempt(&loaded, image, 2, options, values);
  }
  const char* call() const { return driver().cuModuleLoadDataEx.name(); }
  // Other known facts, and then the log.
  std::string text(const std::string& known = {}) const {
    if (log_[0] == '\0') return known;
    return known + (known.empty() ? "" : " ") + "The driver's compiler says: " + log_;
  }

 private:
  char log_[1024] = {};
};

}  // namespace

void Launcher::release() noexcept {
  for (const auto& [image, module] : modules_)
    driver().cuModuleUnload.attempt(module);
  modules_.clear();
  kernels_.clear();
}

Module Launcher::module(const std::string& image) {
  const auto known = modules_.find(image);
  if (known != modules_.end()) return known->second;
  for (const KernelImage* entry = images_.first; entry->name != nullptr; ++entry) {
    if (image == entry->name) return modules_.emplace(image, load(*entry)).first->second;
  }
  throw Error(NAMP_ERROR_INTERNAL, "This build has no kernel image \"" + image + "\".");
}

Module Launcher::load(const KernelImage& image) {
  JitLog log;
  Module loaded = nullptr;
  if (refusal_ == kSuccess) {
    const Result result = log.load(loaded, image.data);
    if (result == kSuccess) return loaded;
    if (!is_refusal(result)) throw_driver_error(result, log.call(), log.text());
    if (image.net == nullptr) {
      throw_driver_error(result, log.call(), log.text(describe_refusal(result)));
    }
    refusal_ = result;
  }
  const Result result = log.load(loaded, image.net);
  if (result != kSuccess) {
    throw_driver_error(
        result, log.call(),
        log.text("This is of clang's PTX, which was tried because of another error. " +
                 describe_refusal(refusal_)));
  }
  return loaded;
}

// The embedded images that were refused, and by which driver for which device.
std::string Launcher::describe_refusal(Result result) const {
  int version = 0;
  driver().cuDriverGetVersion.attempt(&version);
  return std::string("The driver refused the ") + images_.format + " of " + images_.compiler +
         " with " + cuda::describe(result) + ". It holds " + images_.holds +
         " and is for drivers of CUDA " + cuda_version(images_.driver) +
         " or newer; the device has compute capability " + capability_text(capability_) +
         ", the driver is of CUDA " + cuda_version(version) + ".";
}

const Launcher::Loaded& Launcher::find(const Which& kernel) {
  std::lock_guard lock(mutex_);
  const auto known = kernels_.find(kernel.name);
  if (known != kernels_.end()) return known->second;
  refuse_capture(std::string("the kernel ") + kernel.name +
                 " is loaded at its first launch. Make the call once before, uncaptured.");
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
    return capability_text(value);
  };
  const std::string written = version(kFunctionPtxVersion);
  const std::string runs = version(kFunctionBinaryVersion);
  const std::string target =
      " for " + written + (written == runs ? "" : ", translated for " + runs);
  std::lock_guard lock(mutex_);
  if (refusal_ != kSuccess)
    return "PTX of clang" + target + " (" + describe_refusal(refusal_) + ")";
  return std::string(images_.format) + " of " + images_.compiler + target;
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
