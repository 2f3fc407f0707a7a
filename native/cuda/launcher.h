// Finds kernels in the embedded images and launches them.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>

#include "cuda/driver.h"
#include "cuda/kernel_images.h"
#include "cuda/kernels.h"

namespace namp::cuda {

// One device's kernels. An image is loaded when the first of its kernels is launched.
class Launcher {
 public:
  // A device with this many multiprocessors, of this compute capability (75: 7.5).
  Launcher(int multiprocessors, int capability, const KernelImages& images = kKernelImages)
      : multiprocessors_(multiprocessors), capability_(capability), images_(images) {}
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  int multiprocessors() const { return multiprocessors_; }

  // Unloads the images. The context is current.
  void release() noexcept;

  // The embedded image that the driver took, such as "PTX of clang 19.1.7 for 7.5, translated
  // for 9.0", and those that it refused: it loads an image to see. Throws what a launch would. The
  // context is current.
  std::string describe();

  // Launches the kernel over this many tasks, one block at a time taking one: the grid is what the
  // device can hold at once, or as many blocks as there are tasks. No task, no launch. The context
  // is current.
  template <class Args>
  void operator()(const Kernel<Args>& kernel, int64_t tasks, const std::type_identity_t<Args>& args,
                  Stream stream) {
    static_assert(std::is_trivially_copyable_v<Args> && sizeof(Args) <= 4096,
                  "an argument of a kernel is plain data of at most 4 KiB");
    launch({kernel.image, kernel.name, kernel.threads}, tasks, &args, stream);
  }

 private:
  struct Which {
    const char* image;
    const char* name;
    int threads;
  };
  struct Loaded {
    Function function;
    int64_t resident_blocks;  // on the whole device
  };

  void launch(const Which& kernel, int64_t tasks, const void* args, Stream stream);
  const Loaded& find(const Which& kernel);
  Module module(const std::string& image);
  Module load(const KernelImage& image);
  std::string describe_refusal(Result result) const;

  const int multiprocessors_;
  const int capability_;
  const KernelImages& images_;
  std::mutex mutex_;
  Result refusal_ = kSuccess;  // of the images: from then on the nets are loaded
  std::map<std::string, Module> modules_;
  std::map<std::string_view, Loaded> kernels_;  // by name
};

}  // namespace namp::cuda
