#include "libraries/places.h"

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "libraries/dynamic_library.h"
#include "libraries/environment.h"

namespace namp {
namespace {

namespace fs = std::filesystem;

// Paths here are in UTF-8 on every system.
fs::path path_of(const std::string& utf8) {
  return fs::path(std::u8string(utf8.begin(), utf8.end()));
}
std::string text_of(const fs::path& path) {
  const std::u8string utf8 = path.u8string();
  return std::string(utf8.begin(), utf8.end());
}

constexpr const char* kApplicationFolders = "NATIVE_DLL_SEARCH_DIRECTORIES";

// Folders where a library may lie. ${X} is a variable of the environment; one that stands alone is
// a list of folders. * is any text within a name, the newest first.
struct Place {
  uint8_t suppliers;  // whose libraries it may hold
  const char* folder;
};

#if defined(_WIN32)
constexpr bool kWindows = true;
constexpr char kListSeparator = ';';
constexpr Place kPlaces[] = {
    {kDriver, "${SystemRoot}/System32"},
    {kDriver, "${ProgramFiles}/NVIDIA Corporation/NVSMI"},
    // CUDA 13 moved its libraries to bin/x64, which PATH may lack.
    {kCudaToolkit, "${CUDA_PATH}/bin/x64"},
    {kCudaToolkit, "${CUDA_PATH}/bin"},
    {kCudaToolkit, "${CUDA_HOME}/bin/x64"},
    {kCudaToolkit, "${CUDA_HOME}/bin"},
    {kCudaToolkit, "${CONDA_PREFIX}/Library/bin/x64"},
    {kCudaToolkit | kOneDnn, "${CONDA_PREFIX}/Library/bin"},
    {kCudaToolkit, "${VIRTUAL_ENV}/Lib/site-packages/nvidia/cu13/bin/x86_64"},
    {kCudaToolkit, "${VIRTUAL_ENV}/Lib/site-packages/nvidia/cublas/bin"},
    {kOneDnn, "${DNNLROOT}/bin"},  // Intel's own packages
    {kOneDnn, "${VIRTUAL_ENV}/Library/bin"},
    {kCudaToolkit | kOneDnn, "${NATIVE_DLL_SEARCH_DIRECTORIES}"},
    {kCudaToolkit | kOneDnn, "${PATH}"},
};
#else
constexpr bool kWindows = false;
constexpr char kListSeparator = ':';
constexpr Place kPlaces[] = {
    {kDriver, "/usr/lib/wsl/lib"},         // Windows Subsystem for Linux
    {kDriver, "/run/opengl-driver/lib"},   // NixOS
    {kCudaToolkit, "${CUDA_PATH}/lib64"},  // a toolkit that somebody chose
    {kCudaToolkit, "${CUDA_PATH}/targets/*/lib"},
    {kCudaToolkit, "${CUDA_HOME}/lib64"},
    {kCudaToolkit, "${CUDA_HOME}/targets/*/lib"},
    {kCudaToolkit, "/usr/local/cuda/lib64"},  // NVIDIA's runfile
    {kCudaToolkit, "/usr/local/cuda-*/lib64"},
    {kCudaToolkit | kOneDnn, "${CONDA_PREFIX}/lib"},                               // conda
    {kCudaToolkit, "${VIRTUAL_ENV}/lib/python*/site-packages/nvidia/cu13/lib"},    // pip, CUDA 13
    {kCudaToolkit, "${VIRTUAL_ENV}/lib/python*/site-packages/nvidia/cublas/lib"},  // pip, CUDA 12
    {kOneDnn, "${DNNLROOT}/lib"},                                  // Intel's own packages
    {kOneDnn, "${VIRTUAL_ENV}/lib"},                               // pip
    {kCudaToolkit | kOneDnn, "${NATIVE_DLL_SEARCH_DIRECTORIES}"},  // other NuGet packages
};
#endif

std::mutex folders_mutex;
std::string& application_folders() {
  static std::string& folders = *new std::string;  // until the very end of the process
  return folders;
}

// A folder as it is told, and its path; or why there is none.
struct Folder {
  std::string path;
  std::string nothing;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Newer first: numbers in names are compared as numbers.
bool is_newer(const std::string& a, const std::string& b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return a[i] > b[j];
      ++i;
      ++j;
      continue;
    }
    const auto number = [&](const std::string& text, size_t& at) {
      const size_t begin = at;
      while (at < text.size() && is_digit(text[at]))
        ++at;
      const std::string digits = text.substr(begin, at - begin);
      return std::string(digits.size() < 20 ? 20 - digits.size() : 0, '0') + digits;
    };
    const std::string left = number(a, i);
    const std::string right = number(b, j);
    if (left != right) return left > right;
  }
  return a.size() > b.size();
}

// The folders that match a path with one * in each of some of its names.
std::vector<std::string> expand_names(const std::string& path) {
  const size_t star = path.find('*');
  if (star == std::string::npos) return {path};
  const size_t begin = path.rfind('/', star) + 1;
  const size_t end = std::min(path.find('/', star), path.size());
  const std::string before = path.substr(begin, star - begin);
  const std::string after = path.substr(star + 1, end - star - 1);
  std::vector<std::string> names;
  std::error_code error;
  const std::string parent = path.substr(0, begin);
  for (fs::directory_iterator entry(path_of(parent), error), last; !error && entry != last;
       entry.increment(error)) {
    const std::string name = text_of(entry->path().filename());
    if (name.size() >= before.size() + after.size() && name.starts_with(before) &&
        name.ends_with(after)) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end(), is_newer);
  std::vector<std::string> found;
  for (const std::string& name : names) {
    for (std::string& each : expand_names(parent + name + path.substr(end)))
      found.push_back(std::move(each));
  }
  return found;
}

std::vector<Folder> folders_of(const Place& place, const Surroundings& surroundings) {
  std::string path = place.folder;
  if (!path.starts_with("${")) {
    path = surroundings.root + path;
  } else {
    const size_t end = path.find('}');
    const std::string name = path.substr(2, end - 2);
    const std::optional<std::string> value = surroundings.variable(name);
    if (!value.has_value()) return {{place.folder, name + " is not set"}};
    if (end + 1 == path.size()) {
      std::vector<Folder> listed;
      for (const std::string& part : split(*value, kListSeparator)) {
        // A folder that the current one decides about is nobody's choice.
        if (path_of(part).is_absolute()) listed.push_back({part, ""});
      }
      return listed;
    }
    if (!path_of(*value).is_absolute())
      return {{place.folder, name + " is no absolute path: " + *value}};
    path = *value + path.substr(end + 1);
  }
  std::vector<Folder> found;
  for (const std::string& each : expand_names(path))
    found.push_back({each, ""});
  if (found.empty()) return {{path, "there is no such folder"}};
  return found;
}

std::string names_of(const VendorLibrary& library) {
  std::string names;
  for (const VendorLibrary::Version& version : library.versions)
    names += (names.empty() ? "" : ", ") + version.file;
  return names;
}

void add_folder(std::vector<LibraryCandidate>& candidates, const VendorLibrary& library,
                const Folder& folder) {
  if (!folder.nothing.empty()) {
    candidates.push_back({folder.path, folder.nothing, false, 0, ""});
    return;
  }
  std::error_code error;
  if (!fs::is_directory(path_of(folder.path), error)) {
    candidates.push_back({folder.path, "there is no such folder", false, 0, ""});
    return;
  }
  bool any = false;
  for (const VendorLibrary::Version& version : library.versions) {
    const fs::path path = path_of(folder.path) / version.file;
    if (!fs::exists(path, error)) continue;
    std::string companion;
    if (!version.companion.empty()) {
      const fs::path beside = path_of(folder.path) / version.companion;
      if (fs::exists(beside, error)) companion = text_of(beside);
    }
    candidates.push_back({text_of(path), "", false, version.major, companion});
    any = true;
  }
  if (!any)
    candidates.push_back({folder.path, "it has none of " + names_of(library), false, 0, ""});
}

VendorLibrary::Version cublas_version(int major) {
  const std::string number = std::to_string(major);
  if (kWindows) return {"cublas64_" + number + ".dll", major, "cublasLt64_" + number + ".dll"};
  return {"libcublas.so." + number, major, "libcublasLt.so." + number};
}

}  // namespace

const VendorLibrary& cuda_library() {
  static const VendorLibrary& library = *new VendorLibrary{
      "NATIVEAMP_CUDA_LIBRARY", kDriver,
      kWindows
          ? std::vector<VendorLibrary::Version>{{"nvcuda.dll", 0, ""}}
          : std::vector<VendorLibrary::Version>{{"libcuda.so.1", 0, ""}, {"libcuda.so", 0, ""}}};
  return library;
}

const VendorLibrary& cublas_library() {
  static const VendorLibrary& library =
      *new VendorLibrary{"NATIVEAMP_CUBLAS_LIBRARY",
                         kCudaToolkit,
                         {cublas_version(13), cublas_version(12), cublas_version(11)}};
  return library;
}

const VendorLibrary& nvml_library() {
  static const VendorLibrary& library = *new VendorLibrary{
      "NATIVEAMP_NVML_LIBRARY", kDriver, {{kWindows ? "nvml.dll" : "libnvidia-ml.so.1", 0, ""}}};
  return library;
}

const VendorLibrary& onednn_library() {
  // Debian has the minor version in the name, and the plain one only for those that build.
  static const VendorLibrary& library =
      *new VendorLibrary{"NATIVEAMP_ONEDNN_LIBRARY", kOneDnn,
                         kWindows ? std::vector<VendorLibrary::Version>{{"dnnl.dll", 0, ""}}
                                  : std::vector<VendorLibrary::Version>{{"libdnnl.so.3", 3, ""},
                                                                        {"libdnnl.so.3.6", 3, ""},
                                                                        {"libdnnl.so.2", 2, ""},
                                                                        {"libdnnl.so", 0, ""}}};
  return library;
}

Surroundings Surroundings::of_process() {
  Surroundings surroundings;
  surroundings.variable = [](const std::string& name) -> std::optional<std::string> {
    if (name == kApplicationFolders) {
      const std::lock_guard lock(folders_mutex);
      if (application_folders().empty()) return {};
      return application_folders();
    }
    return environment_variable(name);
  };
  surroundings.is_loaded = [](const std::string& name) {
    std::string answer;
    return DynamicLibrary(name, DynamicLibrary::How::kIfLoaded, answer).is_open();
  };
  return surroundings;
}

void set_library_folders(const std::string& folders) {
  const std::lock_guard lock(folders_mutex);
  application_folders() = folders;
}

std::vector<LibraryCandidate> library_candidates(const VendorLibrary& library,
                                                 const Surroundings& surroundings) {
  if (const auto named = surroundings.variable(library.variable))
    return {{*named, "", false, 0, ""}};
  std::vector<LibraryCandidate> candidates;
  for (const VendorLibrary::Version& version : library.versions) {
    if (surroundings.is_loaded(version.file))
      candidates.push_back({version.file, "", true, version.major, ""});
  }
  if (candidates.empty())
    candidates.push_back(
        {"this process", "it has loaded none of " + names_of(library), false, 0, ""});
  for (const VendorLibrary::Version& version : library.versions)
    candidates.push_back({version.file, "", false, version.major, ""});
  for (const Place& place : kPlaces) {
    if ((place.suppliers & library.supplier) == 0) continue;
    for (const Folder& folder : folders_of(place, surroundings))
      add_folder(candidates, library, folder);
  }
  return candidates;
}

}  // namespace namp
