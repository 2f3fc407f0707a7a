using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using NativeAmp.ILGPU;
using Half = System.Half;

namespace NativeAmp.Interop.Tests.Ilgpu;

/// <summary>
/// Memory of ILGPU's accelerators in NativeAmp's kernels, and the other way round. The GPU's kernels are those that
/// ILGPU compiles.
/// </summary>
[TestFixture(AcceleratorType.CPU)]
[TestFixture(AcceleratorType.Cuda)]
public sealed class IlgpuMemoryTests(AcceleratorType type)
{
    private const int Count = 100;

    private static readonly float[] Values = Rounded.Numbers(Count);

    private Context _context = null!;
    private Accelerator _accelerator = null!;
    private Device _device = null!;

    [SetUp]
    public void Open()
    {
        if (type == AcceleratorType.Cuda)
            IlgpuDriver.Use();
        _context = Context.Create(builder => _ = type == AcceleratorType.Cuda ? builder.Cuda() : builder.DefaultCPU());
        _accelerator =
            type == AcceleratorType.Cuda ? _context.CreateCudaAccelerator(0) : _context.CreateCPUAccelerator(0);
        _device = _accelerator.OpenDevice(threads: 1);
    }

    [TearDown]
    public void Close()
    {
        _device?.Dispose();
        _accelerator?.Dispose();
        _context?.Dispose();
    }

    [Test]
    public void Every_half_type_is_rounded_in_ILGPU_s_own_memory()
    {
        Assert.That(Cast<global::ILGPU.Half>(), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(Cast<Half>(), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(Cast<BFloat16>(), Is.EqualTo(Rounded.ToBFloat16(Values)));
    }

    [Test]
    public void A_part_of_a_buffer_is_all_that_is_written()
    {
        using var source = _accelerator.Allocate1D(Values);
        using var destination = _accelerator.Allocate1D(new float[Count]);
        ArrayView1D<float, Stride1D.Dense> part = destination.View.SubView(3, 5);

        _accelerator.Synchronize();
        AmpKernels.Cast(_device, part.ToCell(_device, 5), source.View.SubView(10, 5).ToCell(_device), 5);
        _device.Stream.Synchronize();

        Assert.That(destination.GetAsArray1D(), Is.EqualTo((float[])[0, 0, 0, .. Values[10..15], .. new float[92]]));
    }

    [Test]
    public void Buffers_are_columns_of_a_table()
    {
        using var first = _accelerator.Allocate1D(Values);
        using var second = _accelerator.Allocate1D(Values[..7]);
        using var halves = _accelerator.Allocate1D<global::ILGPU.Half>(Count);
        using var others = _accelerator.Allocate1D<BFloat16>(7);
        using var table = TensorTable.Create(
            _device,
            [Count, 7],
            [first.ToCell(_device, Count), second.ToCell(_device, 7)],
            [halves.ToCell(_device, Count), others.ToCell(_device, 7)]
        );

        _accelerator.Synchronize();
        AmpKernels.CastTable(table, destinationColumn: 1, sourceColumn: 0);
        _device.Stream.Synchronize();

        Assert.That(Rounded.Bits(halves.GetAsArray1D()), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(Rounded.Bits(others.GetAsArray1D()), Is.EqualTo(Rounded.ToBFloat16(Values[..7])));
    }

    [Test]
    public void ILGPU_s_kernel_works_on_NativeAmp_s_memory()
    {
        using DeviceBuffer buffer = _device.Allocate<float>(Values);
        var doubled = _accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<float>>(Double);

        _device.Stream.Synchronize();
        doubled(Count, buffer.AsArrayView<float>(_accelerator));
        _accelerator.Synchronize();

        Assert.That(buffer.ToArray<float>(), Is.EqualTo(Array.ConvertAll(Values, value => 2 * value)));
    }

    [Test]
    public void ILGPU_reads_NativeAmp_s_halves_as_its_own_type_and_as_dotnet_s()
    {
        using DeviceBuffer halves = _device.Allocate(DType.Float16, Count);
        using DeviceBuffer values = _device.Allocate<float>(Values);
        AmpKernels.Cast(_device, halves.ToCell(), values.ToCell(), Count);
        _device.Stream.Synchronize();
        var own = new global::ILGPU.Half[Count];
        var dotnets = new Half[Count];

        halves.AsArrayView<global::ILGPU.Half>(_accelerator).CopyToCPU(own);
        halves.AsArrayView<Half>(_accelerator).CopyToCPU(dotnets);

        Assert.That(Rounded.Bits(own), Is.EqualTo(Rounded.ToFloat16(Values)));
        Assert.That(Rounded.Bits(dotnets), Is.EqualTo(Rounded.ToFloat16(Values)));
    }

    [Test]
    public void A_view_keeps_NativeAmp_s_memory()
    {
        var (view, buffer) = Abandoned();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        Assert.That(buffer.IsAlive);
        Assert.That(view.Length, Is.EqualTo(Count));
        GC.KeepAlive(((IArrayView)view).Buffer);

        [MethodImpl(MethodImplOptions.NoInlining)]
        (ArrayView<float>, WeakReference) Abandoned()
        {
            DeviceBuffer buffer = _device.Allocate<float>(Values);
            return (buffer.AsArrayView<float>(_accelerator), new WeakReference(buffer));
        }
    }

    [Test]
    public void Nothing_is_a_cell_and_a_view_too()
    {
        using DeviceBuffer empty = _device.Allocate(DType.Float32, 0);

        Assert.That(ArrayView<float>.Empty.ToCell(_device, 0), Is.EqualTo(new TensorCell(0, DType.Float32)));
        Assert.That(empty.AsArrayView<float>(_accelerator).Length, Is.Zero);
    }

    [Test]
    public void ILGPU_s_stream_is_one_of_the_device_on_which_the_work_of_both_is_in_order()
    {
        using AcceleratorStream stream = _accelerator.CreateStream();
        using var values = _accelerator.Allocate1D<float>(Count);
        using var halves = _accelerator.Allocate1D<Half>(Count);
        var doubled = _accelerator.LoadAutoGroupedKernel<Index1D, ArrayView<float>>(Double);
        _accelerator.Synchronize();

        using (_device.Use(_device.BorrowStream(stream)))
        {
            values.View.AsContiguous().CopyFromCPU(stream, Values);
            doubled(stream, Count, values.View.AsContiguous());
            AmpKernels.Cast(_device, halves.ToCell(_device), values.ToCell(_device), Count);
        }
        var read = new Half[Count];
        halves.View.AsContiguous().CopyToCPU(stream, read);
        stream.Synchronize();

        float[] twice = Array.ConvertAll(Values, value => 2 * value);
        Assert.That(Rounded.Bits(read), Is.EqualTo(Rounded.ToFloat16(twice)));
        Assert.That(() => _device.BorrowStream((AcceleratorStream)null!), Throws.ArgumentNullException);
        if (type == AcceleratorType.CPU)
            Assert.That(_device.BorrowStream(stream), Is.SameAs(_device.Stream));
    }

    [Test]
    public void NativeAmp_s_stream_is_one_of_ILGPU_s_on_a_GPU()
    {
        if (_accelerator is not CudaAccelerator accelerator)
        {
            Assert.Ignore("The CPU has one stream.");
            return;
        }
        using DeviceBuffer buffer = _device.Allocate<float>(Values);
        var doubled = accelerator.LoadAutoGroupedKernel<Index1D, ArrayView<float>>(Double);
        using CudaStream stream = _device.Stream.ToCudaStream(accelerator);

        doubled(stream, Count, buffer.AsArrayView<float>(accelerator));

        Assert.That(buffer.ToArray<float>(), Is.EqualTo(Array.ConvertAll(Values, value => 2 * value)));
        using Device cpu = Device.Cpu();
        Assert.That(() => cpu.Stream.ToCudaStream(accelerator), Throws.TypeOf<NotSupportedException>());
    }

    [Test]
    public void ILGPU_copies_and_fills_NativeAmp_s_memory()
    {
        using DeviceBuffer buffer = _device.Allocate<float>(Values);
        _device.Stream.Synchronize();
        ArrayView<float> view = buffer.AsArrayView<float>(_accelerator);

        view.SubView(0, 50).MemSetToZero();
        view.SubView(50, 10).CopyFromCPU(Values[..10]);
        using var copy = _accelerator.Allocate1D<float>(Count);
        view.CopyTo(copy.View.AsContiguous());
        _accelerator.Synchronize();

        float[] expected = [.. new float[50], .. Values[..10], .. Values[60..]];
        Assert.That(buffer.ToArray<float>(), Is.EqualTo(expected));
        Assert.That(copy.GetAsArray1D(), Is.EqualTo(expected));
    }

    [Test]
    public void An_optimizer_steps_on_ILGPU_s_buffers()
    {
        using var weights = _accelerator.Allocate1D(Values);
        using var gradient = _accelerator.Allocate1D(Values);
        _accelerator.Synchronize();
        var parameter = new MemoryParameter("w", _device, weights.ToCell(_device, Count), Count)
        {
            Gradient = gradient.ToCell(_device, Count),
        };
        using (var optimizer = new FusedSgd([parameter], new SgdOptions { LearningRate = 0.5 }))
            optimizer.Step();
        _device.Stream.Synchronize();

        Assert.That(weights.GetAsArray1D(), Is.EqualTo(Array.ConvertAll(Values, value => value / 2)));
    }

    [Test]
    public void Other_lengths_and_types_are_refused_by_name()
    {
        using var floats = _accelerator.Allocate1D(Values);
        using var doubles = _accelerator.Allocate1D<double>(Count);
        using DeviceBuffer buffer = _device.Allocate<float>(Values);

        Assert.That(
            () => floats.ToCell(_device, 99),
            Throws.ArgumentException.With.Message.Contains("The view has 100 elements; 99 are expected.")
        );
        Assert.That(() => doubles.ToCell(_device), Throws.ArgumentException.With.Message.Contains("System.Double"));
        Assert.That(
            () => buffer.AsArrayView<Half>(_accelerator),
            Throws.ArgumentException.With.Message.Contains("float32, not System.Half")
        );
    }

    [Test]
    public void Disposed_memory_is_refused()
    {
        var floats = _accelerator.Allocate1D(Values);
        ArrayView<float> view = floats.View.AsContiguous();
        floats.Dispose();
        DeviceBuffer buffer = _device.Allocate<float>(Values);
        buffer.Dispose();

        Assert.That(() => floats.ToCell(_device), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => view.ToCell(_device), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => buffer.AsArrayView<float>(_accelerator), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void A_disposed_device_is_refused()
    {
        using var floats = _accelerator.Allocate1D(Values);
        Device device = _accelerator.OpenDevice();
        device.Dispose();

        Assert.That(() => floats.ToCell(device), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void A_device_that_is_elsewhere_is_refused_with_advice()
    {
        // The primary context of the GPU is not the accelerator's.
        using Device elsewhere = DeviceKind.Cuda.Open();
        using var floats = _accelerator.Allocate1D(Values);
        using DeviceBuffer buffer = elsewhere.Allocate<float>(Values);

        Assert.That(
            () => floats.ToCell(elsewhere),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("accelerator.OpenDevice()")
        );
        Assert.That(() => elsewhere.BorrowStream(_accelerator.DefaultStream), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => buffer.AsArrayView<float>(_accelerator), Throws.TypeOf<NotSupportedException>());
    }

    [Test]
    public void Other_accelerators_are_refused_with_the_reason() =>
        Assert.That(
            () => IlgpuMemory.EnsureKnown(AcceleratorType.OpenCL),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("an accelerator for OpenCL")
        );

    private static void Double(Index1D index, ArrayView<float> values) => values[index] *= 2;

    private ushort[] Cast<T>()
        where T : unmanaged
    {
        using var source = _accelerator.Allocate1D(Values);
        using var destination = _accelerator.Allocate1D<T>(Count);
        _accelerator.Synchronize();
        AmpKernels.Cast(_device, destination.ToCell(_device, Count), source.ToCell(_device, Count), Count);
        _device.Stream.Synchronize();
        return Rounded.Bits(destination.GetAsArray1D());
    }
}
