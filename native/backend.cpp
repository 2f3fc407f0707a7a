// The answer of a backend that does not override an operator, and the backends of this build.
#include "backend.h"

namespace namp {
namespace {

[[noreturn]] void unsupported(const char* what) {
  throw Error(NAMP_ERROR_UNSUPPORTED,
              std::string("This device does not support ") + what + "; use another device for it.");
}

}  // namespace

#define NAMP_STUB(name, Args) \
  void Backend::name(const Args&, namp_stream) { unsupported(#name); }
NAMP_FOR_EACH_OPERATOR(NAMP_STUB)
#undef NAMP_STUB

void Backend::set_threads(int32_t) { unsupported("set_threads"); }

void Backend::set_simd(namp_simd) { unsupported("set_simd"); }

void Backend::begin_capture(Capture&) { unsupported("graphs"); }

// Nothing begins without the one above.
void* Backend::end_capture(Capture&, bool) { return nullptr; }
void Backend::launch_graph(void*, namp_stream) {}
void Backend::destroy_graph(void*) noexcept {}

void Backend::cast(const namp_cell&, const namp_cell&, int64_t, const namp_cast_options&,
                   namp_stream) {
  unsupported("cast");
}

void Backend::average_table(const TableView&, int32_t, int32_t, float, namp_stream) {
  unsupported("average_table");
}

void Backend::cast_table(const TableView&, int32_t, int32_t, const namp_cast_options&,
                         namp_stream) {
  unsupported("cast_table");
}

void Backend::unscale_check(const TableView&, int32_t, int32_t, bool, const namp_scaler_state*,
                            namp_optimizer_state*, bool, namp_stream) {
  unsupported("unscale_check");
}

void Backend::optimizer_step(const TableView&, const namp_optimizer_args&, bool,
                             const namp_scaler_state*, namp_optimizer_state*, namp_stream) {
  unsupported("optimizer_step");
}

void Backend::scaler_update(namp_scaler_state*, namp_optimizer_state* const*, int32_t,
                            const namp_scaler_options&, namp_stream) {
  unsupported("scaler_update");
}

void Backend::touch_table(uint32_t*, const TableView&, const int32_t*, namp_stream) {
  unsupported("touch_table");
}

void Backend::dropout(void*, const void*, namp_dtype, int64_t, float, uint64_t, uint64_t,
                      const uint64_t*, namp_stream) {
  unsupported("dropout");
}

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

namp_sum_args sum_of(void* out, int32_t out_dtype, const void* in, int32_t in_dtype, int64_t outer,
                     int64_t channels, int64_t inner) {
  namp_sum_args sum{};
  sum.struct_size = sizeof(sum);
  sum.out_dtype = out_dtype;
  sum.in_dtype = in_dtype;
  sum.alpha = 1.0f;
  sum.outer = outer;
  sum.channels = channels;
  sum.inner = inner;
  sum.out = out;
  sum.in = in;
  return sum;
}

namp_sum_args row_sums_of(const namp_gemm_args& product) {
  return sum_of(product.row_sums, product.c_dtype, product.a, product.a_dtype, product.k, product.m,
                1);
}

}  // namespace namp
