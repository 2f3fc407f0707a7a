// Where NVIDIA's libraries are looked for, over folders that each test lays out.
#if defined(__linux__)

#include "libraries/places.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace namp_test {
namespace {

namespace fs = std::filesystem;

using namp::LibraryCandidate;

class LibraryPlacesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "namp-places-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    surroundings_.root = root_;
    surroundings_.variable = [this](const std::string& variable) -> std::optional<std::string> {
      const auto found = variables_.find(variable);
      if (found == variables_.end()) return {};
      return found->second;
    };
    surroundings_.is_loaded = [this](const std::string& name) { return loaded_.count(name) != 0; };
  }
  void TearDown() override { fs::remove_all(root_); }

  // An empty file below the root.
  void lay(const std::string& path) {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path).put('\n');
  }

  // The places that can be opened, in order; those below the root from there.
  std::vector<std::string> to_open(const namp::VendorLibrary& library) {
    std::vector<std::string> places;
    for (const LibraryCandidate& each : namp::library_candidates(library, surroundings_)) {
      if (!each.nothing.empty()) continue;
      places.push_back(each.place.rfind(root_, 0) == 0 ? each.place.substr(root_.size())
                                                       : each.place);
    }
    return places;
  }

  // The places of cuBLAS after those that the system finds by name.
  std::vector<std::string> laid() {
    std::vector<std::string> places = to_open(namp::cublas_library());
    std::erase_if(places, [](const std::string& place) { return place[0] != '/'; });
    return places;
  }

  // Why a place has nothing; "" where it is not told.
  std::string why(const std::string& place) {
    for (const auto& each : namp::library_candidates(namp::cublas_library(), surroundings_)) {
      if (each.place == place) return each.nothing;
    }
    return "";
  }

  std::string root_;
  std::map<std::string, std::string> variables_;
  std::set<std::string> loaded_;
  namp::Surroundings surroundings_;
};

using Paths = std::vector<std::string>;

TEST_F(LibraryPlacesTest, WhatTheVariableNamesIsAllThatIsTried) {
  lay("/usr/local/cuda/lib64/libcublas.so.12");
  variables_["NATIVEAMP_CUBLAS_LIBRARY"] = "none";
  EXPECT_EQ(to_open(namp::cublas_library()), Paths{"none"});
}

TEST_F(LibraryPlacesTest, WhatIsLoadedComesFirstThenNamesThenPlaces) {
  lay("/usr/local/cuda/lib64/libcublas.so.12");
  loaded_ = {"libcublas.so.12"};
  EXPECT_EQ(to_open(namp::cublas_library()),
            (Paths{"libcublas.so.12", "libcublas.so.13", "libcublas.so.12", "libcublas.so.11",
                   "/usr/local/cuda/lib64/libcublas.so.12"}));
  EXPECT_TRUE(namp::library_candidates(namp::cublas_library(), surroundings_)[0].if_loaded);
}

TEST_F(LibraryPlacesTest, EveryUsualPlaceOfCublasIsLookedInInThisOrder) {
  const Paths places = {
      "/chosen/lib64",
      "/chosen/targets/x86_64-linux/lib",
      "/home/lib64",
      "/home/targets/sbsa-linux/lib",
      "/usr/local/cuda/lib64",
      "/usr/local/cuda-13.0/lib64",
      "/usr/local/cuda-12.10/lib64",
      "/usr/local/cuda-12.4/lib64",
      "/conda/lib",
      "/venv/lib/python3.12/site-packages/nvidia/cu13/lib",
      "/venv/lib/python3.12/site-packages/nvidia/cublas/lib",
      "/app/runtimes/linux-x64/native",
  };
  Paths files;
  for (const std::string& place : places) {
    files.push_back(place + "/libcublas.so.12");
    lay(files.back());
  }
  variables_ = {{"CUDA_PATH", root_ + "/chosen"},
                {"CUDA_HOME", root_ + "/home"},
                {"CONDA_PREFIX", root_ + "/conda"},
                {"VIRTUAL_ENV", root_ + "/venv"},
                {"NATIVE_DLL_SEARCH_DIRECTORIES",
                 "relative:" + root_ + "/app/runtimes/linux-x64/native::" + root_ + "/nowhere"}};
  EXPECT_EQ(laid(), files);
}

TEST_F(LibraryPlacesTest, AFolderGivesItsVersionsTheNewestFirstAndWhatTheyNeed) {
  for (const char* file : {"libcublas.so.11", "libcublas.so.13", "libcublasLt.so.13"})
    lay(std::string("/usr/local/cuda/lib64/") + file);
  EXPECT_EQ(laid(), (Paths{"/usr/local/cuda/lib64/libcublas.so.13",
                           "/usr/local/cuda/lib64/libcublas.so.11"}));
  for (const auto& each : namp::library_candidates(namp::cublas_library(), surroundings_)) {
    if (each.place == root_ + "/usr/local/cuda/lib64/libcublas.so.13") {
      EXPECT_EQ(each.companion, root_ + "/usr/local/cuda/lib64/libcublasLt.so.13");
      EXPECT_EQ(each.major, 13);
    }
    if (each.place == root_ + "/usr/local/cuda/lib64/libcublas.so.11") {
      EXPECT_EQ(each.companion, "");
      EXPECT_EQ(each.major, 11);
    }
  }
}

TEST_F(LibraryPlacesTest, APlaceThatHasNothingSaysWhy) {
  fs::create_directories(root_ + "/conda/lib");
  variables_ = {{"CONDA_PREFIX", root_ + "/conda"}, {"CUDA_HOME", "cuda"}};
  EXPECT_EQ(why("${CUDA_PATH}/lib64"), "CUDA_PATH is not set");
  EXPECT_EQ(why("${CUDA_HOME}/lib64"), "CUDA_HOME is no absolute path: cuda");
  EXPECT_EQ(why(root_ + "/usr/local/cuda/lib64"), "there is no such folder");
  EXPECT_EQ(why(root_ + "/usr/local/cuda-*/lib64"), "there is no such folder");
  EXPECT_EQ(why(root_ + "/conda/lib"),
            "it has none of libcublas.so.13, libcublas.so.12, libcublas.so.11");
  EXPECT_EQ(why("this process"),
            "it has loaded none of libcublas.so.13, libcublas.so.12, libcublas.so.11");
}

// WSL and NixOS keep the driver's libraries where the system does not look.
TEST_F(LibraryPlacesTest, TheDriversLibrariesHavePlacesOfTheirOwn) {
  for (const char* folder : {"/usr/lib/wsl/lib/", "/run/opengl-driver/lib/"}) {
    lay(std::string(folder) + "libcuda.so.1");
    lay(std::string(folder) + "libnvidia-ml.so.1");
  }
  lay("/usr/local/cuda/lib64/libcuda.so.1");  // the toolkit has no driver
  EXPECT_EQ(to_open(namp::cuda_library()),
            (Paths{"libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1",
                   "/run/opengl-driver/lib/libcuda.so.1"}));
  EXPECT_EQ(to_open(namp::nvml_library()),
            (Paths{"libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1",
                   "/run/opengl-driver/lib/libnvidia-ml.so.1"}));
}

}  // namespace
}  // namespace namp_test

#endif
