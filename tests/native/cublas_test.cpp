// Which cuBLAS multiplies: each case a process with folders and variables of its own, over stand-ins
// that are versions 11, 12 and 13. The emulated driver is 12.4.
#if defined(__linux__) && defined(NATIVEAMP_EMULATED_CUBLAS_FOLDER)

#include <cstdlib>
#include <filesystem>

#include "backend_test.h"
#include "child_process.h"
#include "libraries/dynamic_library.h"

namespace namp_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExact = "3f800800";
constexpr const char* kRounded = "3f800000";

class CublasTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (emulated_gpu() == nullptr) GTEST_SKIP() << "for stand-ins of cuBLAS";
    for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"}) {
      std::string answer;
      if (namp::DynamicLibrary(name, namp::DynamicLibrary::How::kOpen, answer).is_open())
        GTEST_SKIP() << "this machine's own " << name << " would be found first";
    }
    std::string name = (fs::temp_directory_path() / "namp-cublas-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directories(folder_ + "/lib64");
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  static std::string stand_in(int version) {
    const std::string number = std::to_string(version);
    return (fs::path(NATIVEAMP_EMULATED_CUBLAS_FOLDER) / ("cublas-" + number) /
            ("libcublas.so." + number))
        .string();
  }

  // Where the folder of the toolkit has a version.
  std::string path(int version) const {
    return folder_ + "/lib64/libcublas.so." + std::to_string(version);
  }
  void install(std::initializer_list<int> versions) {
    for (const int version : versions)
      fs::create_symlink(stand_in(version), path(version));
  }

  Outcome multiply(const std::string& environment = "") const {
    return run(
        "-u NATIVEAMP_CUBLAS_LIBRARY -u LD_LIBRARY_PATH -u CONDA_PREFIX -u VIRTUAL_ENV "
        "-u CUDA_HOME NATIVEAMP_CUDA_LIBRARY=" NATIVEAMP_EMULATED_CUDA " CUDA_PATH=" +
            folder_ + " " + environment,
        "product");
  }

  static void expect_cublas(const Outcome& result, const std::string& library) {
    EXPECT_EQ(result.status, 0) << result.output;
    EXPECT_NE(result.one("libraries").find(", cuBLAS " + library), std::string::npos)
        << result.output;
    EXPECT_EQ(result.one("float32"), kExact);
    EXPECT_EQ(result.one("tf32"), kRounded);
    EXPECT_EQ(result.one("halves"), "0") << "partial sums were rounded to float16";
    EXPECT_EQ(result.one("products"), "3");
    EXPECT_EQ(result.one("own"), "0") << "products in cuBLAS's own workspace";
  }
  static void expect_own_kernel(const Outcome& result) {
    EXPECT_EQ(result.status, 0) << result.output;
    EXPECT_NE(result.one("libraries").find(", no cuBLAS, own GEMM ("), std::string::npos)
        << result.output;
    EXPECT_EQ(result.one("float32"), kExact);
    EXPECT_EQ(result.one("tf32"), kExact);
    EXPECT_EQ(result.one("halves"), "0");
    EXPECT_EQ(result.one("products"), "0");
    EXPECT_EQ(result.one("workspace"), "0");
  }
  static bool has(const Outcome& result, const std::string& text) {
    return result.output.find(text) != std::string::npos;
  }

  std::string folder_;
};

TEST_F(CublasTest, WhereThereIsNoneTheOwnKernelMultiplies) {
  const Outcome result = multiply();
  expect_own_kernel(result);
  EXPECT_TRUE(has(result, "attempt " + folder_ + "/lib64: it has none of libcublas.so.13, "))
      << result.output;
  EXPECT_TRUE(has(result,
                  "attempt ${VIRTUAL_ENV}/lib/python*/site-packages/nvidia/cu13/lib: "
                  "VIRTUAL_ENV is not set\n"))
      << result.output;
}

TEST_F(CublasTest, TheNewestThatTheDriverCanRunIsTaken) {
  install({11, 12, 13});
  const Outcome result = multiply();
  expect_cublas(result, path(12));
  EXPECT_TRUE(has(result, "attempt " + path(12) + ": \n")) << result.output;
  EXPECT_FALSE(has(result, path(13))) << result.output;
}

// As much as NVIDIA recommends.
TEST_F(CublasTest, EachStreamHasAWorkspaceOfItsOwn) {
  install({12});
  EXPECT_EQ(multiply().one("workspace"), std::to_string(2 * (8 << 20)));
  EXPECT_EQ(multiply("NAMPEMU_COMPUTE=9.0").one("workspace"), std::to_string(2 * (32 << 20)));
}

TEST_F(CublasTest, OneThatDoesNotStartGivesWayToTheNext) {
  install({11, 12});
  const Outcome result = multiply("NAMPEMU_CUBLAS_REFUSES=12");
  const std::string why = "cublasCreate gave CUBLAS_STATUS_NOT_INITIALIZED (1)";
  expect_cublas(result, path(11) + " (not " + path(12) + " (" + why + "))");
  EXPECT_TRUE(has(result, "attempt " + path(12) + ": " + why)) << result.output;
  EXPECT_TRUE(has(result, "attempt " + path(11) + ": \n")) << result.output;
}

TEST_F(CublasTest, OneThatIsTooNewForTheDriverIsTriedAfterEverythingElse) {
  install({12, 13});
  const Outcome result = multiply("NAMPEMU_CUBLAS_REFUSES=12");
  expect_own_kernel(result);
  const std::string libraries = result.one("libraries");
  const size_t older = libraries.find(path(12)), newer = libraries.find(path(13));
  EXPECT_NE(newer, std::string::npos) << libraries;
  EXPECT_LT(older, newer) << libraries;
}

TEST_F(CublasTest, WhereNoneStartsTheOwnKernelMultipliesAndEveryFailureIsTold) {
  install({11, 12, 13});
  const Outcome result = multiply("NAMPEMU_CUBLAS_REFUSES=11,12");
  expect_own_kernel(result);
  for (const int version : {11, 12, 13}) {
    EXPECT_NE(result.one("libraries").find(path(version) + " (cublasCreate gave"),
              std::string::npos)
        << result.output;
  }
}

// A second cuBLAS would cost hundreds of MB.
TEST_F(CublasTest, TheOneThatTheProcessHasIsTaken) {
  install({12});
  const Outcome result = multiply("LD_PRELOAD=" + stand_in(11));
  expect_cublas(result, "libcublas.so.11");
  EXPECT_FALSE(has(result, folder_)) << result.output;
}

TEST_F(CublasTest, TheVariableNamesOneAndNoOther) {
  install({11, 12});
  expect_cublas(multiply("NATIVEAMP_CUBLAS_LIBRARY=" + path(11)), path(11));
  const Outcome refused =
      multiply("NAMPEMU_CUBLAS_REFUSES=11 NATIVEAMP_CUBLAS_LIBRARY=" + path(11));
  expect_own_kernel(refused);
  EXPECT_EQ(refused.all("attempt").size(), 1u) << refused.output;
}

// NVIDIA's own libraries, where they were unpacked: they find no driver's kernel module here.
class NvidiasOwn : public CublasTest {
 protected:
  void SetUp() override {
    CublasTest::SetUp();
    const char* out = std::getenv("CUDA_TOOLKIT_OUT");
    const char* home = std::getenv("HOME");
    unpacked_ = out != nullptr
                    ? out
                    : std::string(home != nullptr ? home : "") + "/.cache/cuda-toolkit/trixie";
    unpacked_ += "/root/usr/lib/x86_64-linux-gnu/";
  }
  std::string unpacked_;
};

TEST_F(NvidiasOwn, CublasIsRefusedWhereItsDriverIsNot) {
  if (!fs::exists(unpacked_ + "libcublas.so.12")) GTEST_SKIP() << "no " << unpacked_;
  fs::create_symlink(unpacked_ + "libcublas.so.12", path(12));
  fs::create_symlink(unpacked_ + "libcublasLt.so.12", folder_ + "/lib64/libcublasLt.so.12");
  const Outcome result = multiply();
  expect_own_kernel(result);
  EXPECT_TRUE(has(result, "attempt " + path(12) + ": cublasCreate gave CUBLAS_STATUS_"))
      << result.output;
}

TEST_F(NvidiasOwn, DriverSaysThatThereIsNoDevice) {
  std::string driver = unpacked_ + "nvidia/current/libcuda.so.1";
  if (!fs::exists(driver)) driver = unpacked_ + "libcuda.so.1";
  if (!fs::exists(driver)) GTEST_SKIP() << "no " << driver;
  const Outcome result = run("NATIVEAMP_CUDA_LIBRARY=" + driver, "gpus");
  EXPECT_EQ(result.one("count"), "0") << result.output;
  EXPECT_TRUE(has(result, driver + " (cuInit gave CUDA_ERROR_NO_DEVICE: no NVIDIA GPU is visible"))
      << result.output;
}

}  // namespace
}  // namespace namp_test

#endif
