// The CPU backend. Each family of operators is defined in the file of native/cpu that has its name.
#pragma once

#include <string>

#include "backend.h"
#include "cpu/matrix_library.h"
#include "cpu/simd_target.h"
#include "cpu/threads.h"

namespace namp {

struct DepthwisePlanes;

// clang-format off: an override a line keeps the list readable, and merges easy.
class CpuBackend final : public Backend {
 public:
  CpuBackend() : simd_(best_simd()) { threads_.share(library_.openmp()); }

  void get_info(namp_device_info& info) override;
  void set_threads(int32_t threads) override { threads_.set(threads); }
  void set_simd(namp_simd simd) override;

  namp_stream own_stream() override { return nullptr; }
  namp_stream create_stream() override { return nullptr; }
  void destroy_stream(namp_stream) override {}
  void synchronize(namp_stream) override {}
  void order(namp_stream, namp_stream) override {}

  // event.cpp
  void* create_event() override;
  void destroy_event(void* event) override;
  void record_event(void* event, namp_stream stream) override;
  void wait_event(namp_stream, void*) override {}
  bool query_event(void*) override { return true; }
  void synchronize_event(void*) override {}
  double elapsed_seconds(void* from, void* to) override;

  void* system_allocate(int64_t bytes) override;
  void system_free(void* pointer) override;
  void* allocate_host(int64_t bytes) override { return system_allocate(bytes); }
  void free_host(void* pointer) override { system_free(pointer); }
  void copy(void* destination, const void* source, int64_t bytes, namp_copy_direction direction,
            namp_stream stream) override;
  void copy_async(void* destination, const void* source, int64_t bytes,
                  namp_copy_direction direction, namp_stream stream) override {
    copy(destination, source, bytes, direction, stream);
  }
  void fill(void* destination, int32_t value, int64_t bytes, namp_stream stream) override;

  // cast.cpp
  void cast(const namp_cell& destination, const namp_cell& source, int64_t count,
            const namp_cast_options& options, namp_stream stream) override;
  void cast_table(const TableView& table, int32_t destination_column, int32_t source_column,
                  const namp_cast_options& options, namp_stream stream) override;

  // average.cpp
  void average_table(const TableView& table, int32_t average_column, int32_t value_column,
                     float weight, namp_stream stream) override;

  // unscale_check.cpp
  void unscale_check(const TableView& table, int32_t gradient_column, int32_t write_column,
                     bool unscales, const namp_scaler_state* scaler, namp_optimizer_state* state,
                     bool reset, namp_stream stream) override;
  void scaler_update(namp_scaler_state* scaler, namp_optimizer_state* const* states, int32_t count,
                     const namp_scaler_options& options, namp_stream stream) override;

  // optimizer.cpp
  void optimizer_step(const TableView& table, const namp_optimizer_args& args, bool compact,
                      const namp_scaler_state* scaler, namp_optimizer_state* state,
                      namp_stream stream) override;

  // touch.cpp
  void touch_table(uint32_t* checksum, const TableView& table, const int32_t* accesses,
                   namp_stream stream) override;

  // Each in the file of its family: loss.cpp, gemm.cpp, convolution.cpp, …
#define NAMP_OVERRIDE(name, Args) void name(const Args& args, namp_stream stream) override;
  NAMP_FOR_EACH_OPERATOR(NAMP_OVERRIDE)
#undef NAMP_OVERRIDE

  // int8_panels.cpp
  int64_t int8_packed_bytes(const namp_int8_pack_args& args) const override;
  // int4_panels.cpp
  int64_t int4_packed_bytes(const namp_int4_pack_args& args) const override;
  // softmax.cpp, elementwise.cpp, permute.cpp
  void argmax(int32_t* out, const void* in, namp_dtype dtype, int64_t rows, int64_t width,
              namp_stream stream) override;
  void dropout(void* output, const void* input, namp_dtype dtype, int64_t count, float probability,
               uint64_t seed, uint64_t offset, const uint64_t* offset_base,
               namp_stream stream) override;
  void permute(void* out, const void* in, namp_dtype dtype, int32_t rank, const int64_t* shape,
               const int32_t* perm, namp_stream stream) override;

 private:
  // Scratch memory of a number of workers, bytes for each, and shared ones after it, aligned to 64
  // bytes if bytes is. Sizes that no machine has are out of memory.
  char* worker_scratch(int64_t workers, int64_t bytes, namp_stream stream, int64_t shared = 0) {
    if (bytes > (int64_t{1} << 46)) {
      throw Error(NAMP_ERROR_OUT_OF_MEMORY, "This operator would need " + std::to_string(bytes) +
                                                " bytes of scratch memory; use smaller sizes.");
    }
    return static_cast<char*>(workspace(workers * bytes + shared, stream));
  }

  void gemm_by_blocks(const namp_gemm_args& args, namp_stream stream);
  void activate_product(const namp_gemm_args& args, const void* from, namp_stream stream);

  bool convolve_by_library(const namp_conv2d_args& args, ConvolutionPass pass, namp_stream stream);
  bool convolve_by_planes(const namp_conv2d_args& args, ConvolutionPass pass, namp_stream stream);
  bool convolve_depthwise(const namp_conv2d_args& args, ConvolutionPass pass, namp_stream stream);
  void convolve_by_lanes(const namp_conv2d_args& args, ConvolutionPass pass, namp_stream stream);
  void sum_weights_by_lanes(const namp_conv2d_args& args, namp_stream stream);
  void sum_depthwise_weights(const namp_conv2d_args& args, const DepthwisePlanes& planes,
                             namp_stream stream);
  void conv2d_forward_by_loops(const namp_conv2d_args& args, namp_stream stream);
  void conv2d_backward_data_by_loops(const namp_conv2d_args& args, namp_stream stream);
  void scatter_gradients(const namp_conv2d_args& args, namp_stream stream);
  void conv2d_backward_weights_by_loops(const namp_conv2d_args& args, namp_stream stream);
  bool sum_weights_at_once(const namp_conv2d_args& args, namp_stream stream);
  void sum_weights_by_images(const namp_conv2d_args& args, namp_stream stream);

  MatrixLibrary library_;
  Threads threads_;
  namp_simd simd_;
};
// clang-format on

}  // namespace namp
