// Shared by the emulator's own tests: the driver API's prototypes, a device with a context, and a
// way to run PTX over numbers.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "driver/cuda_api.h"
#include "nampemu.h"

extern "C" {
CUresult cuInit(unsigned flags);
CUresult cuDriverGetVersion(int* version);
CUresult cuGetProcAddress_v2(const char* symbol, void** function, int version, uint64_t flags,
                             int* status);
CUresult cuDeviceGetCount(int* count);
CUresult cuDeviceGet(CUdevice* device, int ordinal);
CUresult cuDeviceGetName(char* name, int length, CUdevice device);
CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device);
CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device);
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device);
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device);
CUresult cuDevicePrimaryCtxReset_v2(CUdevice device);
CUresult cuCtxSetCurrent(CUcontext context);
CUresult cuCtxGetCurrent(CUcontext* context);
CUresult cuCtxPushCurrent_v2(CUcontext context);
CUresult cuCtxPopCurrent_v2(CUcontext* context);
CUresult cuCtxSynchronize();
CUresult cuModuleLoadData(CUmodule* module, const void* image);
CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count, int* options,
                            void** values);
CUresult cuModuleUnload(CUmodule module);
CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name);
CUresult cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* bytes, CUmodule module,
                              const char* name);
CUresult cuFuncGetAttribute(int* value, int attribute, CUfunction function);
CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value);
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int threads,
                                                     size_t shared);
CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction function,
                                          size_t (*of_threads)(int), size_t shared, int limit);
CUresult cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                        unsigned by, unsigned bz, unsigned shared, CUstream stream,
                        void** parameters, void** extra);
CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes);
CUresult cuMemAllocAsync(CUdeviceptr* address, size_t bytes, CUstream stream);
CUresult cuMemFree_v2(CUdeviceptr address);
CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream);
CUresult cuMemAllocHost_v2(void** pointer, size_t bytes);
CUresult cuMemFreeHost(void* pointer);
CUresult cuMemGetInfo_v2(size_t* available, size_t* total);
CUresult cuPointerGetAttribute(void* value, int attribute, CUdeviceptr address);
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes);
CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes);
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes);
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream);
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count);
CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t count);
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count);
CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned flags);
CUresult cuEventQuery(CUevent event);
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream);
CUresult cuStreamCreate(CUstream* stream, unsigned flags);
CUresult cuStreamDestroy_v2(CUstream stream);
CUresult cuStreamSynchronize(CUstream stream);
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags);
CUresult cuEventCreate(CUevent* event, unsigned flags);
CUresult cuEventDestroy_v2(CUevent event);
CUresult cuEventRecord(CUevent event, CUstream stream);
CUresult cuEventSynchronize(CUevent event);
CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to);
CUresult cuStreamQuery(CUstream stream);
CUresult cuStreamBeginCapture_v2(CUstream stream, int mode);
CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph);
CUresult cuStreamIsCapturing(CUstream stream, int* status);
CUresult cuThreadExchangeStreamCaptureMode(int* mode);
CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph,
                                     unsigned long long flags);
CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream);
CUresult cuGraphExecDestroy(CUgraphExec executable);
CUresult cuGraphDestroy(CUgraph graph);
CUresult cuGetErrorName(CUresult error, const char** text);
CUresult cuGetErrorString(CUresult error, const char** text);
}

namespace nampemu_test {

// Device memory that frees itself, filled from a vector.
class Buffer {
 public:
  explicit Buffer(size_t bytes) : bytes_(bytes) {
    EXPECT_EQ(cuMemAlloc_v2(&address_, bytes), CUDA_SUCCESS);
  }
  template <class T>
  explicit Buffer(const std::vector<T>& values)
      : Buffer(std::max<size_t>(1, values.size() * sizeof(T))) {
    EXPECT_EQ(cuMemcpyHtoD_v2(address_, values.data(), values.size() * sizeof(T)), CUDA_SUCCESS);
  }
  ~Buffer() { cuMemFree_v2(address_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  CUdeviceptr address() const { return address_; }
  template <class T>
  std::vector<T> read() const {
    std::vector<T> values(bytes_ / sizeof(T));
    EXPECT_EQ(cuMemcpyDtoH_v2(values.data(), address_, values.size() * sizeof(T)), CUDA_SUCCESS);
    return values;
  }

 private:
  CUdeviceptr address_ = 0;
  size_t bytes_;
};

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
    nampemu_reset();
  }
  void TearDown() override {
    nampemu_fail_none();
    cuCtxSetCurrent(context_);
    for (const CUmodule module : modules_)
      cuModuleUnload(module);
    cuDevicePrimaryCtxRelease_v2(0);
    cuCtxSetCurrent(nullptr);
    nampemu_reset();
  }

  // A kernel of this body: "k", with .u64 parameters p0 … in %p0 …, and registers to use freely.
  static std::string kernel(const std::string& body, int parameters = 3,
                            const std::string& before = "", const std::string& directives = "") {
    std::string text =
        ".version 8.0\n.target sm_80\n.address_size 64\n" + before + "\n.visible .entry k(";
    for (int i = 0; i < parameters; ++i) {
      text += std::string(i != 0 ? ", " : "") + ".param .u64 p" + std::to_string(i);
    }
    text += ") " + directives +
            "\n{\n.reg .pred %p<8>;\n.reg .b16 %h<16>;\n.reg .b32 %r<32>;\n.reg .b64 %d<32>;\n";
    text += ".reg .b64 %a<8>;\n";
    for (int i = 0; i < parameters; ++i) {
      text += "ld.param.u64 %a" + std::to_string(i) + ", [p" + std::to_string(i) + "];\n";
    }
    return text + body + "\nret;\n}\n";
  }

  CUfunction load(const std::string& ptx, const char* name = "k") {
    CUmodule module = nullptr;
    std::vector<char> log(1024);
    int options[] = {5, 6};
    void* values[] = {log.data(), reinterpret_cast<void*>(log.size())};
    const CUresult result = cuModuleLoadDataEx(&module, ptx.c_str(), 2, options, values);
    EXPECT_EQ(result, CUDA_SUCCESS) << log.data() << "\n" << ptx;
    if (result != CUDA_SUCCESS) return nullptr;
    modules_.push_back(module);
    CUfunction function = nullptr;
    EXPECT_EQ(cuModuleGetFunction(&function, module, name), CUDA_SUCCESS);
    return function;
  }

  CUresult launch(CUfunction function, std::vector<CUdeviceptr> arguments, unsigned blocks = 1,
                  unsigned threads = 32, unsigned shared = 0) {
    std::vector<void*> pointers;
    for (CUdeviceptr& argument : arguments)
      pointers.push_back(&argument);
    return cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, nullptr, pointers.data(),
                          nullptr);
  }

  // Loads, launches and waits.
  CUresult run(const std::string& ptx, const std::vector<CUdeviceptr>& arguments,
               unsigned blocks = 1, unsigned threads = 32, unsigned shared = 0) {
    const CUfunction function = load(ptx);
    if (function == nullptr) return CUDA_ERROR_INVALID_PTX;
    const CUresult result = launch(function, arguments, blocks, threads, shared);
    return result != CUDA_SUCCESS ? result : cuCtxSynchronize();
  }

  // The error of loading this, "" when it loads.
  std::string load_error(const std::string& ptx) {
    CUmodule module = nullptr;
    std::vector<char> log(1024);
    int options[] = {5, 6};
    void* values[] = {log.data(), reinterpret_cast<void*>(log.size())};
    if (cuModuleLoadDataEx(&module, ptx.c_str(), 2, options, values) == CUDA_SUCCESS) {
      modules_.push_back(module);
      return "";
    }
    return log.data();
  }

  static std::string findings() {
    std::string all;
    for (size_t i = 0; nampemu_finding_text(i) != nullptr; ++i)
      all += std::string(nampemu_finding_text(i)) + "\n";
    return all;
  }

  CUcontext context_ = nullptr;
  std::vector<CUmodule> modules_;
};

}  // namespace nampemu_test
