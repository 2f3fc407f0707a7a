// NVIDIA's own libraries, which start without a GPU and then say that there is none: the loader
// finds every function that it asks for, and the driver's compiler takes the embedded PTX.
#include <dlfcn.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/cublas_library.h"
#include "cuda/cublas_lt.h"
#include "cuda/driver.h"
#include "cuda/kernel_images.h"
#include "nativeamp.h"

namespace namp_nvidia {
namespace {

const std::string kLibraries = NATIVEAMP_NVIDIA_LIBRARIES;  // the driver's
const std::string kCublas = NATIVEAMP_NVIDIA_LIBRARIES "/../..";

TEST(NvidiaDriver, has_every_function_and_says_that_there_is_no_gpu) {
  const std::string library = kLibraries + "/libcuda.so.1";
  ASSERT_EQ(setenv("NATIVEAMP_CUDA_LIBRARY", library.c_str(), 1), 0);
  std::string reason;
  if (namp::cuda::find_driver(reason) != nullptr) GTEST_SKIP() << "there is an NVIDIA GPU";
  EXPECT_NE(reason.find(library), std::string::npos) << reason;
  EXPECT_NE(reason.find("cuInit gave CUDA_ERROR_"), std::string::npos) << reason;
  EXPECT_EQ(reason.find("lacks"), std::string::npos) << reason;
  // The text that an application gets.
  char text[512] = {};
  int32_t count = -1;
  ASSERT_EQ(namp_device_count(&count, NAMP_DEVICE_CUDA, text, sizeof text), NAMP_OK);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(std::string(text), reason);
  namp_device* device = nullptr;
  EXPECT_EQ(namp_device_open(&device, NAMP_DEVICE_CUDA, 0), NAMP_ERROR_UNAVAILABLE);
  EXPECT_NE(std::string(namp_last_error_message()).find(reason), std::string::npos)
      << namp_last_error_message();
}

// Without a GPU there is no handle, but every function is there.
TEST(NvidiaCublas, has_every_function) {
  std::string answer;
  // cuBLAS needs it, and finds one that is there already.
  const namp::DynamicLibrary light(kCublas + "/libcublasLt.so.12", namp::DynamicLibrary::How::kOpen,
                                   answer);
  ASSERT_TRUE(light.is_open()) << answer;
  const namp::DynamicLibrary library(kCublas + "/libcublas.so.12", namp::DynamicLibrary::How::kOpen,
                                     answer);
  ASSERT_TRUE(library.is_open()) << answer;
  namp::cuda::CublasFunctions functions;
  EXPECT_TRUE(functions.bind(library));
  EXPECT_NE(functions.set_workspace, nullptr);
  void* handle = nullptr;
  EXPECT_NE(functions.create(&handle), 0) << "without a driver";
  // Those of the library that cuBLAS brought along.
  namp::cuda::CublasLtFunctions lights;
  EXPECT_TRUE(lights.bind(library));
}

// The compiler that the driver translates PTX with; its functions are those of nvPTXCompiler.h.
class DriversCompiler : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = kLibraries + "/libnvidia-ptxjitcompiler.so.1";
    library_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << dlerror();
    bind(create_, "nvPTXCompilerCreate");
    bind(compile_, "nvPTXCompilerCompile");
    bind(size_, "nvPTXCompilerGetCompiledProgramSize");
    bind(log_size_, "nvPTXCompilerGetErrorLogSize");
    bind(log_, "nvPTXCompilerGetErrorLog");
    bind(destroy_, "nvPTXCompilerDestroy");
  }

  // "" and the size of the machine code, or what it has against the text.
  std::string assemble(const char* ptx, size_t& bytes) {
    void* compiler = nullptr;
    if (create_(&compiler, std::strlen(ptx), ptx) != 0) return "not a text of PTX";
    // Whether it takes the text depends neither on how well it would optimize nor on how much code
    // it makes: it reads every kernel, and makes code of one.
    const std::string entry = "--entry=" + first_kernel(ptx);
    const char* options[] = {"--gpu-name=sm_90", "--opt-level=0", entry.c_str()};
    std::string said;
    if (compile_(compiler, 3, options) == 0) {
      EXPECT_EQ(size_(compiler, &bytes), 0);
    } else {
      size_t length = 0;
      EXPECT_EQ(log_size_(compiler, &length), 0);
      said.resize(length + 1);
      EXPECT_EQ(log_(compiler, said.data()), 0);
    }
    EXPECT_EQ(destroy_(&compiler), 0);
    return said;
  }

 private:
  static std::string first_kernel(const std::string& ptx) {
    const std::string word = ".entry ";
    const size_t at = ptx.find(word);
    if (at == std::string::npos) return "";
    return ptx.substr(at + word.size(), ptx.find('(', at) - at - word.size());
  }

  template <class Function>
  void bind(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    ASSERT_NE(function, nullptr) << name;
  }

  void* library_ = nullptr;
  int (*create_)(void**, size_t, const char*) = nullptr;
  int (*compile_)(void*, int, const char* const*) = nullptr;
  int (*size_)(void*, size_t*) = nullptr;
  int (*log_size_)(void*, size_t*) = nullptr;
  int (*log_)(void*, char*) = nullptr;
  int (*destroy_)(void**) = nullptr;
};

const char* clangs_ptx(const namp::KernelImage& image) {
  const bool is_ptx = std::string(namp::kKernelImages.format) == "PTX";
  return reinterpret_cast<const char*>(is_ptx ? image.data : image.net);
}

TEST_F(DriversCompiler, takes_every_embedded_image) {
  for (const namp::KernelImage* image = namp::kKernelImages.first; image->name != nullptr;
       ++image) {
    size_t bytes = 0;
    EXPECT_EQ(assemble(clangs_ptx(*image), bytes), "") << image->name;
    EXPECT_GT(bytes, 1000U) << image->name;
  }
}

// Also what stands behind the kernel that code is made of.
TEST_F(DriversCompiler, refuses_an_unknown_instruction_in_the_last_kernel) {
  std::string ptx = clangs_ptx(*namp::kKernelImages.first);
  ASSERT_NE(ptx.find(".entry "), ptx.rfind(".entry "));
  ptx.insert(ptx.rfind("ret;"), "frobnicate;\n");
  size_t bytes = 0;
  EXPECT_NE(assemble(ptx.c_str(), bytes).find("frobnicate"), std::string::npos);
}

TEST_F(DriversCompiler, refuses_ptx_that_is_newer_than_it_with_a_reason) {
  std::string ptx = clangs_ptx(*namp::kKernelImages.first);
  const size_t version = ptx.find(".version ");
  ASSERT_NE(version, std::string::npos);
  ptx.replace(version, ptx.find('\n', version) - version, ".version 99.0");
  size_t bytes = 0;
  EXPECT_NE(assemble(ptx.c_str(), bytes).find("99"), std::string::npos);
}

}  // namespace
}  // namespace namp_nvidia
