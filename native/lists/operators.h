// The operators that take one struct of arguments: NAMP_FOR_EACH_OPERATOR(X) is X(name, Args) for
// each. The virtual function of Backend, its stub, the declarations of both backends and the
// struct's size follow from a line here. An operator's own code is in the files of its name.
#pragma once

#define NAMP_FOR_EACH_OPERATOR(X)              \
  X(cross_entropy, namp_cross_entropy_args)    \
  X(element_loss, namp_element_loss_args)      \
  X(gemm, namp_gemm_args)                      \
  X(conv2d_forward, namp_conv2d_args)          \
  X(conv2d_backward_data, namp_conv2d_args)    \
  X(conv2d_backward_weights, namp_conv2d_args) \
  X(pool2d_forward, namp_pool2d_args)          \
  X(pool2d_backward, namp_pool2d_args)         \
  X(activation_forward, namp_activation_args)  \
  X(activation_backward, namp_activation_args) \
  X(layer_norm_forward, namp_layer_norm_args)  \
  X(layer_norm_backward, namp_layer_norm_args) \
  X(rms_norm_forward, namp_rms_norm_args)      \
  X(rms_norm_backward, namp_rms_norm_args)     \
  X(batch_norm_forward, namp_batch_norm_args)  \
  X(batch_norm_backward, namp_batch_norm_args) \
  X(softmax_forward, namp_softmax_args)        \
  X(softmax_backward, namp_softmax_args)       \
  X(attention_forward, namp_attention_args)    \
  X(attention_backward, namp_attention_args)   \
  X(embedding_forward, namp_embedding_args)    \
  X(embedding_backward, namp_embedding_args)   \
  X(add, namp_add_args)                        \
  X(multiply, namp_multiply_args)              \
  X(map, namp_map_args)                        \
  X(reduce, namp_reduce_args)                  \
  X(sum, namp_sum_args)                        \
  X(quantize_rows, namp_row_codes_args)        \
  X(dequantize_rows, namp_row_codes_args)      \
  X(quantize_tensor, namp_tensor_codes_args)   \
  X(int8_pack, namp_int8_pack_args)            \
  X(int8_gemm, namp_int8_gemm_args)            \
  X(int8_conv2d, namp_int8_conv2d_args)        \
  X(code_gemm, namp_code_gemm_args)            \
  X(int4_pack, namp_int4_pack_args)            \
  X(int4_gemm, namp_int4_gemm_args)
