// native/cpu declares of oneDNN the same as oneDNN's own header, of version 2 or 3.
#include "cpu/onednn_functions.h"

#include <dnnl.h>

#include "same.h"

namespace namp::onednn {
namespace {

#define NAMP_SAME_FUNCTION(name, result, parameters) \
  static_assert(SameFunction<decltype(Our::name), decltype(&dnnl_##name)>::value, #name);
using Our = Functions;
NAMP_ONEDNN_FUNCTIONS(NAMP_SAME_FUNCTION)
namespace version {
#if DNNL_VERSION_MAJOR >= 3
using Our = Functions3;
NAMP_ONEDNN_FUNCTIONS_3(NAMP_SAME_FUNCTION)
constexpr Eltwise kEltwise = kEltwise3;
#else
using Our = Functions2;
NAMP_ONEDNN_FUNCTIONS_2(NAMP_SAME_FUNCTION)
constexpr Eltwise kEltwise = kEltwise2;
static_assert(kDescBytes2 == sizeof(dnnl_memory_desc_t));
static_assert(kOperationBytes2 == sizeof(dnnl_convolution_desc_t));
static_assert(kOperationBytes2 >= sizeof(dnnl_matmul_desc_t));
static_assert(alignof(dnnl_memory_desc_t) <= alignof(std::max_align_t));
static_assert(alignof(dnnl_convolution_desc_t) <= alignof(std::max_align_t));
#endif
}  // namespace version

#define NAMP_SAME(ours, theirs) static_assert(same_number(ours, theirs), #theirs)
NAMP_SAME(kSuccess, dnnl_success);
NAMP_SAME(kOutOfMemory, dnnl_out_of_memory);
NAMP_SAME(kInvalidArguments, dnnl_invalid_arguments);
NAMP_SAME(kUnimplemented, dnnl_unimplemented);
NAMP_SAME(kCpuEngine, dnnl_cpu);
NAMP_SAME(kDefaultStream, dnnl_stream_default_flags);
NAMP_SAME(kUserScratchpad, dnnl_scratchpad_mode_user);
NAMP_SAME(kForwardTraining, dnnl_forward_training);
NAMP_SAME(kDirectConvolution, dnnl_convolution_direct);
NAMP_SAME(kBFloat16, dnnl_bf16);
NAMP_SAME(kFloat32, dnnl_f32);
NAMP_SAME(kUndefinedType, dnnl_data_type_undef);
NAMP_SAME(kAnyLayout, dnnl_format_tag_any);
NAMP_SAME(kOpenMpRuntime, DNNL_RUNTIME_OMP);
NAMP_SAME(kSourceMd, dnnl_query_src_md);
NAMP_SAME(kSourceGradientMd, dnnl_query_diff_src_md);
NAMP_SAME(kWeightsMd, dnnl_query_weights_md);
NAMP_SAME(kWeightsGradientMd, dnnl_query_diff_weights_md);
NAMP_SAME(kDestinationMd, dnnl_query_dst_md);
NAMP_SAME(kDestinationGradientMd, dnnl_query_diff_dst_md);
NAMP_SAME(kScratchpadMd, dnnl_query_scratchpad_md);
NAMP_SAME(kSourceArgument, DNNL_ARG_SRC);
NAMP_SAME(kDestinationArgument, DNNL_ARG_DST);
NAMP_SAME(kWeightsArgument, DNNL_ARG_WEIGHTS);
NAMP_SAME(kBiasArgument, DNNL_ARG_BIAS);
NAMP_SAME(kScratchpadArgument, DNNL_ARG_SCRATCHPAD);
NAMP_SAME(kSourceGradientArgument, DNNL_ARG_DIFF_SRC);
NAMP_SAME(kDestinationGradientArgument, DNNL_ARG_DIFF_DST);
NAMP_SAME(kWeightsGradientArgument, DNNL_ARG_DIFF_WEIGHTS);
NAMP_SAME(kBiasGradientArgument, DNNL_ARG_DIFF_BIAS);
NAMP_SAME(version::kEltwise.relu, dnnl_eltwise_relu);
NAMP_SAME(version::kEltwise.linear, dnnl_eltwise_linear);
NAMP_SAME(version::kEltwise.gelu_erf, dnnl_eltwise_gelu_erf);
NAMP_SAME(version::kEltwise.gelu_tanh, dnnl_eltwise_gelu_tanh);

#define NAMP_SAME_LAYOUT(Ours, Theirs, ours, theirs)               \
  static_assert(offsetof(Ours, ours) == offsetof(Theirs, theirs)); \
  static_assert(same_value<decltype(Ours::ours), decltype(Theirs::theirs)>())
static_assert(sizeof(Version) == sizeof(dnnl_version_t));
NAMP_SAME_LAYOUT(Version, dnnl_version_t, major, major);
NAMP_SAME_LAYOUT(Version, dnnl_version_t, minor, minor);
NAMP_SAME_LAYOUT(Version, dnnl_version_t, patch, patch);
NAMP_SAME_LAYOUT(Version, dnnl_version_t, cpu_runtime, cpu_runtime);
static_assert(sizeof(ExecuteArgument) == sizeof(dnnl_exec_arg_t));
NAMP_SAME_LAYOUT(ExecuteArgument, dnnl_exec_arg_t, argument, arg);
NAMP_SAME_LAYOUT(ExecuteArgument, dnnl_exec_arg_t, memory, memory);

}  // namespace
}  // namespace namp::onednn
