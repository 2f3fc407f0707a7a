// The source of data/sum.ptx: clang++-14 -x cuda --cuda-device-only --cuda-gpu-arch=sm_75
// -Xclang -target-feature -Xclang +ptx75
//   -nocudainc -nocudalib -O3 -std=c++20 -ffp-contract=off -S sum.cu -o sum.ptx
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
struct Scale {
  float factor;
  long long count;
  float* sum;
};
__constant__ float table[4] = {0.5f, 1.0f, 1.5f, 2.0f};
__device__ __attribute__((noinline)) float curve(float x, Scale s) {
  return x * s.factor + __builtin_sqrtf(x) / s.factor;
}
extern "C" __global__ void sum(float* __restrict__ out, const float* __restrict__ in, Scale s) {
  __shared__ float part[128];
  const int t = __nvvm_read_ptx_sreg_tid_x();
  const long long i = (long long)__nvvm_read_ptx_sreg_ctaid_x() * 128 + t;
  float v = i < s.count ? curve(in[i], s) : 0;
  float history[4];
  for (int k = 0; k < 4; ++k)
    history[k] = v * table[k];
  v = history[t & 3];
  if (i < s.count) out[i] = v;
  part[t] = v;
  __syncthreads();
  for (int d = 64; d >= 32; d >>= 1) {
    if (t < d) part[t] += part[t + d];
    __syncthreads();
  }
  if (t < 32) {
    v = part[t];
    for (int d = 16; d; d >>= 1)
      v += __nvvm_shfl_sync_bfly_f32(-1, v, d, 31);
    if (t == 0) __nvvm_atom_add_gen_f(s.sum, v);
  }
}
