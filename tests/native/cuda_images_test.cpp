// The choice of the embedded image for a driver: the first that it accepts; clang's PTX after one
// that it refuses.
#include <optional>

#include "backend_test.h"
#include "cuda/context.h"
#include "cuda/launcher.h"

namespace namp_test {
namespace {

using namp::KernelImage;
using namp::KernelImages;
using namp::cuda::ContextScope;
using namp::cuda::DeviceContext;
using namp::cuda::Launcher;

// The first bytes of a fatbin. The emulated GPU reads no further: it accepts none.
constexpr unsigned char kFatbin[16] = {0x50, 0xed, 0x55, 0xba, 0x01, 0x00, 0x10};
constexpr const char* kFrom = "cuModuleLoadDataEx";

class CudaImages : public ::testing::Test {
 protected:
  void SetUp() override {
    emulator_ = emulated_gpu();
    if (emulator_ == nullptr) GTEST_SKIP() << "makes the emulated driver refuse images";
    ASSERT_GT(Device::count(Where::kGpu), 0);
    context_.emplace(0);
    emulator_->reset_counters();
  }
  void TearDown() override {
    if (emulator_ == nullptr) return;
    context_.reset();
    emulator_->fail_none();
    expect_no_findings();
  }

  // The library's kernels as in a build by nvcc: a fatbin each, with or without clang's PTX.
  static const KernelImages& by_nvcc(bool with_clang) {
    static const std::vector<KernelImage> with = fatbins(true);
    static const std::vector<KernelImage> without = fatbins(false);
    static const KernelImages images[] = {
        {"fatbin", "nvcc 12.9", "machine code for 9.0, PTX for 9.0", 12090, without.data()},
        {"fatbin", "nvcc 12.9", "machine code for 9.0, PTX for 9.0", 12090, with.data()}};
    return images[with_clang ? 1 : 0];
  }

  // The result of describe(), or its error.
  std::string describe(const KernelImages& images) {
    const ContextScope scope(*context_);
    Launcher launcher(4, 80, images);
    std::string text;
    try {
      text = launcher.describe();
    } catch (const namp::Error& error) {
      text = std::string("error: ") + error.what();
    }
    launcher.release();
    return text;
  }

  uint64_t loads() const { return emulator_->calls_of(kFrom); }
  void refuse(uint64_t nth, int32_t result) { ASSERT_EQ(emulator_->fail(kFrom, nth, result), 0); }

  const EmulatedGpu* emulator_ = nullptr;
  std::optional<DeviceContext> context_;

 private:
  static std::vector<KernelImage> fatbins(bool with_clang) {
    const KernelImages& ours = namp::kKernelImages;
    const bool are_ptx = std::string(ours.format) == "PTX";
    std::vector<KernelImage> made;
    const KernelImage* image = ours.first;
    for (; image->name != nullptr; ++image)
      made.push_back(
          {image->name, kFatbin, with_clang ? (are_ptx ? image->data : image->net) : nullptr});
    made.push_back(*image);
    return made;
  }
};

void expect_parts(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
}

TEST_F(CudaImages, clangs_ptx_works_where_the_driver_refuses_the_fatbin) {
  expect_parts(describe(by_nvcc(true)),
               {"PTX of clang for 7.5, translated for 8.0 (The driver refused the fatbin of nvcc "
                "12.9 with CUDA_ERROR_NO_BINARY_FOR_GPU (209",
                "It holds machine code for 9.0, PTX for 9.0 and is for drivers of CUDA 12.9 or "
                "newer; the device has compute capability 8.0, the driver is of CUDA "});
  EXPECT_EQ(loads(), 2U);
}

TEST_F(CudaImages, a_refused_format_is_not_tried_again) {
  const ContextScope scope(*context_);
  Launcher launcher(4, 80, by_nvcc(true));
  launcher.describe();
  const uint64_t before = loads();
  launcher(namp::cuda::kScalerUpdate, 0, {}, nullptr);  // no task, nothing to load
  EXPECT_EQ(loads(), before);
  launcher(namp::cuda::kCast, 1, {}, nullptr);  // of another image; no element to cast
  EXPECT_EQ(loads(), before + 1);
  launcher.release();
}

TEST_F(CudaImages, every_refusal_leads_to_clangs_ptx_and_no_other_error_does) {
  for (const int32_t refusal : {200, 209, 222}) {
    refuse(1, refusal);
    expect_parts(describe(by_nvcc(true)), {"PTX of clang for 7.5"});
  }
  for (const int32_t other : {2, 218, 221, 223, 304}) {
    refuse(1, other);
    emulator_->reset_counters();
    expect_parts(describe(by_nvcc(true)), {"error: cuModuleLoadDataEx failed with "});
    EXPECT_EQ(loads(), 1U) << other;
  }
}

TEST_F(CudaImages, without_clangs_ptx_the_error_names_what_is_embedded_and_what_the_device_is) {
  expect_parts(describe(by_nvcc(false)),
               {"error: cuModuleLoadDataEx failed with CUDA_ERROR_NO_BINARY_FOR_GPU",
                "The driver refused the fatbin of nvcc 12.9", "machine code for 9.0, PTX for 9.0",
                "drivers of CUDA 12.9 or newer", "compute capability 8.0",
                "The driver's compiler says: the emulated GPU takes PTX text"});
  EXPECT_EQ(loads(), 1U);
}

TEST_F(CudaImages, where_both_are_refused_the_error_tells_of_both) {
  refuse(1, 200);
  refuse(2, 209);
  expect_parts(describe(by_nvcc(true)),
               {"error: cuModuleLoadDataEx failed with CUDA_ERROR_NO_BINARY_FOR_GPU",
                "This is of clang's PTX",
                "The driver refused the fatbin of nvcc 12.9 with "
                "CUDA_ERROR_INVALID_IMAGE"});
}

TEST_F(CudaImages, of_this_build_say_their_compiler_and_the_driver_that_they_need) {
  const KernelImages& images = namp::kKernelImages;
  EXPECT_GE(images.driver, 11050);
  const std::string compiler = images.compiler;
  const std::string name = compiler.substr(0, compiler.find(' '));
  EXPECT_TRUE(name == "clang" || name == "nvcc") << compiler;
  EXPECT_NE(std::string(images.holds).find("PTX for 7.5"), std::string::npos) << images.holds;
  expect_parts(describe(images), {" for 7.5, translated for 8.0"});
}

}  // namespace
}  // namespace namp_test
