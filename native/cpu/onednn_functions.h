// The called part of oneDNN, versions 2 and 3: types, constants and functions of its C interface,
// declared here so that no header of it is needed. tests/native/onednn_headers compares them with
// oneDNN's own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace namp::onednn {

using Status = int;              // dnnl_status_t
using Handle = void*;            // an object: an engine, a stream, a primitive, …
using Dim = int64_t;             // dnnl_dim_t
using DescHandle = const void*;  // a description of memory, in either version

inline constexpr Status kSuccess = 0;
inline constexpr Status kOutOfMemory = 1;
inline constexpr Status kInvalidArguments = 2;
inline constexpr Status kUnimplemented = 3;

inline constexpr int kCpuEngine = 1;
inline constexpr unsigned kDefaultStream = 1;
inline constexpr int kUserScratchpad = 1;
inline constexpr int kForwardTraining = 64;
inline constexpr int kDirectConvolution = 1;
inline constexpr int kBFloat16 = 2;
inline constexpr int kFloat32 = 3;
inline constexpr int kUndefinedType = 0;
inline constexpr int kAnyLayout = 1;
inline constexpr unsigned kOpenMpRuntime = 2;

// Which description of a primitive's memory.
inline constexpr int kSourceMd = 129;
inline constexpr int kSourceGradientMd = 130;
inline constexpr int kWeightsMd = 131;
inline constexpr int kWeightsGradientMd = 132;
inline constexpr int kDestinationMd = 133;
inline constexpr int kDestinationGradientMd = 134;
inline constexpr int kScratchpadMd = 136;

// Which argument of a primitive.
inline constexpr int kSourceArgument = 1;
inline constexpr int kDestinationArgument = 17;
inline constexpr int kWeightsArgument = 33;
inline constexpr int kBiasArgument = 41;
inline constexpr int kScratchpadArgument = 80;
inline constexpr int kSourceGradientArgument = 129;
inline constexpr int kDestinationGradientArgument = 145;
inline constexpr int kWeightsGradientArgument = 161;
inline constexpr int kBiasGradientArgument = 169;

// The numbers of element-wise functions, which version 3 gave anew.
struct Eltwise {
  int relu;
  int linear;
  int gelu_erf;
  int gelu_tanh;
};
inline constexpr Eltwise kEltwise2{31, 127, 48, 207};
inline constexpr Eltwise kEltwise3{32, 38, 49, 43};

struct Version {  // dnnl_version_t
  int major;
  int minor;
  int patch;
  const char* hash;
  unsigned cpu_runtime;
  unsigned gpu_runtime;
};

struct ExecuteArgument {  // dnnl_exec_arg_t
  int argument;
  Handle memory;
};

// Version 2 has the caller hold descriptions; these are their largest sizes, in bytes.
inline constexpr size_t kDescBytes2 = 696;
inline constexpr size_t kOperationBytes2 = 5976;

// FUNCTION(name, result, parameters): name is dnnl_… without that beginning.
#define NAMP_ONEDNN_FUNCTIONS(FUNCTION)                                    \
  FUNCTION(version, const Version*, ())                                    \
  FUNCTION(engine_create, Status, (Handle*, int, size_t))                  \
  FUNCTION(engine_destroy, Status, (Handle))                               \
  FUNCTION(stream_create, Status, (Handle*, Handle, unsigned))             \
  FUNCTION(stream_destroy, Status, (Handle))                               \
  FUNCTION(stream_wait, Status, (Handle))                                  \
  FUNCTION(memory_create, Status, (Handle*, DescHandle, Handle, void*))    \
  FUNCTION(memory_destroy, Status, (Handle))                               \
  FUNCTION(memory_desc_equal, int, (DescHandle, DescHandle))               \
  FUNCTION(memory_desc_get_size, size_t, (DescHandle))                     \
  FUNCTION(post_ops_create, Status, (Handle*))                             \
  FUNCTION(post_ops_destroy, Status, (Handle))                             \
  FUNCTION(primitive_attr_create, Status, (Handle*))                       \
  FUNCTION(primitive_attr_destroy, Status, (Handle))                       \
  FUNCTION(primitive_attr_set_scratchpad_mode, Status, (Handle, int))      \
  FUNCTION(primitive_attr_set_post_ops, Status, (Handle, const void*))     \
  FUNCTION(primitive_desc_query_md, DescHandle, (const void*, int, int))   \
  FUNCTION(primitive_desc_destroy, Status, (Handle))                       \
  FUNCTION(reorder_primitive_desc_create, Status,                          \
           (Handle*, DescHandle, Handle, DescHandle, Handle, const void*)) \
  FUNCTION(primitive_create, Status, (Handle*, const void*))               \
  FUNCTION(primitive_destroy, Status, (Handle))                            \
  FUNCTION(primitive_execute, Status, (const void*, Handle, int, const ExecuteArgument*))

// Of version 2 alone: an operation is described, and a primitive by that.
#define NAMP_ONEDNN_FUNCTIONS_2(FUNCTION)                                                       \
  FUNCTION(memory_desc_init_by_tag, Status, (void*, int, const Dim*, int, int))                 \
  FUNCTION(memory_desc_init_by_strides, Status, (void*, int, const Dim*, int, const Dim*))      \
  FUNCTION(post_ops_append_eltwise, Status, (Handle, float, int, float, float))                 \
  FUNCTION(post_ops_append_sum, Status, (Handle, float))                                        \
  FUNCTION(matmul_desc_init, Status, (void*, DescHandle, DescHandle, DescHandle, DescHandle))   \
  FUNCTION(dilated_convolution_forward_desc_init, Status,                                       \
           (void*, int, int, DescHandle, DescHandle, DescHandle, DescHandle, const Dim*,        \
            const Dim*, const Dim*, const Dim*))                                                \
  FUNCTION(dilated_convolution_backward_data_desc_init, Status,                                 \
           (void*, int, DescHandle, DescHandle, DescHandle, const Dim*, const Dim*, const Dim*, \
            const Dim*))                                                                        \
  FUNCTION(dilated_convolution_backward_weights_desc_init, Status,                              \
           (void*, int, DescHandle, DescHandle, DescHandle, DescHandle, const Dim*, const Dim*, \
            const Dim*, const Dim*))                                                            \
  FUNCTION(primitive_desc_create, Status, (Handle*, const void*, const void*, Handle, const void*))

// Of version 3 alone.
#define NAMP_ONEDNN_FUNCTIONS_3(FUNCTION)                                                          \
  FUNCTION(memory_desc_create_with_tag, Status, (Handle*, int, const Dim*, int, int))              \
  FUNCTION(memory_desc_create_with_strides, Status, (Handle*, int, const Dim*, int, const Dim*))   \
  FUNCTION(memory_desc_destroy, Status, (Handle))                                                  \
  FUNCTION(post_ops_append_eltwise, Status, (Handle, int, float, float))                           \
  FUNCTION(post_ops_append_sum, Status, (Handle, float, int32_t, int))                             \
  FUNCTION(matmul_primitive_desc_create, Status,                                                   \
           (Handle*, Handle, DescHandle, DescHandle, DescHandle, DescHandle, const void*))         \
  FUNCTION(convolution_forward_primitive_desc_create, Status,                                      \
           (Handle*, Handle, int, int, DescHandle, DescHandle, DescHandle, DescHandle, const Dim*, \
            const Dim*, const Dim*, const Dim*, const void*))                                      \
  FUNCTION(convolution_backward_data_primitive_desc_create, Status,                                \
           (Handle*, Handle, int, DescHandle, DescHandle, DescHandle, const Dim*, const Dim*,      \
            const Dim*, const Dim*, const void*, const void*))                                     \
  FUNCTION(convolution_backward_weights_primitive_desc_create, Status,                             \
           (Handle*, Handle, int, DescHandle, DescHandle, DescHandle, DescHandle, const Dim*,      \
            const Dim*, const Dim*, const Dim*, const void*, const void*))

#define NAMP_ONEDNN_MEMBER(name, result, parameters) result(*name) parameters = nullptr;
struct Functions {
  NAMP_ONEDNN_FUNCTIONS(NAMP_ONEDNN_MEMBER)
};
struct Functions2 {
  NAMP_ONEDNN_FUNCTIONS_2(NAMP_ONEDNN_MEMBER)
};
struct Functions3 {
  NAMP_ONEDNN_FUNCTIONS_3(NAMP_ONEDNN_MEMBER)
};
#undef NAMP_ONEDNN_MEMBER

}  // namespace namp::onednn
