// The emulated GPU as the report uses it: the product's own device on it, buffers, and its
// counters.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "nampemu.h"
#include "nativeamp.h"

namespace gpu_report {

inline int64_t bytes_of(int32_t dtype) {
  return dtype == NAMP_FLOAT32 || dtype == NAMP_INT32 ? 4 : dtype == NAMP_UINT8 ? 1 : 2;
}

template <class Args>
Args sized() {
  Args args{};
  args.struct_size = sizeof(Args);
  return args;
}

// Throws with the library's own words.
inline void require(int32_t status) {
  if (status != NAMP_OK) throw std::runtime_error(namp_last_error_message());
}

class EmulatedGpu {
 public:
  EmulatedGpu();
  EmulatedGpu(const EmulatedGpu&) = delete;
  EmulatedGpu& operator=(const EmulatedGpu&) = delete;
  ~EmulatedGpu();

  namp_device* device() { return device_; }

  // Opens the device anew with another compute capability, such as 75; nothing of it is in use.
  void use(int compute);

  // Memory of count elements, all of them small positive numbers, whatever the dtype; it lives
  // until release.
  void* numbers(int32_t dtype, int64_t count);
  template <class T>
  T* values(const std::vector<T>& host) {
    void* memory = numbers(NAMP_UINT8, static_cast<int64_t>(host.size() * sizeof(T)));
    require(namp_memory_copy(device_, memory, host.data(),
                             static_cast<int64_t>(host.size() * sizeof(T)),
                             NAMP_COPY_HOST_TO_DEVICE, nullptr));
    return static_cast<T*>(memory);
  }
  // A table of one tensor, a column a dtype.
  namp_table* table(const std::vector<int32_t>& dtypes, int64_t count);
  void release();

 private:
  namp_device* device_ = nullptr;
  int compute_ = 80;
  std::vector<void*> memory_;
  std::vector<namp_table*> tables_;
};

}  // namespace gpu_report
