#include "cublas/version.h"

#include <cstdlib>
#include <string>

#include <dlfcn.h>

#include "driver/cuda_api.h"

extern "C" CUresult cuDriverGetVersion(int* version);  // the emulated driver's

namespace nampemu {

int cublas_major_version() {
  Dl_info info{};
  static const char here = 0;
  if (dladdr(&here, &info) == 0 || info.dli_fname == nullptr) return 12;
  const std::string file = info.dli_fname;
  const size_t so = file.rfind(".so.");
  return so == std::string::npos ? 12 : std::atoi(file.c_str() + so + 4);
}

bool cublas_starts() {
  int driver = 0;
  if (cuDriverGetVersion(&driver) != CUDA_SUCCESS || cublas_major_version() > driver / 1000)
    return false;
  const char* refused = std::getenv("NAMPEMU_CUBLAS_REFUSES");
  const std::string version = std::to_string(cublas_major_version());
  return refused == nullptr ||
         (',' + std::string(refused) + ',').find(',' + version + ',') == std::string::npos;
}

}  // namespace nampemu
