// What a backend that does not override an operator answers, and which backends this build has.
#include "backend.h"

namespace namp {
namespace {

[[noreturn]] void unsupported(const char* what) {
  throw Error(NAMP_ERROR_UNSUPPORTED,
              std::string("This device does not support ") + what + "; use another device for it.");
}

}  // namespace

void Backend::set_threads(int32_t) { unsupported("set_threads"); }

void Backend::set_simd(namp_simd) { unsupported("set_simd"); }

void Backend::cast(void*, namp_dtype, const void*, namp_dtype, int64_t, const namp_cast_options&,
                   namp_stream) {
  unsupported("cast");
}

void Backend::cast_table(const TableView&, int32_t, int32_t, const namp_cast_options&,
                         namp_stream) {
  unsupported("cast_table");
}

void Backend::cross_entropy(const namp_cross_entropy_args&, namp_stream) {
  unsupported("cross_entropy");
}

void Backend::mse(const namp_mse_args&, namp_stream) { unsupported("mse"); }

void Backend::scale(void*, namp_dtype, const void*, namp_dtype, int64_t, const float*,
                    namp_stream) {
  unsupported("scale");
}

void Backend::unscale_check(const TableView&, int32_t, int32_t, const namp_scaler_state*,
                            namp_optimizer_state*, bool, namp_stream) {
  unsupported("unscale_check");
}

void Backend::optimizer_step(const TableView&, const namp_optimizer_args&, const namp_scaler_state*,
                             namp_optimizer_state*, namp_stream) {
  unsupported("optimizer_step");
}

void Backend::scaler_update(namp_scaler_state*, namp_optimizer_state* const*, int32_t,
                            const namp_scaler_options&, namp_stream) {
  unsupported("scaler_update");
}

void Backend::touch_table(uint32_t*, const TableView&, const int32_t*, namp_stream) {
  unsupported("touch_table");
}

void Backend::gemm(const namp_gemm_args&, namp_stream) { unsupported("gemm"); }

void Backend::conv2d_forward(const namp_conv2d_args&, namp_stream) {
  unsupported("conv2d_forward");
}

void Backend::conv2d_backward_data(const namp_conv2d_args&, namp_stream) {
  unsupported("conv2d_backward_data");
}

void Backend::conv2d_backward_weights(const namp_conv2d_args&, namp_stream) {
  unsupported("conv2d_backward_weights");
}

void Backend::pool2d_forward(const namp_pool2d_args&, namp_stream) {
  unsupported("pool2d_forward");
}

void Backend::pool2d_backward(const namp_pool2d_args&, namp_stream) {
  unsupported("pool2d_backward");
}

void Backend::activation_forward(const namp_activation_args&, namp_stream) {
  unsupported("activation_forward");
}

void Backend::activation_backward(const namp_activation_args&, namp_stream) {
  unsupported("activation_backward");
}

void Backend::layer_norm_forward(const namp_layer_norm_args&, namp_stream) {
  unsupported("layer_norm_forward");
}

void Backend::layer_norm_backward(const namp_layer_norm_args&, namp_stream) {
  unsupported("layer_norm_backward");
}

void Backend::batch_norm_forward(const namp_batch_norm_args&, namp_stream) {
  unsupported("batch_norm_forward");
}

void Backend::batch_norm_backward(const namp_batch_norm_args&, namp_stream) {
  unsupported("batch_norm_backward");
}

void Backend::softmax_forward(const namp_softmax_args&, namp_stream) {
  unsupported("softmax_forward");
}

void Backend::softmax_backward(const namp_softmax_args&, namp_stream) {
  unsupported("softmax_backward");
}

void Backend::attention_forward(const namp_attention_args&, namp_stream) {
  unsupported("attention_forward");
}

void Backend::attention_backward(const namp_attention_args&, namp_stream) {
  unsupported("attention_backward");
}

void Backend::embedding_forward(const namp_embedding_args&, namp_stream) {
  unsupported("embedding_forward");
}

void Backend::embedding_backward(const namp_embedding_args&, namp_stream) {
  unsupported("embedding_backward");
}

void Backend::dropout(void*, const void*, namp_dtype, int64_t, float, uint64_t, uint64_t,
                      namp_stream) {
  unsupported("dropout");
}

void Backend::add(const namp_add_args&, namp_stream) { unsupported("add"); }

void Backend::sum(const namp_sum_args&, namp_stream) { unsupported("sum"); }

void Backend::permute(void*, const void*, namp_dtype, int32_t, const int64_t*, const int32_t*,
                      namp_stream) {
  unsupported("permute");
}

void Backend::argmax(int32_t*, const void*, namp_dtype, int64_t, int64_t, namp_stream) {
  unsupported("argmax");
}

const BackendFactory* find_backend(namp_device_kind kind, std::string& reason) {
  if (kind == NAMP_DEVICE_CPU) return &cpu_backend_factory();
#if NATIVEAMP_CUDA
  (void)reason;
  return &cuda_backend_factory();
#else
  reason =
      "This build of NativeAmp has no CUDA backend (cmake -DNATIVEAMP_CUDA=auto); use the CPU.";
  return nullptr;
#endif
}

}  // namespace namp
