using System.Reflection;
using ManagedCuda;
using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;
using NativeAmp.ManagedCuda;

namespace NativeAmp.Interop.Tests.ManagedCuda;

/// <summary>One context and one order of work for both libraries.</summary>
public sealed class ContextAndStreamTests : ManagedCudaTests
{
    [Test]
    public void A_context_that_is_bound_to_the_primary_one_opens_its_device()
    {
        using var bound = new CudaContext(0, createNew: false);
        using Device device = bound.OpenDevice();

        Assert.That(bound.IsContextOwner, Is.False);
        Assert.That(device.Kind, Is.EqualTo(DeviceKind.Cuda));
        Assert.That(device.Ordinal, Is.Zero);
    }

    [Test]
    public void A_context_of_its_own_opens_a_device_that_works_in_it()
    {
        using var own = new CudaContext(0);
        using (Device device = own.OpenDevice())
        using (var stream = new CudaStream())
        using (CudaDeviceVariable<float> values = Values)
        using (var halves = new CudaDeviceVariable<half>(Count))
        {
            using (DeviceStream borrowed = device.BorrowStream(stream))
                AmpKernels.Cast(device, halves.ToCell(device), values.ToCell(device), Count, stream: borrowed);
            stream.Synchronize();

            Assert.That(device.CudaContext, Is.EqualTo(own.Context.Pointer).And.Not.EqualTo(Device.CudaContext));
            Assert.That(Rounded.Bits((half[])halves), Is.EqualTo(Rounded.ToFloat16(Values)));
        }
        Assert.That(() => ((CudaContext)null!).OpenDevice(), Throws.ArgumentNullException);
    }

    [Test]
    public void A_thread_without_a_context_makes_cells_of_a_context_of_its_own_and_has_none_afterwards()
    {
        using var own = new CudaContext(0);
        using Device device = own.OpenDevice();
        using CudaDeviceVariable<float> variable = Values;
        (TensorCell cell, nint after) = CellOfABareThread(variable, device);

        Assert.That(cell.Pointer, Is.EqualTo((nint)(long)variable.DevicePointer.Pointer));
        Assert.That((long)after, Is.Zero);
    }

    [Test]
    public void A_disposed_context_opens_nothing()
    {
        var own = new CudaContext(0);
        own.Dispose();

        // Without a call of the driver, so that the emulated GPU's checkers see nothing; by its handle they do.
        Assert.That(() => own.OpenDevice(), Throws.ArgumentException.With.Message.Contains("The context was disposed"));
        Assert.That(EmulatedGpu.TakeFindings(leaks: false), Is.Empty);
        Assert.That(
            () => Device.InCudaContext(own.Context.Pointer),
            Throws.TypeOf<NativeAmpArgumentException>().With.Message.Contains("no CUDA context that is alive")
        );
        EmulatedGpu.TakeFindings(leaks: false);
    }

    [Test]
    public void A_disposed_stream_is_not_borrowed()
    {
        var stream = new CudaStream();
        stream.Dispose();

        Assert.That(
            () => Device.BorrowStream(stream),
            Throws.ArgumentException.With.Message.Contains("The stream was disposed")
        );
    }

    [Test]
    public void NativeAmp_works_on_ManagedCuda_s_stream_behind_a_product_of_CudaBlas()
    {
        using var stream = new CudaStream(CUStreamFlags.NonBlocking);
        var blas = new CudaBlas(stream.Stream);
        using CudaDeviceVariable<float> a = Values;
        using CudaDeviceVariable<float> two = new float[] { 2 };
        using var product = new CudaDeviceVariable<float>(Count);
        using var halves = new CudaDeviceVariable<half>(Count);
        TensorCell destination = halves.ToCell(Device),
            source = product.ToCell(Device);

        Double(blas, a, two, product);
        using (DeviceStream borrowed = Device.BorrowStream(stream))
            AmpKernels.Cast(Device, destination, source, Count, stream: borrowed);
        stream.Synchronize();

        Assert.That(
            Rounded.Bits((half[])halves),
            Is.EqualTo(Rounded.ToFloat16(Array.ConvertAll(Values, value => 2 * value)))
        );
        blas.Dispose();
    }

    [Test]
    public void CudaBlas_works_on_NativeAmp_s_stream_behind_its_kernels()
    {
        var blas = new CudaBlas();
        blas.Stream = Device.Stream.ToCudaStream().Stream;
        using var a = new CudaDeviceVariable<float>(Count);
        using CudaDeviceVariable<float> two = new float[] { 2 };
        using var product = new CudaDeviceVariable<float>(Count);
        using DeviceBuffer values = Device.Allocate<float>(Values);

        AmpKernels.Cast(Device, a.ToCell(Device), values.ToCell(), Count);
        Double(blas, a, two, product);
        Device.Stream.Synchronize();

        Assert.That((float[])product, Is.EqualTo(Array.ConvertAll(Values, value => 2 * value)));
        Assert.That(blas.Stream.Pointer, Is.EqualTo(Device.Stream.Handle));
        blas.Dispose();
    }

    [Test]
    public void The_stream_of_a_CudaBlas_and_CUDA_s_default_one_are_borrowed_by_handle()
    {
        using var stream = new CudaStream();
        var blas = new CudaBlas(stream.Stream);

        Assert.That(Device.BorrowStream(blas.Stream).Handle, Is.EqualTo(stream.Stream.Pointer));
        Assert.That(Device.BorrowStream(CUstream.NullStream).Handle, Is.EqualTo(CUstream.LegacyStream.Pointer));
        blas.Dispose();
    }

    [Test]
    public void A_borrowed_stream_stays_ManagedCuda_s_and_a_shown_one_NativeAmp_s()
    {
        using var stream = new CudaStream();
        Device.BorrowStream(stream).Dispose();
        Device.Stream.ToCudaStream().Dispose();

        Assert.That(stream.Synchronize, Throws.Nothing);
        Assert.That(Device.Stream.Synchronize, Throws.Nothing);
    }

    [Test]
    public void A_stream_of_another_context_is_refused_with_advice()
    {
        using var other = new CudaContext(0);
        using var stream = new CudaStream();

        Assert.That(
            () => Device.BorrowStream(stream),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("context.OpenDevice()")
        );
    }

    [Test]
    public void The_CPU_has_no_streams_of_CUDA()
    {
        using var stream = new CudaStream();
        using var cpu = Device.Cpu();

        Assert.That(() => cpu.BorrowStream(stream), Throws.ArgumentException);
        Assert.That(() => cpu.Stream.ToCudaStream(), Throws.ArgumentException);
        Assert.That(() => Device.BorrowStream((CudaStream)null!), Throws.ArgumentNullException);
    }

    [Test]
    public void The_adapter_is_bound_to_any_ManagedCuda_12()
    {
        AssemblyName[] references = typeof(ManagedCudaMemory).Assembly.GetReferencedAssemblies();
        AssemblyName reference = references.Single(name =>
            name.Name!.StartsWith("ManagedCuda", StringComparison.Ordinal)
        );

        Assert.That(reference.Name, Is.EqualTo("ManagedCuda.netCore"));
        Assert.That(reference.Version, Is.LessThanOrEqualTo(new Version(12, 0, 48)));
        Assert.That(reference.GetPublicKeyToken(), Is.Empty);
    }

    // A column times a 1 by 1 matrix.
    private static void Double(
        CudaBlas blas,
        CudaDeviceVariable<float> column,
        CudaDeviceVariable<float> two,
        CudaDeviceVariable<float> product
    ) =>
        blas.Gemm(
            Operation.NonTranspose,
            Operation.NonTranspose,
            Count,
            1,
            1,
            1,
            column,
            Count,
            two,
            1,
            0,
            product,
            Count
        );
}
