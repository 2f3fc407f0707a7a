// What NVIDIA's assembler may make of each kernel, whatever the architecture.
#pragma once

namespace namp_nvidia {

struct KernelLimits {
  const char* name;
  int registers;       // of a thread, in machine code of clang's PTX
  int nvcc_registers;  // and of nvcc's
  int shared_bytes;    // of a block, static
  // Moves whole tensors: has loads and stores of 16 bytes.
  bool wide;
  // Computes in float64 on purpose (sums, powers of Adam's betas, probabilities of dropout). The
  // others have not one instruction of it.
  bool doubles;
  int architecture = 75;  // the oldest that it is for
};
// What ptxas 12.4 takes, to the next eight registers; the exact figures are in docs/gpu-report.md.
inline constexpr KernelLimits kKernelLimits[] = {
    {"activation_backward_kernel", 80, 64, 0, true, false},
    {"activation_forward_kernel", 72, 48, 0, true, false},
    {"adam_kernel", 208, 120, 3760, true, true},
    {"add_kernel", 64, 56, 0, true, false},
    {"argmax_kernel", 32, 24, 0, false, false},
    {"attention_forward_128_kernel", 128, 144, 33792, false, false},
    {"attention_forward_32_kernel", 128, 104, 18432, false, false},
    {"attention_forward_64_kernel", 152, 128, 34816, false, false},
    {"attention_forward_bfloat16_128_kernel", 224, 216, 34816, false, false, 80},
    {"attention_forward_bfloat16_32_kernel", 128, 120, 10240, false, false, 80},
    {"attention_forward_bfloat16_64_kernel", 168, 160, 18432, false, false, 80},
    {"attention_forward_float16_128_kernel", 224, 216, 34816, false, false, 80},
    {"attention_forward_float16_32_kernel", 128, 120, 10240, false, false, 80},
    {"attention_forward_float16_64_kernel", 168, 160, 18432, false, false, 80},
    {"attention_forward_wide_kernel", 80, 48, 0, false, false},
    {"attention_keys_128_kernel", 136, 128, 33920, false, false},
    {"attention_keys_32_kernel", 120, 96, 18688, false, false},
    {"attention_keys_64_kernel", 144, 120, 35072, false, false},
    {"attention_keys_bfloat16_128_kernel", 232, 232, 43648, false, false, 80},
    {"attention_keys_bfloat16_32_kernel", 128, 128, 5376, false, false, 80},
    {"attention_keys_bfloat16_64_kernel", 208, 200, 9472, false, false, 80},
    {"attention_keys_float16_128_kernel", 232, 232, 43648, false, false, 80},
    {"attention_keys_float16_32_kernel", 128, 128, 5376, false, false, 80},
    {"attention_keys_float16_64_kernel", 208, 200, 9472, false, false, 80},
    {"attention_keys_wide_kernel", 128, 56, 0, false, false},
    {"attention_queries_128_kernel", 112, 120, 33856, false, false},
    {"attention_queries_32_kernel", 96, 96, 18560, false, false},
    {"attention_queries_64_kernel", 120, 96, 34944, false, false},
    {"attention_queries_bfloat16_128_kernel", 240, 240, 17664, false, false, 80},
    {"attention_queries_bfloat16_32_kernel", 120, 112, 5376, false, false, 80},
    {"attention_queries_bfloat16_64_kernel", 168, 160, 9472, false, false, 80},
    {"attention_queries_float16_128_kernel", 240, 240, 17664, false, false, 80},
    {"attention_queries_float16_32_kernel", 120, 112, 5376, false, false, 80},
    {"attention_queries_float16_64_kernel", 168, 160, 9472, false, false, 80},
    {"attention_queries_wide_kernel", 96, 48, 0, false, false},
    {"batch_norm_backward_kernel", 48, 48, 256, false, true},
    {"batch_norm_forward_kernel", 56, 48, 256, false, true},
    {"cast_kernel", 96, 64, 0, true, false},
    {"cast_table_kernel", 120, 64, 240, true, false},
    {"check_kernel", 64, 64, 9992, true, true},
    {"columns_to_image_kernel", 40, 40, 0, false, false},
    {"cross_entropy_kernel", 56, 64, 1032, false, true},
    {"cross_entropy_weight_kernel", 56, 48, 512, false, true},
    {"dropout_kernel", 80, 56, 0, true, true},
    {"embedding_backward_kernel", 64, 64, 8204, false, false},
    {"embedding_forward_kernel", 48, 56, 256, true, false},
    {"gemm_bias_kernel", 48, 48, 0, true, false},
    {"gemm_epilogue_kernel", 56, 64, 0, true, false},
    {"gemm_kernel", 80, 96, 8320, false, false},
    {"image_to_columns_kernel", 40, 40, 0, false, false},
    {"layer_norm_backward_kernel", 128, 152, 0, true, false},
    {"layer_norm_forward_kernel", 96, 112, 0, true, false},
    {"layer_norm_parameters_kernel", 128, 120, 36872, false, true},
    {"lion_kernel", 128, 80, 3744, true, true},
    {"mse_kernel", 80, 72, 9224, true, true},
    {"permute_kernel", 32, 32, 0, false, false},
    {"pool_backward_kernel", 48, 48, 0, false, false},
    {"pool_forward_kernel", 48, 40, 0, false, false},
    {"rms_norm_backward_kernel", 120, 128, 0, true, false},
    {"rms_norm_forward_kernel", 96, 104, 0, true, false},
    {"rms_norm_gamma_kernel", 120, 112, 20488, false, true},
    {"scaler_update_kernel", 16, 16, 0, false, true},
    {"sgd_kernel", 128, 88, 3744, true, true},
    {"softmax_backward_kernel", 48, 40, 0, false, false},
    {"softmax_forward_kernel", 32, 32, 0, false, false},
    {"sum_channels_kernel", 32, 40, 256, false, true},
    {"sum_columns_kernel", 128, 112, 20488, false, true},
    {"touch_kernel", 40, 48, 368, true, false},
    {"unscale_kernel", 80, 80, 9992, true, true},
};

}  // namespace namp_nvidia
