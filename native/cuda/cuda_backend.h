// The CUDA backend: devices, streams and memory in cuda_backend.cpp; each family of operators is
// launched from the file of native/cuda that has its name, over kernels of the .cu file beside it.
#pragma once

#include <atomic>
#include <mutex>
#include <span>

#include "backend.h"
#include "cuda/attention_kernels.h"
#include "cuda/context.h"
#include "cuda/convolution_kernels.h"
#include "cuda/cublas.h"
#include "cuda/gemm_kernels.h"
#include "cuda/launcher.h"
#include "cuda/product_ways.h"
#include "cuda/staging.h"
#include "cuda/tickets.h"

namespace namp {

namespace cuda {

inline DevicePointer address(const void* pointer) {
  return static_cast<DevicePointer>(reinterpret_cast<uintptr_t>(pointer));
}

}  // namespace cuda

// clang-format off: an override a line keeps the list readable, and merges easy.
class CudaBackend final : public Backend {
 public:
  // A device's number, or a context of the caller.
  template <class Place>
  explicit CudaBackend(Place place);
  ~CudaBackend() override;

  void get_info(namp_device_info& info) override;
  void* context() const override { return context_.get(); }
  void set_allow_tf32(bool allow) override { cublas_.set_allow_tf32(allow); }
  void set_measure_products(bool measure) override { measures_products_ = measure; }

  namp_stream own_stream() override { return own_stream_; }
  namp_stream create_stream() override;
  void destroy_stream(namp_stream stream) override;
  void synchronize(namp_stream stream) override;
  void finish() noexcept override;
  void order(namp_stream later, namp_stream earlier) override;

  // event.cpp
  void* create_event() override;
  void destroy_event(void* event) override;
  void record_event(void* event, namp_stream stream) override;
  void wait_event(namp_stream stream, void* event) override;
  bool query_event(void* event) override;
  void synchronize_event(void* event) override;
  double elapsed_seconds(void* from, void* to) override;

  // graph.cpp
  void begin_capture(Capture& capture) override;
  void* end_capture(Capture& capture, bool keep) override;
  void launch_graph(void* graph, namp_stream stream) override;
  void destroy_graph(void* graph) noexcept override;

  void* system_allocate(int64_t bytes) override;
  void system_free(void* pointer) override;
  void* allocate_host(int64_t bytes) override;
  void free_host(void* pointer) override;
  void copy(void* destination, const void* source, int64_t bytes, namp_copy_direction direction,
            namp_stream stream) override;
  void copy_async(void* destination, const void* source, int64_t bytes,
                  namp_copy_direction direction, namp_stream stream) override;
  void fill(void* destination, int32_t value, int64_t bytes, namp_stream stream) override;

  // cast.cpp
  void cast(const namp_cell& destination, const namp_cell& source, int64_t count,
            const namp_cast_options& options, namp_stream stream) override;
  void average_table(const TableView& table, int32_t average_column, int32_t value_column,
                     float weight, namp_stream stream) override;
  void cast_table(const TableView& table, int32_t destination_column, int32_t source_column,
                  const namp_cast_options& options, namp_stream stream) override;
  // unscale_check.cpp, optimizer.cpp
  void unscale_check(const TableView& table, int32_t gradient_column, int32_t write_column,
                     bool unscales, const namp_scaler_state* scaler, namp_optimizer_state* state,
                     bool reset, namp_stream stream) override;
  void optimizer_step(const TableView& table, const namp_optimizer_args& args, bool compact,
                      const namp_scaler_state* scaler, namp_optimizer_state* state,
                      namp_stream stream) override;
  void scaler_update(namp_scaler_state* scaler, namp_optimizer_state* const* states, int32_t count,
                     const namp_scaler_options& options, namp_stream stream) override;
  // touch.cpp
  void touch_table(uint32_t* checksum, const TableView& table, const int32_t* accesses,
                   namp_stream stream) override;
  // Each in the file of its name.
#define NAMP_OVERRIDE(name, Args) void name(const Args& args, namp_stream stream) override;
  NAMP_FOR_EACH_OPERATOR(NAMP_OVERRIDE)
#undef NAMP_OVERRIDE
  // elementwise.cpp, permute.cpp, softmax.cpp
  void dropout(void* output, const void* input, namp_dtype dtype, int64_t count, float probability,
               uint64_t seed, uint64_t offset, const uint64_t* offset_base,
               namp_stream stream) override;
  void permute(void* out, const void* in, namp_dtype dtype, int32_t rank, const int64_t* shape,
               const int32_t* perm, namp_stream stream) override;
  void argmax(int32_t* out, const void* in, namp_dtype dtype, int64_t rows, int64_t width,
              namp_stream stream) override;

 private:
  void multiply(const cuda::GemmArgs& gemm, namp_stream stream);
  void multiply_by(cuda::ProductWay way, const cuda::GemmArgs& gemm, namp_stream stream);
  // product_ways.cpp: by what was measured, if that is wanted. The first call of a kind is measured, and waits.
  cuda::ProductWay way_of(const cuda::GemmArgs& gemm, namp_stream stream);
  bool is_best_in_one_launch(const cuda::GemmArgs& gemm) const;
  double seconds_of(cuda::ProductWay way, const cuda::GemmArgs& gemm, namp_stream stream);
  // gemm_padding.cpp; false where no operand needs it.
  bool multiply_padded(const cuda::GemmArgs& gemm, namp_stream stream);
  // By cuBLAS; false where it is not there, or its integers are too small for the sizes.
  bool multiply_by_cublas(const cuda::GemmArgs& gemm, namp_stream stream);
  bool multiply_with_bias(const cuda::GemmArgs& gemm, namp_stream stream);
  // convolution.cpp. Whether an image is its own columns, and a product should read them where they are.
  bool is_best_in_place(const namp_conv2d_args& args);
  void weight_gradient_of_columns(const namp_conv2d_args& args, namp_stream stream);
  // gathered_convolution.cpp: on tensor cores, without columns in memory; null where they do not take
  // the call.
  const cuda::TensorConvolutions* gathering_kernels(const namp_conv2d_args& args) const;
  void gather_output(const cuda::TensorConvolutions& kernels, const namp_conv2d_args& args,
                     namp_stream stream);
  void gather_input_gradient(const cuda::TensorConvolutions& kernels, const namp_conv2d_args& args,
                             namp_stream stream);
  void gather_weight_gradient(const cuda::TensorConvolutions& kernels, const namp_conv2d_args& args,
                              namp_stream stream);
  bool spread_input_gradient(const namp_conv2d_args& args, namp_stream stream);
  bool multiply_positions(const namp_conv2d_args& args, namp_stream stream);
  // From sums [parts, output channels, taps, padded channels]; of windows, [parts, output channels,
  // kernel_h, padded channels].
  void sum_weight_gradient(const namp_conv2d_args& args, const float* sums, int64_t parts,
                           int64_t padded_channels, bool of_windows, namp_stream stream);
  // depthwise_convolution.cpp
  static bool is_depthwise(const namp_conv2d_args& args);
  void depthwise_output(const namp_conv2d_args& args, namp_stream stream);
  void depthwise_input_gradient(const namp_conv2d_args& args, namp_stream stream);
  void depthwise_weight_gradient(const namp_conv2d_args& args, namp_stream stream);
  void launch_copies(cuda::ChannelsLast first, cuda::ChannelsLast second, namp_stream stream);
  void launch_copies(cuda::RowWindows first, cuda::RowWindows second, namp_stream stream);
  void launch_gathered(std::span<const cuda::ConvolutionKernel> kernels,
                       const cuda::ConvolutionArgs& args, namp_stream stream);
  // Of images and weights that are copied as Copy: ChannelsLast or RowWindows.
  template <class Copy>
  void gather_output_of(const cuda::TensorConvolutions& kernels, const namp_conv2d_args& args,
                        Copy image, Copy weight, namp_stream stream);
  // gathered_weight_gradient.cpp
  template <class Copy>
  void gather_weight_gradient_of(const cuda::TensorConvolutions& kernels,
                                 const namp_conv2d_args& args, Copy image, namp_stream stream);
  const cuda::AttentionKernels* attention_kernels(const namp_attention_args& args,
                                                  bool backward) const;
  // In as many launches as attention_rows_per_launch wants: blocks with a task each, or warps with a
  // row each.
  void launch_attention(const cuda::AttentionKernels& kernels, const cuda::AttentionPass& pass,
                        cuda::AttentionRows of, const namp_attention_args& args, float* deltas,
                        namp_stream stream);
  void launch_attention_rows(const cuda::Kernel<cuda::AttentionArgs>& kernel,
                             cuda::AttentionRows of, const namp_attention_args& args, float* deltas,
                             namp_stream stream);

  cuda::Stream stream_of(namp_stream stream) const {
    return stream == nullptr ? own_stream_ : static_cast<cuda::Stream>(stream);
  }

  // Where work for a stream goes: to the capture of the calling thread, if it captures that stream.
  cuda::Stream queue_of(namp_stream stream) const {
    const Capture* capture = current_capture();
    return capture != nullptr && capture->backend == this &&
                   stream_of(capture->stream) == stream_of(stream)
               ? static_cast<cuda::Stream>(capture->driver_stream)
               : stream_of(stream);
  }

  // Makes the context current and launches.
  template <class Args>
  void launch(const cuda::Kernel<Args>& kernel, int64_t tasks,
              const std::type_identity_t<Args>& args, namp_stream stream) {
    const cuda::ContextScope scope(context_);
    launcher_(kernel, tasks, args, queue_of(stream));
  }

  // A kernel of column_sums.cuh, with this many sums for each column.
  template <class Call>
  void launch_column_sums(const cuda::Kernel<cuda::ColumnSumArgs<Call>>& kernel, int64_t rows,
                          int64_t columns, int64_t sums, const Call& call, namp_stream stream) {
    const cuda::ColumnSplit split = cuda::split_columns(rows, columns);
    launch_split(kernel, split, split.tiles * split.slices, sums, call, stream);
  }

  // A kernel of lane_sums.cuh, whose blocks have whole rows. sums may be 0.
  template <class Call>
  void launch_row_sums(const cuda::Kernel<cuda::ColumnSumArgs<Call>>& kernel, int64_t rows,
                       int64_t columns, int64_t sums, const Call& call, namp_stream stream) {
    const cuda::ColumnSplit split = cuda::split_rows(rows, columns);
    launch_split(kernel, split, split.slices, sums, call, stream);
  }

  template <class Call>
  void launch_split(const cuda::Kernel<cuda::ColumnSumArgs<Call>>& kernel,
                    const cuda::ColumnSplit& split, int64_t tasks, int64_t sums, const Call& call,
                    namp_stream stream) {
    const cuda::ContextScope scope(context_);
    const int64_t bytes =
        split.slices * sums * split.tiles * cuda::kColumnsPerBlock * int64_t{sizeof(double)};
    void* partial = split.slices == 1 || bytes == 0
                        ? nullptr
                        : workspaces().reserve(bytes, stream, Workspace::User::kSums);
    launch(kernel, tasks,
           {call, split, static_cast<double*>(partial), tickets_.of(stream_of(stream))}, stream);
  }

  cuda::DeviceContext context_;
  const int64_t padded_bytes_ = cuda::padded_bytes_wanted();
  const int capability_;  // compute capability, such as 80
  cuda::Stream own_stream_ = nullptr;
  cuda::Event moment_ = nullptr;  // between order's record and wait, under its lock
  std::mutex ordering_;
  cuda::Launcher launcher_;
  cuda::Staging staging_;
  cuda::Tickets tickets_;
  cuda::Cublas cublas_;
  std::atomic<bool> measures_products_ = cuda::measuring_is_wanted();
  cuda::ProductWays product_ways_;
};
// clang-format on

}  // namespace namp
