using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>Kinds of devices.</summary>
public enum DeviceKind
{
    /// <summary>The machine's processors.</summary>
    Cpu = NampDeviceKind.Cpu,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda = NampDeviceKind.Cuda,
}

/// <summary>The purpose of a piece of device memory. <see cref="DeviceMemoryStatistics"/> are kept by kind.</summary>
public enum MemoryKind
{
    /// <summary>Anything else.</summary>
    Other = NampMemoryKind.Other,

    /// <summary>FP32 master weights, and buffers of modules.</summary>
    Parameters = NampMemoryKind.Parameters,

    /// <summary>FP16 or BF16 copies of parameters.</summary>
    ComputeCopies = NampMemoryKind.ComputeCopies,

    /// <summary>Moments of the optimizer.</summary>
    OptimizerState = NampMemoryKind.OptimizerState,

    /// <summary>Gradients of parameters.</summary>
    Gradients = NampMemoryKind.Gradients,

    /// <summary>Outputs of operators and what they keep for the backward pass.</summary>
    Activations = NampMemoryKind.Activations,

    /// <summary>Scratch memory of operators.</summary>
    Workspace = NampMemoryKind.Workspace,
}

/// <summary>
/// SIMD instruction sets of the CPU. Every one gives the same bits for casts, scaling, checks, optimizers and integers.
/// <see cref="Avx512BFloat16"/> and <see cref="AmxBFloat16"/> differ from AVX-512 in matrix products and convolutions
/// of bfloat16 alone: their instructions take subnormal numbers for zeros and add in another order.
/// </summary>
public enum SimdTarget
{
    /// <summary>The best that the machine has.</summary>
    Best = NampSimd.Best,

    /// <summary>The instructions of every CPU of the architecture: SSE2 on x86-64, NEON on arm64.</summary>
    Baseline = NampSimd.Baseline,

    /// <summary>AVX2.</summary>
    Avx2 = NampSimd.Avx2,

    /// <summary>AVX-512.</summary>
    Avx512 = NampSimd.Avx512,

    /// <summary>AVX-512 with products of bfloat16 in pairs, <c>vdpbf16ps</c>.</summary>
    Avx512BFloat16 = NampSimd.Avx512Bf16,

    /// <summary>AVX-512 with tiles of AMX for bfloat16, where the system allows them (Linux).</summary>
    AmxBFloat16 = NampSimd.AmxBf16,

    /// <summary>NEON with <c>SDOT</c> (Armv8.2's dot product) for products of 8-bit integers; arm64.</summary>
    NeonDotProduct = NampSimd.NeonDotprod,
}
