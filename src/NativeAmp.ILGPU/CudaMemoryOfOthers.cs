using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace NativeAmp.ILGPU;

/// <summary>Memory of a CUDA context that ILGPU neither made nor frees.</summary>
internal sealed class CudaMemoryOfOthers : MemoryBuffer
{
    public CudaMemoryOfOthers(Accelerator accelerator, nint pointer, long length, int elementSize)
        : base(accelerator, length, elementSize) => NativePtr = pointer;

    protected override void MemSet(AcceleratorStream stream, byte value, in ArrayView<byte> targetView) =>
        CudaMemoryBuffer.CudaMemSet((CudaStream)stream, value, targetView);

    protected override void CopyTo(
        AcceleratorStream stream,
        in ArrayView<byte> sourceView,
        in ArrayView<byte> targetView
    ) => CudaMemoryBuffer.CudaCopy((CudaStream)stream, sourceView, targetView);

    protected override void CopyFrom(
        AcceleratorStream stream,
        in ArrayView<byte> sourceView,
        in ArrayView<byte> targetView
    ) => CudaMemoryBuffer.CudaCopy((CudaStream)stream, sourceView, targetView);

    protected override void DisposeAcceleratorObject(bool disposing) { }
}
