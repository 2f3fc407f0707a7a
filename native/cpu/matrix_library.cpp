#include "cpu/matrix_library.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "cpu/onednn_plan.h"
#include "cpu/primitive_cache.h"
#include "activation_facts.h"
#include "error.h"
#include "window.h"

namespace namp {
namespace {

using onednn::Desc;
using onednn::Dims;
using onednn::Object;
using onednn::OneDnn;
using onednn::PostOperation;
using onednn::PrimitivePlan;

// More than a training run has operators.
constexpr size_t kCapacity = 512;

int data_type(int32_t dtype) {
  return dtype == NAMP_BFLOAT16 ? onednn::kBFloat16 : onednn::kFloat32;
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
Desc matrix(const OneDnn& library, int64_t batch, int64_t rows, int64_t columns, int64_t leading,
            int64_t stride, bool transpose, int32_t dtype) {
  const int64_t count = stride == 0 ? 1 : batch;
  const Dims strides = transpose ? Dims{stride, 1, leading} : Dims{stride, leading, 1};
  return library.strided({count, rows, columns}, data_type(dtype), strides);
}

PlanPointer make_gemm(const OneDnn& library, const namp_gemm_args& args, int threads) {
  std::vector<PostOperation> then;
  if (args.alpha != 1.0f) then.push_back({library.eltwise().linear, args.alpha});
  if (args.beta != 0.0f) then.push_back({0, args.beta});
  switch (args.activation) {
    case NAMP_ACTIVATION_RELU:
      then.push_back({library.eltwise().relu, 0.0f});
      break;
    case NAMP_ACTIVATION_GELU:
      then.push_back({library.eltwise().gelu_erf, 0.0f});
      break;
    case NAMP_ACTIVATION_GELU_TANH:
      then.push_back({library.eltwise().gelu_tanh, 0.0f});
      break;
    default:
      break;
  }
  const int64_t batch = args.batch;
  // A single product needs no stride, but oneDNN needs one that is not 0 if there is memory.
  const auto stride = [&](int64_t given, int64_t whole) { return batch == 1 ? whole : given; };
  const Desc a =
      matrix(library, batch, args.m, args.k, args.lda, stride(args.stride_a, args.m * args.k),
             args.transpose_a != 0, args.a_dtype);
  const Desc b =
      matrix(library, batch, args.k, args.n, args.ldb, stride(args.stride_b, args.k * args.n),
             args.transpose_b != 0, args.b_dtype);
  const Desc c = matrix(library, batch, args.m, args.n, args.ldc,
                        stride(args.stride_c, args.m * args.n), false, args.c_dtype);
  Desc bias;
  if (args.bias != nullptr) bias = library.dense({1, 1, args.n}, data_type(args.bias_dtype));
  auto plan = std::make_shared<PrimitivePlan>(library, library.matmul(a, b, bias, c, then), threads,
                                              work_of(args));
  plan->take(onednn::kSource, onednn::kSourceArgument, a, a);
  plan->take(onednn::kWeights, onednn::kWeightsArgument, b, b);
  if (bias) plan->take(onednn::kBias, onednn::kBiasArgument, bias, bias);
  plan->give(onednn::kDestination, onednn::kDestinationArgument, c, c);
  return plan;
}

// The tensors of a convolution: in their layout in memory, and with a layout that oneDNN chooses.
struct ConvolutionDescs {
  ConvolutionDescs(const OneDnn& library, const namp_conv2d_args& args, int32_t weight_dtype,
                   int32_t bias_dtype) {
    const Dims source_dims{args.batch, args.in_channels, args.in_h, args.in_w};
    const Dims destination_dims{
        args.batch, args.out_channels,
        window_out({args.in_h, args.kernel_h, args.stride_h, args.pad_h, args.dilation_h}),
        window_out({args.in_w, args.kernel_w, args.stride_w, args.pad_w, args.dilation_w})};
    Dims weight_dims{args.out_channels / args.groups, args.in_channels / args.groups, args.kernel_h,
                     args.kernel_w};
    if (args.groups > 1) weight_dims.insert(weight_dims.begin(), args.groups);
    const int type = data_type(args.dtype);
    source = library.dense(source_dims, type);
    weights = library.dense(weight_dims, data_type(weight_dtype));
    bias = library.dense({args.out_channels}, data_type(bias_dtype));
    destination = library.dense(destination_dims, type);
    any_source = library.any(source_dims, type);
    any_weights = library.any(weight_dims, data_type(weight_dtype));
    any_destination = library.any(destination_dims, type);
    slide = {{args.stride_h, args.stride_w},
             {args.dilation_h - 1, args.dilation_w - 1},
             {args.pad_h, args.pad_w}};
  }

  Desc source, weights, bias, destination;
  Desc any_source, any_weights, any_destination;
  onednn::Slide slide;
};

PlanPointer make_forward(const OneDnn& library, const namp_conv2d_args& args, int threads) {
  const ConvolutionDescs descs(library, args, args.dtype, args.dtype);
  std::vector<PostOperation> then;
  if (args.activation == NAMP_ACTIVATION_RELU) then.push_back({library.eltwise().relu, 0.0f});
  const Desc bias = args.bias != nullptr ? descs.bias : nullptr;
  const Object made = library.forward(descs.any_source, descs.any_weights, bias,
                                      descs.any_destination, descs.slide, then);
  auto plan = std::make_shared<PrimitivePlan>(library, made, threads, work_of(args));
  plan->take(onednn::kSource, onednn::kSourceArgument, descs.source,
             library.memory_of(made, onednn::kSourceMd));
  plan->take(onednn::kWeights, onednn::kWeightsArgument, descs.weights,
             library.memory_of(made, onednn::kWeightsMd));
  if (bias) plan->take(onednn::kBias, onednn::kBiasArgument, bias, bias);
  plan->give(onednn::kDestination, onednn::kDestinationArgument, descs.destination,
             library.memory_of(made, onednn::kDestinationMd));
  return plan;
}

// The forward convolution that oneDNN needs as a hint for the backward ones.
Object forward_hint(const OneDnn& library, const namp_conv2d_args& args) {
  const ConvolutionDescs descs(library, args, args.dtype, args.dtype);
  return library.forward(descs.any_source, descs.any_weights, nullptr, descs.any_destination,
                         descs.slide, {});
}

PlanPointer make_backward_data(const OneDnn& library, const namp_conv2d_args& args, int threads) {
  const ConvolutionDescs descs(library, args, args.dtype, args.dtype);
  const Object made =
      library.backward_data(descs.any_source, descs.any_weights, descs.any_destination, descs.slide,
                            forward_hint(library, args));
  auto plan = std::make_shared<PrimitivePlan>(library, made, threads, work_of(args));
  plan->give(onednn::kSource, onednn::kSourceGradientArgument, descs.source,
             library.memory_of(made, onednn::kSourceGradientMd));
  plan->take(onednn::kWeights, onednn::kWeightsArgument, descs.weights,
             library.memory_of(made, onednn::kWeightsMd));
  plan->take(onednn::kDestination, onednn::kDestinationGradientArgument, descs.destination,
             library.memory_of(made, onednn::kDestinationGradientMd));
  return plan;
}

PlanPointer make_backward_weights(const OneDnn& library, const namp_conv2d_args& args,
                                  int threads) {
  const ConvolutionDescs descs(library, args, args.weight_gradient_dtype, args.bias_gradient_dtype);
  const Desc bias = args.bias_gradient != nullptr ? descs.bias : nullptr;
  const Object made =
      library.backward_weights(descs.any_source, descs.any_weights, bias, descs.any_destination,
                               descs.slide, forward_hint(library, args));
  auto plan = std::make_shared<PrimitivePlan>(library, made, threads, work_of(args));
  plan->take(onednn::kSource, onednn::kSourceArgument, descs.source,
             library.memory_of(made, onednn::kSourceMd));
  plan->give(onednn::kWeights, onednn::kWeightsGradientArgument, descs.weights,
             library.memory_of(made, onednn::kWeightsGradientMd));
  if (bias) plan->give(onednn::kBias, onednn::kBiasGradientArgument, bias, bias);
  plan->take(onednn::kDestination, onednn::kDestinationGradientArgument, descs.destination,
             library.memory_of(made, onednn::kDestinationGradientMd));
  return plan;
}

// Null if oneDNN does not support it, such as bfloat16 on a CPU without AVX-512.
template <class Make>
PlanPointer plan_or_null(const OneDnn& library, int threads, Make&& make) {
  try {
    const ThreadLimit limit(library.openmp(), threads);
    return make();
  } catch (const onednn::Failure& failure) {
    if (failure.answer == onednn::kUnimplemented || failure.answer == onednn::kInvalidArguments)
      return nullptr;
    throw;
  }
}

}  // namespace

struct MatrixLibrary::Implementation {
  std::unique_ptr<OneDnn> library;  // outlives the plans
  PrimitiveCache<MatrixPlan> cache{kCapacity};
};

MatrixLibrary::MatrixLibrary() {
  const char* wanted = std::getenv("NATIVEAMP_ONEDNN");
  if (wanted != nullptr && std::string(wanted) == "0") {
    description_ = "no oneDNN, own loops (NATIVEAMP_ONEDNN is 0)";
    return;
  }
  std::string failures;
  std::unique_ptr<OneDnn> library = OneDnn::find(failures);
  if (library == nullptr) {
    description_ = "no oneDNN, own loops (tried " + failures + ")";
    return;
  }
  description_ =
      "oneDNN " + library->version() + (failures.empty() ? "" : " (not " + failures + ")");
  implementation_ = std::make_unique<Implementation>();
  implementation_->library = std::move(library);
}

const OpenMp* MatrixLibrary::openmp() const {
  return implementation_ ? &implementation_->library->openmp() : nullptr;
}

PlanPointer MatrixLibrary::gemm(const namp_gemm_args& args, int wanted) {
  const bool gelu = is_gelu(args.activation);
  // oneDNN scales the bias too, and has one output. Its GELUs are approximations: good enough if
  // the result is rounded to half precision, but not for float32.
  if (!implementation_ || args.a_dtype == NAMP_FLOAT16 || (gelu && args.c_dtype == NAMP_FLOAT32) ||
      args.pre_activation != nullptr ||
      (args.bias != nullptr && (args.alpha != 1.0f || args.bias_dtype == NAMP_FLOAT16))) {
    return nullptr;
  }
  const OneDnn& library = *implementation_->library;
  const int threads = library.openmp().available(wanted);
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
    return plan_or_null(library, threads, [&] { return make_gemm(library, args, threads); });
  });
}

PlanPointer MatrixLibrary::conv2d(const namp_conv2d_args& args, ConvolutionPass pass, int wanted) {
  if (!implementation_ || args.dtype == NAMP_FLOAT16) return nullptr;
  const OneDnn& library = *implementation_->library;
  const int threads = library.openmp().available(wanted);
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
    return plan_or_null(library, threads, [&]() -> PlanPointer {
      switch (pass) {
        case ConvolutionPass::kForward:
          return make_forward(library, args, threads);
        case ConvolutionPass::kBackwardData:
          return make_backward_data(library, args, threads);
        default:
          return make_backward_weights(library, args, threads);
      }
    });
  });
}

MatrixLibrary::~MatrixLibrary() = default;

}  // namespace namp
