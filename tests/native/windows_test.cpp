// Text on Windows: UTF-16 there, UTF-8 here.
#if defined(_WIN32)

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "libraries/environment.h"
#include "libraries/places.h"
#include "libraries/windows_text.h"
#include "nativeamp.h"

namespace namp_test {
namespace {

namespace fs = std::filesystem;

const wchar_t* const kName = L"J\u00f6rg \u0141\u00f3d\u017a \U0001F600";
const char* const kNameInUtf8 = "J\xc3\xb6rg \xc5\x81\xc3\xb3\x64\xc5\xba \xf0\x9f\x98\x80";

class WindowsTest : public ::testing::Test {
 protected:
  static void set(const wchar_t* name, const std::wstring& value) {
    SetEnvironmentVariableW(name, value.c_str());
  }
  void TearDown() override {
    SetEnvironmentVariableW(L"NAMP_TEST", nullptr);
    SetEnvironmentVariableW(L"NATIVEAMP_CUDA_LIBRARY", nullptr);
  }
};

TEST_F(WindowsTest, VariableOfTheProcessIsReadInUtf8) {
  set(L"NAMP_TEST", kName);

  EXPECT_EQ(namp::environment_variable("NAMP_TEST"), kNameInUtf8);
}

TEST_F(WindowsTest, VariableThatIsNotSetOrEmptyIsNothing) {
  EXPECT_EQ(namp::environment_variable("NAMP_TEST"), std::nullopt);
  set(L"NAMP_TEST", {});
  EXPECT_EQ(namp::environment_variable("NAMP_TEST"), std::nullopt);
}

TEST_F(WindowsTest, VariableWithHalfACharacterIsStillRead) {
  set(L"NAMP_TEST", L"a\xd83d");

  EXPECT_EQ(namp::environment_variable("NAMP_TEST"), "a\xef\xbf\xbd");
}

TEST_F(WindowsTest, FolderWithAnyLettersIsLookedIn) {
  const fs::path folder = fs::temp_directory_path() / kName;
  fs::create_directories(folder);
  std::ofstream(folder / L"cublas64_12.dll").put('\n');
  namp::Surroundings surroundings;
  surroundings.is_loaded = [](const std::string&) { return false; };
  surroundings.variable = [&](const std::string& name) -> std::optional<std::string> {
    if (name != "PATH") return {};
    return "C:\\windows;" + namp::to_utf8(folder.wstring());
  };

  const auto candidates = namp::library_candidates(namp::cublas_library(), surroundings);

  EXPECT_EQ(fs::path(namp::to_wide(candidates.back().place)), folder / L"cublas64_12.dll");
  EXPECT_EQ(candidates.back().nothing, "");
  fs::remove_all(folder);
}

TEST_F(WindowsTest, NamedLibraryIsToldWithItsLetters) {
  set(L"NATIVEAMP_CUDA_LIBRARY", std::wstring(L"C:\\Users\\") + kName + L"\\nvcuda.dll");
  int32_t count = -1;
  char reason[1024] = "";

  ASSERT_EQ(namp_device_count(&count, NAMP_DEVICE_CUDA, reason, sizeof(reason)), NAMP_OK);

  EXPECT_EQ(count, 0);
  EXPECT_NE(std::string(reason).find(kNameInUtf8), std::string::npos) << reason;
}

}  // namespace
}  // namespace namp_test

#endif
