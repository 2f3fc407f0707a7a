// Limits of the code that NVIDIA's assembler makes of each kernel, for every architecture.
#pragma once

namespace namp_nvidia {

// Of a kernel that moves whole tensors: it has loads, or loads and stores, of 16 bytes.
enum Wide { kNarrow, kLoads, kLoadsAndStores };

struct KernelLimits {
  const char* name;
  int registers;       // of a thread, in machine code of clang's PTX
  int nvcc_registers;  // and of nvcc's
  int shared_bytes;    // of a block, static
  Wide wide;
  // Computes in float64 on purpose (sums, powers of Adam's betas, probabilities of dropout). The
  // others have not one instruction of it.
  bool doubles;
  int architecture = 75;  // the oldest that it is for
};
// Registers of ptxas 12.4, to the next eight; the exact figures of most are in docs/gpu-report.md.
inline constexpr KernelLimits kKernelLimits[] = {
    {"activation_backward_kernel", 80, 64, 0, kLoadsAndStores, false},
    {"activation_forward_kernel", 80, 56, 0, kLoadsAndStores, false},
    {"adam_compact_kernel", 168, 168, 7856, kLoadsAndStores, true},
    {"adam_kernel", 168, 120, 3760, kLoadsAndStores, true},
    {"add_kernel", 64, 64, 0, kLoadsAndStores, false},
    {"argmax_kernel", 32, 24, 0, kNarrow, false},
    {"attention_forward_128_kernel", 128, 144, 33792, kNarrow, false},
    {"attention_forward_32_kernel", 128, 104, 18432, kNarrow, false},
    {"attention_forward_64_kernel", 152, 128, 34816, kNarrow, false},
    {"attention_forward_bfloat16_128_kernel", 192, 192, 34816, kNarrow, false, 80},
    {"attention_forward_bfloat16_32_kernel", 128, 128, 20480, kNarrow, false, 80},
    {"attention_forward_bfloat16_64_kernel", 128, 128, 18432, kNarrow, false, 80},
    {"attention_forward_float16_128_kernel", 192, 192, 34816, kNarrow, false, 80},
    {"attention_forward_float16_32_kernel", 128, 128, 20480, kNarrow, false, 80},
    {"attention_forward_float16_64_kernel", 128, 128, 18432, kNarrow, false, 80},
    {"attention_forward_wide_kernel", 88, 56, 0, kNarrow, false},
    {"attention_keys_128_kernel", 144, 152, 33920, kNarrow, false},
    {"attention_keys_32_kernel", 128, 96, 18688, kNarrow, false},
    {"attention_keys_64_kernel", 152, 128, 35072, kNarrow, false},
    {"attention_keys_bfloat16_128_kernel", 256, 256, 17664, kNarrow, false, 80},
    {"attention_keys_bfloat16_32_kernel", 128, 128, 10752, kNarrow, false, 80},
    {"attention_keys_bfloat16_64_kernel", 168, 168, 9472, kNarrow, false, 80},
    {"attention_keys_float16_128_kernel", 256, 256, 17664, kNarrow, false, 80},
    {"attention_keys_float16_32_kernel", 128, 128, 10752, kNarrow, false, 80},
    {"attention_keys_float16_64_kernel", 168, 168, 9472, kNarrow, false, 80},
    {"attention_keys_wide_kernel", 128, 72, 0, kNarrow, false},
    {"attention_queries_128_kernel", 112, 128, 33856, kNarrow, false},
    {"attention_queries_32_kernel", 96, 96, 18560, kNarrow, false},
    {"attention_queries_64_kernel", 120, 96, 34944, kNarrow, false},
    {"attention_queries_bfloat16_128_kernel", 240, 240, 35072, kNarrow, false, 80},
    {"attention_queries_bfloat16_32_kernel", 120, 112, 10496, kNarrow, false, 80},
    {"attention_queries_bfloat16_64_kernel", 256, 256, 18944, kNarrow, false, 80},
    {"attention_queries_float16_128_kernel", 240, 240, 35072, kNarrow, false, 80},
    {"attention_queries_float16_32_kernel", 120, 112, 10496, kNarrow, false, 80},
    {"attention_queries_float16_64_kernel", 256, 256, 18944, kNarrow, false, 80},
    {"attention_queries_wide_kernel", 96, 48, 0, kNarrow, false},
    {"batch_norm_backward_kernel", 48, 48, 256, kNarrow, true},
    {"batch_norm_forward_kernel", 56, 48, 256, kNarrow, true},
    {"cast_kernel", 112, 64, 0, kLoadsAndStores, false},
    {"cast_table_kernel", 128, 72, 240, kLoadsAndStores, false},
    {"check_kernel", 64, 64, 9992, kLoads, true},
    {"columns_to_image_kernel", 40, 40, 0, kNarrow, false},
    {"cross_entropy_kernel", 56, 64, 1032, kNarrow, true},
    {"cross_entropy_weight_kernel", 56, 48, 512, kNarrow, true},
    {"dropout_kernel", 80, 64, 0, kLoadsAndStores, true},
    {"embedding_backward_kernel", 64, 64, 8204, kNarrow, false},
    {"embedding_forward_kernel", 48, 56, 256, kLoadsAndStores, false},
    {"gemm_bfloat16_nn_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_bfloat16_nn_64_kernel", 120, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_bfloat16_nt_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_bfloat16_nt_64_kernel", 120, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_bfloat16_tn_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_bfloat16_tn_64_kernel", 128, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_bfloat16_tt_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_bfloat16_tt_64_kernel", 128, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_bias_kernel", 56, 56, 0, kLoadsAndStores, false},
    {"gemm_epilogue_kernel", 64, 64, 0, kLoadsAndStores, false},
    {"gemm_float16_nn_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_float16_nn_64_kernel", 120, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_float16_nt_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_float16_nt_64_kernel", 120, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_float16_sm75_nn_128_kernel", 176, 176, 33792, kLoadsAndStores, false},
    {"gemm_float16_sm75_nn_64_kernel", 128, 128, 16896, kLoadsAndStores, false},
    {"gemm_float16_sm75_nt_128_kernel", 176, 176, 33792, kLoadsAndStores, false},
    {"gemm_float16_sm75_nt_64_kernel", 128, 128, 16896, kLoadsAndStores, false},
    {"gemm_float16_sm75_tn_128_kernel", 192, 192, 33792, kLoadsAndStores, false},
    {"gemm_float16_sm75_tn_64_kernel", 144, 144, 16896, kLoadsAndStores, false},
    {"gemm_float16_sm75_tt_128_kernel", 192, 192, 33792, kLoadsAndStores, false},
    {"gemm_float16_sm75_tt_64_kernel", 144, 144, 16896, kLoadsAndStores, false},
    {"gemm_float16_tn_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_float16_tn_64_kernel", 128, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_float16_tt_128_kernel", 128, 128, 49152, kLoadsAndStores, false, 80},
    {"gemm_float16_tt_64_kernel", 128, 96, 24576, kLoadsAndStores, false, 80},
    {"gemm_kernel", 88, 96, 8320, kNarrow, false},
    {"image_to_columns_kernel", 40, 40, 0, kNarrow, false},
    {"layer_norm_backward_kernel", 128, 168, 0, kLoadsAndStores, false},
    {"layer_norm_forward_kernel", 96, 112, 0, kLoadsAndStores, false},
    {"layer_norm_parameters_kernel", 128, 120, 36872, kNarrow, true},
    {"lion_compact_kernel", 128, 128, 7848, kLoadsAndStores, true},
    {"lion_kernel", 128, 88, 3744, kLoadsAndStores, true},
    {"mse_kernel", 80, 72, 9224, kLoadsAndStores, true},
    {"multiply_kernel", 88, 88, 0, kLoadsAndStores, false},
    {"permute_kernel", 32, 32, 0, kNarrow, false},
    {"pool_backward_kernel", 48, 48, 0, kNarrow, false},
    {"pool_forward_kernel", 48, 40, 0, kNarrow, false},
    {"rms_norm_backward_kernel", 128, 168, 0, kLoadsAndStores, false},
    {"rms_norm_forward_kernel", 96, 104, 0, kLoadsAndStores, false},
    {"rms_norm_gamma_kernel", 120, 112, 20488, kNarrow, true},
    {"rmsprop_compact_kernel", 128, 128, 7848, kLoadsAndStores, true},
    {"rmsprop_kernel", 160, 104, 3752, kLoadsAndStores, true},
    {"scaler_update_kernel", 16, 16, 0, kNarrow, true},
    {"sgd_compact_kernel", 120, 112, 7848, kLoadsAndStores, true},
    {"sgd_kernel", 128, 96, 3744, kLoadsAndStores, true},
    {"softmax_backward_kernel", 48, 40, 0, kNarrow, false},
    {"softmax_forward_kernel", 32, 32, 0, kNarrow, false},
    {"sum_channels_kernel", 32, 40, 256, kNarrow, true},
    {"sum_columns_kernel", 128, 112, 20488, kNarrow, true},
    {"touch_kernel", 48, 48, 368, kLoadsAndStores, false},
    {"unscale_kernel", 80, 80, 9992, kLoadsAndStores, true},
};

}  // namespace namp_nvidia
