// Where libraries of others lie: the places as data, and the files that a machine has there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace namp {

// Who brings a library, which decides where it may lie.
enum Supplier : uint8_t { kDriver = 1, kCudaToolkit = 2, kOneDnn = 4 };

// A library that is looked for at run time.
struct VendorLibrary {
  // One of its versions: the file's name, and the major version (of CUDA, for NVIDIA's) that it
  // belongs to, 0 where the name does not say.
  struct Version {
    std::string file;
    int major = 0;
    std::string companion;  // a library that it needs, from the folder of its own; "" for none
  };

  const char* variable;  // of the environment: names the file, and then nothing else is tried
  Supplier supplier;
  std::vector<Version> versions;  // the preferred one first
};

const VendorLibrary& cuda_library();
const VendorLibrary& cublas_library();
const VendorLibrary& nvml_library();
const VendorLibrary& onednn_library();

// The process and the machine, as a search sees them. Tests make their own.
struct Surroundings {
  // A variable of the environment; NATIVE_DLL_SEARCH_DIRECTORIES is what set_library_folders was
  // given. Nothing where it is not set, or empty.
  std::function<std::optional<std::string>(const std::string&)> variable;
  // Whether the process has a library of this name.
  std::function<bool(const std::string&)> is_loaded;
  std::string root;  // put before absolute places that no variable names

  static Surroundings of_process();
};

// Folders of the application, separated as in PATH, that are looked in last.
void set_library_folders(const std::string& folders);

// Something to try, or a place that has nothing.
struct LibraryCandidate {
  std::string place;       // as it is told: a path, a name, or a folder
  std::string nothing;     // why there is nothing to open
  bool if_loaded = false;  // it is in the process already
  int major = 0;
  std::string companion;  // its path, to be opened first; "" for none
};

// In the order in which they are to be tried: what the variable names, alone; else what is loaded,
// what the system finds by name, and the usual places.
std::vector<LibraryCandidate> library_candidates(const VendorLibrary& library,
                                                 const Surroundings& surroundings);

}  // namespace namp
