using System.Runtime.CompilerServices;
using ManagedCuda;
using ManagedCuda.BasicTypes;
using NativeAmp.ManagedCuda;

namespace NativeAmp.Interop.Tests.ManagedCuda;

/// <summary>ManagedCuda's memory in NativeAmp's kernels, and NativeAmp's memory as ManagedCuda's variables.</summary>
public sealed class DeviceVariableTests : ManagedCudaTests
{
    [Test]
    public void Every_half_type_is_rounded_in_ManagedCuda_s_own_memory()
    {
        Assert.That(Cast<half>(), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(Cast<Half>(), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(Cast<bfloat16>(), Is.EqualTo(Rounded.ToBFloat16(Values)));
        Assert.That(Cast<BFloat16>(), Is.EqualTo(Rounded.ToBFloat16(Values)));
    }

    [Test]
    public void Variables_are_columns_of_a_table()
    {
        using CudaDeviceVariable<float> first = Values;
        using CudaDeviceVariable<float> second = Values[..7];
        using var halves = new CudaDeviceVariable<half>(Count);
        using var others = new CudaDeviceVariable<bfloat16>(7);
        using var table = TensorTable.Create(
            Device,
            [Count, 7],
            [first.ToCell(Device, Count), second.ToCell(Device, 7)],
            [halves.ToCell(Device, Count), others.ToCell(Device, 7)]
        );

        AmpKernels.CastTable(table, destinationColumn: 1, sourceColumn: 0);
        Device.Stream.Synchronize();

        Assert.That(Rounded.Bits((half[])halves), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(Rounded.Bits((bfloat16[])others), Is.EqualTo(Rounded.ToBFloat16(Values[..7])));
    }

    [Test]
    public void Memory_of_a_pool_and_memory_of_others_are_taken_too()
    {
        using var stream = new CudaStream();
        using var pooled = new CudaDeviceVariable<float>(Count, stream);
        using var part = new CudaDeviceVariable<float>(pooled.DevicePointer + 8, 5 * sizeof(float));
        pooled.CopyToDevice(Values);

        Assert.That(pooled.ToCell(Device, Count).DType, Is.EqualTo(DType.Float32));
        Assert.That(part.ToCell(Device, 5).Pointer, Is.EqualTo(pooled.ToCell(Device).Pointer + 8));
    }

    [Test]
    public void ManagedCuda_reads_and_writes_NativeAmp_s_memory_and_does_not_free_it()
    {
        using DeviceBuffer buffer = Device.Allocate<float>(Values);
        Device.Stream.Synchronize();
        using (CudaDeviceVariable<float> variable = buffer.AsDeviceVariable<float>())
        {
            Assert.That((float[])variable, Is.EqualTo(Values));
            Assert.That(variable.IsOwner, Is.False);
            variable.CopyToDevice([7]);
        }

        Assert.That(buffer.ToArray<float>(), Is.EqualTo((float[])[7, .. Values[1..]]));
    }

    [Test]
    public void NativeAmp_s_halves_are_ManagedCuda_s()
    {
        using DeviceBuffer values = Device.Allocate<float>(Values);
        using DeviceBuffer float16 = Device.Allocate(DType.Float16, Count);
        using DeviceBuffer bfloat = Device.Allocate(DType.BFloat16, Count);
        AmpKernels.Cast(Device, float16.ToCell(), values.ToCell(), Count);
        AmpKernels.Cast(Device, bfloat.ToCell(), values.ToCell(), Count);
        Device.Stream.Synchronize();

        Assert.That(Rounded.Bits((half[])float16.AsDeviceVariable<half>()), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(
            Rounded.Bits((bfloat16[])bfloat.AsDeviceVariable<bfloat16>()),
            Is.EqualTo(Rounded.ToBFloat16(Values))
        );
    }

    [Test]
    public void A_variable_keeps_NativeAmp_s_memory()
    {
        var (variable, buffer) = Abandoned();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        Assert.That(buffer.IsAlive);
        GC.KeepAlive(variable);

        [MethodImpl(MethodImplOptions.NoInlining)]
        (CudaDeviceVariable<float>, WeakReference) Abandoned()
        {
            DeviceBuffer buffer = Device.Allocate<float>(Values);
            return (buffer.AsDeviceVariable<float>(), new WeakReference(buffer));
        }
    }

    [Test]
    public void A_thread_without_a_context_makes_cells_and_has_none_afterwards()
    {
        using CudaDeviceVariable<float> variable = Values;
        (TensorCell cell, nint after) = CellOfABareThread(variable, Device);

        Assert.That(cell.Pointer, Is.EqualTo((nint)(long)variable.DevicePointer.Pointer));
        Assert.That((long)after, Is.Zero);
    }

    [Test]
    public void Memory_of_another_context_is_refused_with_advice()
    {
        using var other = new CudaContext(0);
        using CudaDeviceVariable<float> variable = Values;

        Assert.That(
            () => variable.ToCell(Device),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("context.OpenDevice()")
        );
    }

    [Test]
    public void Memory_of_another_GPU_is_refused_and_taken_by_that_one_s_device()
    {
        if (CudaContext.GetDeviceCount() < 2)
            Assert.Ignore("This machine has one GPU.");
        using var other = new PrimaryContext(1);
        other.PushContext();
        using Device second = other.OpenDevice();
        using (CudaDeviceVariable<float> variable = Values)
        {
            Assert.That(second.Ordinal, Is.EqualTo(1));
            Assert.That(variable.ToCell(second, Count).DType, Is.EqualTo(DType.Float32));
            Assert.That(
                () => variable.ToCell(Device),
                Throws.ArgumentException.With.Message.Contains(
                    "memory of CUDA device 1; NativeAmp's device is CUDA device 0"
                )
            );
        }
        other.PopContext();
    }

    [Test]
    public void Other_lengths_and_types_are_refused_by_name()
    {
        using CudaDeviceVariable<float> floats = Values;
        using var doubles = new CudaDeviceVariable<double>(1);
        using DeviceBuffer buffer = Device.Allocate<float>(Values);

        Assert.That(
            () => floats.ToCell(Device, 99),
            Throws.ArgumentException.With.Message.Contains("The variable has 100 elements; 99 are expected.")
        );
        Assert.That(() => doubles.ToCell(Device), Throws.ArgumentException.With.Message.Contains("System.Double"));
        Assert.That(
            () => buffer.AsDeviceVariable<half>(),
            Throws.ArgumentException.With.Message.Contains("float32, not ManagedCuda.BasicTypes.half")
        );
        Assert.That(
            () => ((CudaDeviceVariable<float>)null!).ToCell(Device),
            Throws.ArgumentNullException.With.Property("ParamName").EqualTo("variable")
        );
    }

    [Test]
    public void Disposed_memory_is_refused()
    {
        CudaDeviceVariable<float> variable = Values;
        variable.Dispose();
        DeviceBuffer buffer = Device.Allocate<float>(Values);
        buffer.Dispose();

        Assert.That(
            () => variable.ToCell(Device),
            Throws.ArgumentException.With.Message.Contains("The variable was disposed")
        );
        Assert.That(() => buffer.AsDeviceVariable<float>(), Throws.InstanceOf<ObjectDisposedException>());
    }

    // A driver that gives freed addresses again cannot tell.
    [Test]
    public void A_disposed_variable_at_an_address_of_other_memory_is_refused()
    {
        using DeviceBuffer buffer = Device.Allocate<float>(Values);
        CudaDeviceVariable<float> variable = buffer.AsDeviceVariable<float>();
        variable.Dispose();

        Assert.That(
            () => variable.ToCell(Device),
            Throws.ArgumentException.With.Message.Contains("The variable was disposed")
        );
    }

    [Test]
    public void The_CPU_and_a_disposed_device_are_refused()
    {
        using CudaDeviceVariable<float> variable = Values;
        using var cpu = Device.Cpu();
        using DeviceBuffer buffer = cpu.Allocate<float>(Values);
        var disposed = Device.Cuda();
        disposed.Dispose();

        Assert.That(() => variable.ToCell(cpu), Throws.ArgumentException.With.Message.Contains("the CPU"));
        Assert.That(() => buffer.AsDeviceVariable<float>(), Throws.ArgumentException);
        Assert.That(() => variable.ToCell(disposed), Throws.InstanceOf<ObjectDisposedException>());
    }

    private ushort[] Cast<T>()
        where T : unmanaged
    {
        using CudaDeviceVariable<float> source = Values;
        using var destination = new CudaDeviceVariable<T>(Count);
        AmpKernels.Cast(Device, destination.ToCell(Device, Count), source.ToCell(Device, Count), Count);
        Device.Stream.Synchronize();
        return Rounded.Bits((T[])destination);
    }
}
