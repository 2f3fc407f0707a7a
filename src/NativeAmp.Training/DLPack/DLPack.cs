namespace NativeAmp.Training;

/// <summary>
/// Tensors from and to other libraries of the same process without a copy, by DLPack 1.x: PyTorch, NumPy, CuPy, JAX and
/// others. Both sides share the memory, and it is kept until the consumer calls the tensor's deleter.
/// </summary>
/// <remarks>
/// <para>A pointer to a <c>DLManagedTensorVersioned</c> (or the older <c>DLManagedTensor</c>) has one owner. The
/// consumer that takes it calls its deleter once. A pointer that nobody takes is given back by <see cref="Delete"/> or
/// <see cref="DeleteLegacy"/>.</para>
/// <para>float32, float16, bfloat16, int32, uint8 and both FP8 types go either way, on the CPU and on CUDA.</para>
/// </remarks>
public static unsafe class DLPack
{
    /// <summary>A tensor as a <c>DLManagedTensorVersioned</c> for another library.</summary>
    /// <param name="tensor">The tensor. It may be disposed afterwards; the memory stays.</param>
    /// <param name="stream">
    /// The stream on which the consumer will use the memory, in DLPack's numbers: a <c>CUstream</c>, 1 or null for
    /// CUDA's default stream, 2 for that of a thread, -1 for no waiting. The consumer's stream waits, on the device,
    /// for the work on the current stream. On the CPU null or -1.
    /// </param>
    /// <param name="readOnly">Whether to ask the consumer not to write.</param>
    /// <returns>A pointer that the consumer owns.</returns>
    /// <exception cref="InvalidOperationException">The tensor requires a gradient: nothing would see the consumer's
    /// writes. Export its <see cref="Tensor.Detach"/>.</exception>
    /// <exception cref="ArgumentException">The stream is none for this device.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    /// <remarks>The consumer calls the deleter when its own work with the memory is done, or is on a stream that the
    /// device's current stream waits for: the memory may be used for something else at once.</remarks>
    public static nint Export(Tensor tensor, nint? stream = null, bool readOnly = false) =>
        (nint)DLPackExport.Versioned(tensor, stream, readOnly);

    /// <summary>
    /// A tensor as a <c>DLManagedTensor</c>, for libraries that do not know DLPack 1.x. It cannot be read-only.
    /// </summary>
    /// <inheritdoc cref="Export"/>
    public static nint ExportLegacy(Tensor tensor, nint? stream = null) => (nint)DLPackExport.Legacy(tensor, stream);

    /// <summary>The memory of a <c>DLManagedTensorVersioned</c> of another library as a tensor.</summary>
    /// <param name="device">The device that the memory belongs to; for pinned memory of CUDA a CPU device.</param>
    /// <param name="managedTensor">Pointer to the struct. The tensor owns it from now on, and calls its deleter once
    /// when neither it, nor its views, nor a graph that saved it uses the memory any more; on a GPU after waiting for
    /// the work that used it.</param>
    /// <param name="copy">Whether to copy the elements, and call the deleter at once. A copy may have gaps between the
    /// elements of its source (on the CPU), and a read-only source.</param>
    /// <exception cref="ArgumentException">
    /// The tensor is of another major version, another device, or a type that this library does not have; it is
    /// read-only or has gaps, and is not to be copied; or it is invalid: null data, a negative or too large shape, a
    /// misaligned pointer, elements outside of the address space. The struct is still the caller's, who gives it back
    /// by <see cref="Delete"/>.
    /// </exception>
    /// <remarks>The producer makes the memory ready on a stream: ask it for the one of <see cref="StreamOf"/>. If it
    /// cannot, call <c>device.CurrentStream.WaitFor(device.BorrowStream(stream))</c> before.</remarks>
    public static Tensor Import(Device device, nint managedTensor, bool copy = false)
    {
        var managed = (DLManagedTensorVersioned*)managedTensor;
        DLPackImport.EnsureNotNull(managed);
        if (managed->Major != DLManagedTensorVersioned.MajorVersion)
        {
            throw new ArgumentException(
                $"The tensor is of DLPack {managed->Major}.{managed->Minor}; this library reads 1.x.",
                nameof(managedTensor)
            );
        }

        bool readOnly = (managed->Flags & DLManagedTensorVersioned.ReadOnlyFlag) != 0;
        Action? deleter = managed->Deleter is null ? null : () => Delete(managedTensor);
        return DLPackImport.Take(device, managed->Tensor, readOnly, copy, deleter);
    }

    /// <summary>The memory of a <c>DLManagedTensor</c> of another library as a tensor.</summary>
    /// <inheritdoc cref="Import"/>
    public static Tensor ImportLegacy(Device device, nint managedTensor, bool copy = false)
    {
        var managed = (DLManagedTensor*)managedTensor;
        DLPackImport.EnsureNotNull(managed);
        Action? deleter = managed->Deleter is null ? null : () => DeleteLegacy(managedTensor);
        return DLPackImport.Take(device, managed->Tensor, readOnly: false, copy, deleter);
    }

    /// <summary>
    /// Gives back a <c>DLManagedTensorVersioned</c> that nobody took, of any version: calls its deleter, if it has one.
    /// </summary>
    /// <exception cref="ArgumentException">The pointer is null.</exception>
    public static void Delete(nint managedTensor)
    {
        var managed = (DLManagedTensorVersioned*)managedTensor;
        DLPackImport.EnsureNotNull(managed);
        if (managed->Deleter is not null)
            managed->Deleter(managed);
    }

    /// <summary>
    /// Gives back a <c>DLManagedTensor</c> that nobody took: calls its deleter, if it has one.
    /// </summary>
    /// <exception cref="ArgumentException">The pointer is null.</exception>
    public static void DeleteLegacy(nint managedTensor)
    {
        var managed = (DLManagedTensor*)managedTensor;
        DLPackImport.EnsureNotNull(managed);
        if (managed->Deleter is not null)
            managed->Deleter(managed);
    }

    /// <summary>
    /// The number of the current stream, which a producer wants to know (the argument of Python's
    /// <c>__dlpack__(stream=…)</c>); null on the CPU.
    /// </summary>
    public static nint? StreamOf(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return device.IsHostMemory ? null : device.CurrentStream.Handle;
    }
}
