#include "cpu/matrix_library.h"

#include "cpu/onednn_plan.h"

#if NATIVEAMP_ONEDNN

#include <cstdlib>
#include <cstring>
#include <string>

#include "cpu/primitive_cache.h"
#include "error.h"
#include "gelu.h"
#include "window.h"

namespace namp {
namespace {

using dnnl::memory;
using onednn::Desc;
using onednn::PrimitivePlan;

// More than a training run has operators.
constexpr size_t kCapacity = 512;

memory::data_type data_type(int32_t dtype) {
  return dtype == NAMP_BFLOAT16 ? memory::data_type::bf16 : memory::data_type::f32;
}

dnnl::primitive_attr attributes_with(const dnnl::post_ops& ops) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_post_ops(ops);
  return attributes;
}

int64_t bits_of(float value) {
  static_assert(sizeof(float) == sizeof(int32_t));
  int32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// Number of multiplications.
double work_of(const namp_gemm_args& args) {
  return static_cast<double>(args.batch) * static_cast<double>(args.m) *
         static_cast<double>(args.n) * static_cast<double>(args.k);
}
double work_of(const namp_conv2d_args& args) {
  const int64_t out_h =
      window_out({args.in_h, args.kernel_h, args.stride_h, args.pad_h, args.dilation_h});
  const int64_t out_w =
      window_out({args.in_w, args.kernel_w, args.stride_w, args.pad_w, args.dilation_w});
  return static_cast<double>(args.batch * args.out_channels) * static_cast<double>(out_h * out_w) *
         static_cast<double>(args.in_channels / args.groups * args.kernel_h * args.kernel_w);
}

// A stored matrix of [batch, rows, columns]; stride 0 is one matrix for all.
Desc matrix(int64_t batch, int64_t rows, int64_t columns, int64_t leading, int64_t stride,
            bool transpose, int32_t dtype) {
  const int64_t count = stride == 0 ? 1 : batch;
  const memory::dims strides =
      transpose ? memory::dims{stride, 1, leading} : memory::dims{stride, leading, 1};
  return {{count, rows, columns}, data_type(dtype), strides};
}

PlanPointer make_gemm(const dnnl::engine& engine, const namp_gemm_args& args, int threads) {
  dnnl::post_ops ops;
  if (args.alpha != 1.0f) {
    onednn::append_activation(ops, dnnl::algorithm::eltwise_linear, args.alpha, 0.0f);
  }
  if (args.beta != 0.0f) ops.append_sum(args.beta);
  switch (args.activation) {
    case NAMP_ACTIVATION_RELU:
      onednn::append_activation(ops, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
      break;
    case NAMP_ACTIVATION_GELU:
      onednn::append_activation(ops, dnnl::algorithm::eltwise_gelu_erf, 0.0f, 0.0f);
      break;
    case NAMP_ACTIVATION_GELU_TANH:
      onednn::append_activation(ops, dnnl::algorithm::eltwise_gelu_tanh, 0.0f, 0.0f);
      break;
    default:
      break;
  }
  const int64_t batch = args.batch;
  // A single product needs no stride, but oneDNN needs one that is not 0 if there is memory.
  const auto stride = [&](int64_t given, int64_t whole) { return batch == 1 ? whole : given; };
  const Desc a = matrix(batch, args.m, args.k, args.lda, stride(args.stride_a, args.m * args.k),
                        args.transpose_a != 0, args.a_dtype);
  const Desc b = matrix(batch, args.k, args.n, args.ldb, stride(args.stride_b, args.k * args.n),
                        args.transpose_b != 0, args.b_dtype);
  const Desc c = matrix(batch, args.m, args.n, args.ldc, stride(args.stride_c, args.m * args.n),
                        false, args.c_dtype);
  const Desc bias({1, 1, args.n}, data_type(args.bias_dtype), memory::format_tag::abc);
  const auto description = onednn::describe_matmul(
      engine, a, b, args.bias != nullptr ? &bias : nullptr, c, attributes_with(ops));
  auto plan = std::make_shared<PrimitivePlan>(
      engine, dnnl::matmul(description), description.scratchpad_desc(), threads, work_of(args));
  plan->take(onednn::kSource, DNNL_ARG_SRC, a, a);
  plan->take(onednn::kWeights, DNNL_ARG_WEIGHTS, b, b);
  if (args.bias != nullptr) plan->take(onednn::kBias, DNNL_ARG_BIAS, bias, bias);
  plan->give(onednn::kDestination, DNNL_ARG_DST, c, c);
  return plan;
}

// The tensors of a convolution: in their layout in memory, and with a layout that oneDNN chooses.
struct ConvolutionDescs {
  ConvolutionDescs(const namp_conv2d_args& args, int32_t weight_dtype, int32_t bias_dtype) {
    const memory::dims source_dims{args.batch, args.in_channels, args.in_h, args.in_w};
    const memory::dims destination_dims{
        args.batch, args.out_channels,
        window_out({args.in_h, args.kernel_h, args.stride_h, args.pad_h, args.dilation_h}),
        window_out({args.in_w, args.kernel_w, args.stride_w, args.pad_w, args.dilation_w})};
    memory::dims weight_dims{args.out_channels / args.groups, args.in_channels / args.groups,
                             args.kernel_h, args.kernel_w};
    auto weight_tag = memory::format_tag::abcd;
    if (args.groups > 1) {
      weight_dims.insert(weight_dims.begin(), args.groups);
      weight_tag = memory::format_tag::abcde;
    }
    const auto type = data_type(args.dtype);
    source = {source_dims, type, memory::format_tag::abcd};
    weights = {weight_dims, data_type(weight_dtype), weight_tag};
    bias = {{args.out_channels}, data_type(bias_dtype), memory::format_tag::a};
    destination = {destination_dims, type, memory::format_tag::abcd};
    any_source = {source_dims, type, memory::format_tag::any};
    any_weights = {weight_dims, data_type(weight_dtype), memory::format_tag::any};
    any_destination = {destination_dims, type, memory::format_tag::any};
    slide = {{args.stride_h, args.stride_w},
             {args.dilation_h - 1, args.dilation_w - 1},
             {args.pad_h, args.pad_w}};
  }

  Desc source, weights, bias, destination;
  Desc any_source, any_weights, any_destination;
  onednn::Slide slide;
};

PlanPointer make_forward(const dnnl::engine& engine, const namp_conv2d_args& args, int threads) {
  const ConvolutionDescs descs(args, args.dtype, args.dtype);
  dnnl::post_ops ops;
  if (args.activation == NAMP_ACTIVATION_RELU) {
    onednn::append_activation(ops, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  }
  const bool bias = args.bias != nullptr;
  const auto description = onednn::describe_forward(
      engine, descs.any_source, descs.any_weights, bias ? &descs.bias : nullptr,
      descs.any_destination, descs.slide, attributes_with(ops));
  auto plan =
      std::make_shared<PrimitivePlan>(engine, dnnl::convolution_forward(description),
                                      description.scratchpad_desc(), threads, work_of(args));
  plan->take(onednn::kSource, DNNL_ARG_SRC, descs.source, description.src_desc());
  plan->take(onednn::kWeights, DNNL_ARG_WEIGHTS, descs.weights, description.weights_desc());
  if (bias) plan->take(onednn::kBias, DNNL_ARG_BIAS, descs.bias, description.bias_desc());
  plan->give(onednn::kDestination, DNNL_ARG_DST, descs.destination, description.dst_desc());
  return plan;
}

// The forward convolution that oneDNN needs as a hint for the backward ones.
dnnl::convolution_forward::primitive_desc forward_hint(const dnnl::engine& engine,
                                                       const namp_conv2d_args& args) {
  const ConvolutionDescs descs(args, args.dtype, args.dtype);
  return onednn::describe_forward(engine, descs.any_source, descs.any_weights, nullptr,
                                  descs.any_destination, descs.slide, attributes_with({}));
}

PlanPointer make_backward_data(const dnnl::engine& engine, const namp_conv2d_args& args,
                               int threads) {
  const ConvolutionDescs descs(args, args.dtype, args.dtype);
  const auto description = onednn::describe_backward_data(
      engine, descs.any_source, descs.any_weights, descs.any_destination, descs.slide,
      attributes_with({}), forward_hint(engine, args));
  auto plan =
      std::make_shared<PrimitivePlan>(engine, dnnl::convolution_backward_data(description),
                                      description.scratchpad_desc(), threads, work_of(args));
  plan->give(onednn::kSource, DNNL_ARG_DIFF_SRC, descs.source, description.diff_src_desc());
  plan->take(onednn::kWeights, DNNL_ARG_WEIGHTS, descs.weights, description.weights_desc());
  plan->take(onednn::kDestination, DNNL_ARG_DIFF_DST, descs.destination,
             description.diff_dst_desc());
  return plan;
}

PlanPointer make_backward_weights(const dnnl::engine& engine, const namp_conv2d_args& args,
                                  int threads) {
  const ConvolutionDescs descs(args, args.weight_gradient_dtype, args.bias_gradient_dtype);
  const bool bias = args.bias_gradient != nullptr;
  const auto description = onednn::describe_backward_weights(
      engine, descs.any_source, descs.any_weights, bias ? &descs.bias : nullptr,
      descs.any_destination, descs.slide, attributes_with({}), forward_hint(engine, args));
  auto plan =
      std::make_shared<PrimitivePlan>(engine, dnnl::convolution_backward_weights(description),
                                      description.scratchpad_desc(), threads, work_of(args));
  plan->take(onednn::kSource, DNNL_ARG_SRC, descs.source, description.src_desc());
  plan->give(onednn::kWeights, DNNL_ARG_DIFF_WEIGHTS, descs.weights,
             description.diff_weights_desc());
  if (bias) plan->give(onednn::kBias, DNNL_ARG_DIFF_BIAS, descs.bias, description.diff_bias_desc());
  plan->take(onednn::kDestination, DNNL_ARG_DIFF_DST, descs.destination,
             description.diff_dst_desc());
  return plan;
}

// Null if oneDNN does not support it, such as bfloat16 on a CPU without AVX-512.
template <class Make>
PlanPointer plan_or_null(int threads, Make&& make) {
  try {
    const onednn::ThreadLimit limit(threads);
    return make();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments)
      return nullptr;
    throw Error(error.status == dnnl_out_of_memory ? NAMP_ERROR_OUT_OF_MEMORY : NAMP_ERROR_DEVICE,
                std::string("oneDNN: ") + error.what());
  }
}

}  // namespace

struct MatrixLibrary::Implementation {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  PrimitiveCache<MatrixPlan> cache{kCapacity};
};

MatrixLibrary::MatrixLibrary() {
  const char* wanted = std::getenv("NATIVEAMP_ONEDNN");
  if (wanted != nullptr && std::string(wanted) == "0") return;
  implementation_ = std::make_unique<Implementation>();
}

PlanPointer MatrixLibrary::gemm(const namp_gemm_args& args, int threads) {
  const bool gelu = is_gelu(args.activation);
  // oneDNN scales the bias too, and has one output. Its GELUs are approximations: good enough if
  // the result is rounded to half precision, but not for float32.
  if (!implementation_ || args.a_dtype == NAMP_FLOAT16 || (gelu && args.c_dtype == NAMP_FLOAT32) ||
      args.pre_activation != nullptr ||
      (args.bias != nullptr && (args.alpha != 1.0f || args.bias_dtype == NAMP_FLOAT16))) {
    return nullptr;
  }
  const PrimitiveCache<MatrixPlan>::Key key{0,
                                            threads,
                                            args.transpose_a,
                                            args.m,
                                            args.transpose_b,
                                            args.n,
                                            args.k,
                                            args.batch,
                                            args.lda,
                                            args.stride_a,
                                            args.ldb,
                                            args.stride_b,
                                            args.ldc,
                                            args.stride_c,
                                            args.a_dtype + 16 * args.c_dtype,
                                            args.bias != nullptr ? args.bias_dtype : 0,
                                            bits_of(args.alpha),
                                            bits_of(args.beta),
                                            args.activation};
  return implementation_->cache.find(key, [&] {
    return plan_or_null(threads, [&] { return make_gemm(implementation_->engine, args, threads); });
  });
}

PlanPointer MatrixLibrary::conv2d(const namp_conv2d_args& args, ConvolutionPass pass, int threads) {
  if (!implementation_ || args.dtype == NAMP_FLOAT16) return nullptr;
  int64_t details = 0;  // settings on which only the pass depends
  if (pass == ConvolutionPass::kForward) details = 2 * args.activation + (args.bias != nullptr);
  if (pass == ConvolutionPass::kBackwardWeights) {
    details = 16 * args.weight_gradient_dtype +
              (args.bias_gradient != nullptr ? args.bias_gradient_dtype : 0);
  }
  const PrimitiveCache<MatrixPlan>::Key key{1 + static_cast<int64_t>(pass),
                                            threads,
                                            args.dtype,
                                            details,
                                            args.batch,
                                            args.in_channels,
                                            args.in_h,
                                            args.in_w,
                                            args.out_channels,
                                            args.kernel_h,
                                            args.kernel_w,
                                            args.stride_h,
                                            args.stride_w,
                                            args.pad_h,
                                            args.pad_w,
                                            args.dilation_h,
                                            args.dilation_w,
                                            args.groups};
  return implementation_->cache.find(key, [&] {
    return plan_or_null(threads, [&]() -> PlanPointer {
      const dnnl::engine& engine = implementation_->engine;
      switch (pass) {
        case ConvolutionPass::kForward:
          return make_forward(engine, args, threads);
        case ConvolutionPass::kBackwardData:
          return make_backward_data(engine, args, threads);
        default:
          return make_backward_weights(engine, args, threads);
      }
    });
  });
}

MatrixLibrary::~MatrixLibrary() = default;

}  // namespace namp

#else  // NATIVEAMP_ONEDNN

namespace namp {

struct MatrixLibrary::Implementation {};

MatrixLibrary::MatrixLibrary() = default;
MatrixLibrary::~MatrixLibrary() = default;

PlanPointer MatrixLibrary::gemm(const namp_gemm_args&, int) { return nullptr; }

PlanPointer MatrixLibrary::conv2d(const namp_conv2d_args&, ConvolutionPass, int) { return nullptr; }

}  // namespace namp

#endif  // NATIVEAMP_ONEDNN
