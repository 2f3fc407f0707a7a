// The differences of nvcc and clang without CUDA's headers: attributes, special registers,
// barriers, shuffles, atomics, and the functions of the C library that formulas use. A .cu file
// includes it before anything else.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__clang__) && defined(__CUDA__)

#define __host__ __attribute__((host))
#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define NAMP_LAUNCH_BOUNDS(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define NAMP_DEVICE __device__ inline __attribute__((always_inline))

#define NAMP_GRID_CONSTANT
#define NAMP_LONG_LAMBDA

// The compiler's own lowering: IEEE square root and fused multiply-add, and copies of known size.
NAMP_DEVICE float sqrtf(float x) { return __builtin_sqrtf(x); }
NAMP_DEVICE double sqrt(double x) { return __builtin_sqrt(x); }
NAMP_DEVICE float fabsf(float x) { return __builtin_fabsf(x); }
NAMP_DEVICE float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
NAMP_DEVICE float fmaxf(float a, float b) { return __builtin_fmaxf(a, b); }
NAMP_DEVICE float fminf(float a, float b) { return __builtin_fminf(a, b); }
NAMP_DEVICE void* memcpy(void* to, const void* from, size_t bytes) {
  return __builtin_memcpy(to, from, bytes);
}

#else

#define NAMP_LAUNCH_BOUNDS(...) __launch_bounds__(__VA_ARGS__)
#define NAMP_DEVICE __device__ __forceinline__
// A kernel's argument that is indexed by what is known only at run time: read where it lies, not
// copied to local memory first, as nvcc does. Clang leaves it where it is.
#define NAMP_GRID_CONSTANT __grid_constant__
// A lambda that is called once and is too long for nvcc to inline it unasked. Clang does, and where it is
// asked to, it does so before it knows a kernel's arguments, and copies them to local memory.
#define NAMP_LONG_LAMBDA __attribute__((always_inline))

#endif

// A kernel of a number of threads: its name is what the driver finds it by. A second number says how
// many of its blocks a multiprocessor should hold. Where it is missing, NVIDIA's assembler guesses,
// and spills a few registers for a guess that gains nothing.
#define NAMP_KERNEL(...) extern "C" __global__ void NAMP_LAUNCH_BOUNDS(__VA_ARGS__)

namespace namp::cuda {

// The word of a size.
template <int kBytes>
struct WordOf;
template <>
struct WordOf<1> {
  using Type = uint8_t;
};
template <>
struct WordOf<2> {
  using Type = uint16_t;
};
template <>
struct WordOf<4> {
  using Type = uint32_t;
};
template <>
struct WordOf<8> {
  using Type = uint64_t;
};

#if defined(__clang__) && defined(__CUDA__)

NAMP_DEVICE int thread_index() { return static_cast<int>(__nvvm_read_ptx_sreg_tid_x()); }
NAMP_DEVICE int block_threads() { return static_cast<int>(__nvvm_read_ptx_sreg_ntid_x()); }
NAMP_DEVICE int64_t block_index() { return __nvvm_read_ptx_sreg_ctaid_x(); }
NAMP_DEVICE int64_t block_count() { return __nvvm_read_ptx_sreg_nctaid_x(); }

// Ends the launch with an error.
[[noreturn]] NAMP_DEVICE void trap() { __builtin_trap(); }

// All threads of the block.
NAMP_DEVICE void barrier() { __syncthreads(); }
// Makes what this thread wrote visible to the whole device.
NAMP_DEVICE void fence() { __nvvm_membar_gl(); }

// The value of the lane whose index differs by the bits of mask. All lanes of the warp.
NAMP_DEVICE uint32_t shuffle_xor(uint32_t x, int mask) {
  return static_cast<uint32_t>(
      __nvvm_shfl_sync_bfly_i32(0xffffffffu, static_cast<int>(x), mask, 0x1f));
}
// The value of this lane.
NAMP_DEVICE uint32_t shuffle_from(uint32_t x, int lane) {
  return static_cast<uint32_t>(
      __nvvm_shfl_sync_idx_i32(0xffffffffu, static_cast<int>(x), lane, 0x1f));
}
// Whether it is so in a lane of the warp. All lanes of the warp.
NAMP_DEVICE bool any_lane(bool x) { return __nvvm_vote_any_sync(0xffffffffu, x); }

// Each gives what was there before.
NAMP_DEVICE uint32_t atomic_add(uint32_t* at, uint32_t x) {
  return __atomic_fetch_add(at, x, __ATOMIC_RELAXED);
}
NAMP_DEVICE uint64_t atomic_add(uint64_t* at, uint64_t x) {
  return __atomic_fetch_add(at, x, __ATOMIC_RELAXED);
}
NAMP_DEVICE uint32_t atomic_max(uint32_t* at, uint32_t x) {
  return __atomic_fetch_max(at, x, __ATOMIC_RELAXED);
}
NAMP_DEVICE uint64_t atomic_min(uint64_t* at, uint64_t x) {
  return __atomic_fetch_min(at, x, __ATOMIC_RELAXED);
}
NAMP_DEVICE uint32_t atomic_xor(uint32_t* at, uint32_t x) {
  return __atomic_fetch_xor(at, x, __ATOMIC_RELAXED);
}

// Sixteen bytes: load_words, store_words.
typedef uint32_t Words __attribute__((ext_vector_type(4)));

NAMP_DEVICE uint64_t global_address(const void* p) {
  return (uint64_t)(const __attribute__((address_space(1))) void*)p;
}

// Of shared memory, as instructions for it take an address.
NAMP_DEVICE uint32_t shared_address(const void* p) {
  return (uint32_t)(uintptr_t)(const __attribute__((address_space(3))) void*)p;
}

// The i-th value from p on in global memory, moved as a word of its size. A constant i becomes part
// of the instruction.
template <class T>
NAMP_DEVICE T load_global(const T* p, int i = 0) {
  using Word = typename WordOf<sizeof(T)>::Type;
  const Word word = ((const __attribute__((address_space(1))) Word*)p)[i];
  T x;
  memcpy(&x, &word, sizeof(T));
  return x;
}
template <class T>
NAMP_DEVICE void store_global(T* p, T x, int i = 0) {
  using Word = typename WordOf<sizeof(T)>::Type;
  Word word;
  memcpy(&word, &x, sizeof(T));
  ((__attribute__((address_space(1))) Word*)p)[i] = word;
}

#else

NAMP_DEVICE uint64_t global_address(const void* p) { return __cvta_generic_to_global(p); }
NAMP_DEVICE uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

NAMP_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
NAMP_DEVICE int block_threads() { return static_cast<int>(blockDim.x); }
NAMP_DEVICE int64_t block_index() { return blockIdx.x; }
NAMP_DEVICE int64_t block_count() { return gridDim.x; }

[[noreturn]] NAMP_DEVICE void trap() {
  __trap();
  __builtin_unreachable();
}
NAMP_DEVICE void barrier() { __syncthreads(); }
NAMP_DEVICE void fence() { __threadfence(); }

NAMP_DEVICE uint32_t shuffle_xor(uint32_t x, int mask) {
  return __shfl_xor_sync(0xffffffffu, x, mask);
}
NAMP_DEVICE uint32_t shuffle_from(uint32_t x, int lane) {
  return __shfl_sync(0xffffffffu, x, lane);
}
NAMP_DEVICE bool any_lane(bool x) { return __any_sync(0xffffffffu, x) != 0; }

NAMP_DEVICE uint32_t atomic_add(uint32_t* at, uint32_t x) { return atomicAdd(at, x); }
NAMP_DEVICE uint64_t atomic_add(uint64_t* at, uint64_t x) {
  return atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(x));
}
NAMP_DEVICE uint32_t atomic_max(uint32_t* at, uint32_t x) { return atomicMax(at, x); }
NAMP_DEVICE uint64_t atomic_min(uint64_t* at, uint64_t x) {
  return atomicMin(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(x));
}
NAMP_DEVICE uint32_t atomic_xor(uint32_t* at, uint32_t x) { return atomicXor(at, x); }

using Words = uint4;

template <class T>
NAMP_DEVICE T load_global(const T* p, int i = 0) {
  __builtin_assume(__isGlobal(p));
  return p[i];
}
template <class T>
NAMP_DEVICE void store_global(T* p, T x, int i = 0) {
  __builtin_assume(__isGlobal(p));
  p[i] = x;
}

#endif

NAMP_DEVICE Words make_words(uint32_t x, uint32_t y, uint32_t z, uint32_t w) {
  Words words;
  words.x = x;
  words.y = y;
  words.z = z;
  words.w = w;
  return words;
}

// A half of each: 0x5410 are the lower ones, 0x7632 the upper.
NAMP_DEVICE uint32_t join_halves(uint32_t first, uint32_t second, uint32_t halves) {
  uint32_t both;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(both) : "r"(first), "r"(second), "r"(halves));
  return both;
}

// The kIndex-th sixteen bytes from p on as one access, written as the instruction: a compiler that
// sees the halves or floats that they are made of may load and store each by itself.
template <int kIndex>
NAMP_DEVICE Words load_words(const Words* p) {
  uint32_t x, y, z, w;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4+%5];"
               : "=r"(x), "=r"(y), "=r"(z), "=r"(w)
               : "l"(global_address(p)), "n"(kIndex * 16)
               : "memory");
  return make_words(x, y, z, w);
}
template <int kIndex>
NAMP_DEVICE void store_words(Words* p, const Words& words) {
  const uint32_t x = words.x, y = words.y, z = words.z, w = words.w;
  asm volatile("st.global.v4.u32 [%0+%5], {%1, %2, %3, %4};" ::"l"(global_address(p)), "r"(x),
               "r"(y), "r"(z), "r"(w), "n"(kIndex * 16)
               : "memory");
}

// x as a value that the compiler knows nothing of: what is computed from it in a loop is not moved
// before the loop, where it would hold registers.
NAMP_DEVICE int opaque(int x) {
  asm volatile("" : "+r"(x));
  return x;
}
NAMP_DEVICE int64_t opaque(int64_t x) {
  asm volatile("" : "+l"(x));
  return x;
}

// The instructions, on which both agree.
NAMP_DEVICE uint16_t convert_to_float16(float x) {
  uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(x));
  return half;
}
NAMP_DEVICE float convert_from_float16(uint16_t half) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
  return x;
}

}  // namespace namp::cuda
