// The CUDA backend: devices, streams and memory in cuda_backend.cpp; each family of operators is
// launched from the file of native/cuda that has its name, over kernels of the .cu file beside it.
#pragma once

#include "backend.h"
#include "cuda/context.h"
#include "cuda/launcher.h"
#include "cuda/staging.h"
#include "cuda/tickets.h"

namespace namp {

namespace cuda {

inline Stream stream_of(namp_stream stream) { return static_cast<Stream>(stream); }

inline DevicePointer address(const void* pointer) {
  return static_cast<DevicePointer>(reinterpret_cast<uintptr_t>(pointer));
}

}  // namespace cuda

// clang-format off: an override a line keeps the list readable, and merges easy.
class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal);
  ~CudaBackend() override;

  void get_info(namp_device_info& info) override;

  namp_stream create_stream() override;
  void destroy_stream(namp_stream stream) override;
  void synchronize(namp_stream stream) override;

  void* system_allocate(int64_t bytes) override;
  void system_free(void* pointer) override;
  void copy(void* destination, const void* source, int64_t bytes, namp_copy_direction direction,
            namp_stream stream) override;
  void fill(void* destination, int32_t value, int64_t bytes, namp_stream stream) override;

  // cast.cpp
  void cast(void* destination, namp_dtype destination_dtype, const void* source,
            namp_dtype source_dtype, int64_t count, const namp_cast_options& options,
            namp_stream stream) override;
  void cast_table(const TableView& table, int32_t destination_column, int32_t source_column,
                  const namp_cast_options& options, namp_stream stream) override;
  void scale(void* destination, namp_dtype destination_dtype, const void* source,
             namp_dtype source_dtype, int64_t count, const float* factor,
             namp_stream stream) override;
  // optimizer.cpp
  void unscale_check(const TableView& table, int32_t gradient_column, int32_t write_column,
                     const namp_scaler_state* scaler, namp_optimizer_state* state, bool reset,
                     namp_stream stream) override;
  void adam_step(const TableView& table, const namp_adam_args& args,
                 const namp_scaler_state* scaler, namp_optimizer_state* state,
                 namp_stream stream) override;
  void scaler_update(namp_scaler_state* scaler, namp_optimizer_state* const* states, int32_t count,
                     const namp_scaler_options& options, namp_stream stream) override;

 private:
  // Makes the context current and launches.
  template <class Args>
  void launch(const cuda::Kernel<Args>& kernel, int64_t tasks,
              const std::type_identity_t<Args>& args, namp_stream stream) {
    const cuda::ContextScope scope(context_);
    launcher_(kernel, tasks, args, cuda::stream_of(stream));
  }

  const int ordinal_;
  cuda::PrimaryContext context_;
  cuda::Launcher launcher_;
  cuda::Staging staging_;
  cuda::Tickets tickets_;
};
// clang-format on

}  // namespace namp
