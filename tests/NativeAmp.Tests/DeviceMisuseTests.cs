using NativeAmp.Interop;

namespace NativeAmp.Tests;

/// <summary>
/// Calls with a device and wrong arguments: a typed exception names the argument, and nothing is changed.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed unsafe class DeviceMisuseTests(DeviceKind kind)
{
    private const int Invalid = (int)NampStatus.ErrorInvalidArgument;

    [Test]
    public void Argument_structs_of_another_size_are_refused([Values(0u, 4u, 1u << 20, uint.MaxValue)] uint size)
    {
        using var device = kind.Open(1);
        var gemm = NampGemmArgs.Create();
        gemm.StructSize = size;
        var loss = NampCrossEntropyArgs.Create();
        loss.StructSize = size;
        var info = NampDeviceInfo.Create();
        info.StructSize = size;
        Assert.That(NativeMethods.Gemm(device.Native, &gemm, null), Is.EqualTo(Invalid));
        Assert.That(Ensure.LastMessage(), Does.Contain("struct_size"));
        Assert.That(NativeMethods.CrossEntropy(device.Native, &loss, null), Is.EqualTo(Invalid));
        Assert.That(NativeMethods.DeviceGetInfo(&info, device.Native), Is.EqualTo(Invalid));
    }

    [Test]
    public void A_cast_checks_types_counts_pointers_and_alignment()
    {
        using var device = kind.Open(1);
        using var from = new GuardedTensor(device, DType.Float32, [1f, 2f, 3f, 4f]);
        using var to = new GuardedTensor(device, DType.Float16, 4);
        byte[] before = to.Bytes.ToArray();
        TensorCell good = to.Cell;
        (TensorCell To, TensorCell From, long Count)[] wrong =
        [
            (good, from.Cell, -1),
            (good, from.Cell, long.MaxValue),
            (default, from.Cell, 4),
            (good, default, 4),
            (new(to.Pointer, DType.None), from.Cell, 4),
            (new(to.Pointer, (DType)77), from.Cell, 4),
            (good, new(from.Pointer, DType.Int32), 4),
            (new(to.Pointer + 1, DType.Float16), from.Cell, 1),
            (good, new(from.Pointer + 2, DType.Float32), 1),
        ];
        foreach (var (destination, source, count) in wrong)
            Assert.That(
                () => AmpKernels.Cast(device, destination, source, count),
                Throws.InstanceOf<NativeAmpArgumentException>().With.Message.Not.Empty
            );
        Assert.That(to.Bytes.ToArray(), Is.EqualTo(before));
        Assert.That(
            () => AmpKernels.Cast(device, new(0, DType.Float16), new(0, DType.Float32), 0),
            Throws.Nothing,
            "nothing needs no pointer"
        );
    }

    [Test]
    public void A_table_checks_what_it_is_given()
    {
        using var device = kind.Open(1);
        using var tensor = new GuardedTensor(device, DType.Float32, [1f, 2f]);
        Assert.That(
            () => TensorTable.Create(device, [-1], [tensor.Cell]),
            Throws.InstanceOf<NativeAmpArgumentException>()
        );
        Assert.That(
            () => TensorTable.Create(device, [1], [new TensorCell(tensor.Pointer + 1, DType.Float32)]),
            Throws.InstanceOf<NativeAmpArgumentException>()
        );
        Assert.That(
            () => TensorTable.Create(device, [1], [new TensorCell(tensor.Pointer, (DType)9)]),
            Throws.InstanceOf<NativeAmpArgumentException>()
        );
        Assert.That(
            () => TensorTable.Create(device, [1]),
            Throws.InstanceOf<NativeAmpArgumentException>(),
            "no column"
        );
        Assert.That(() => TensorTable.Create(device, [1, 2], [tensor.Cell]), Throws.ArgumentException);
        Assert.That(
            () => TensorTable.CreateGrouped(device, [1], groups: [-1], [tensor.Cell]),
            Throws.InstanceOf<NativeAmpArgumentException>()
        );
        Assert.That(
            () => TensorTable.CreateGrouped(device, [1], groups: [0, 0], [tensor.Cell]),
            Throws.ArgumentException
        );
        using var table = TensorTable.Create(device, [2], [tensor.Cell]);
        Assert.That(() => table.SetColumn(1, [tensor.Cell]), Throws.InstanceOf<NativeAmpArgumentException>());
        Assert.That(() => table.SetColumn(-1, [tensor.Cell]), Throws.InstanceOf<NativeAmpArgumentException>());
        Assert.That(() => table.SetColumn(0, []), Throws.ArgumentException);
    }

    [Test]
    public void An_Adam_step_checks_columns_groups_and_hyperparameters()
    {
        using var device = kind.Open(1);
        using var tensor = new GuardedTensor(device, DType.Float32, [1f, 2f]);
        using var state = new OptimizerState(device);
        using var steps = new StepCounts(device, tensorCount: 1);
        using var tooMany = new StepCounts(device, tensorCount: 2);
        using var table = TensorTable.CreateGrouped(
            device,
            [2],
            groups: [1],
            [tensor.Cell],
            [tensor.Cell],
            [tensor.Cell],
            [tensor.Cell]
        );
        AdamOptions good = new();
        (OptimizerColumns Columns, AdamOptions[] Groups, float MaxNorm)[] wrong =
        [
            (new() { Parameter = -1 }, [good, good], 0),
            (new() { SecondState = 4 }, [good, good], 0),
            (new() { ComputeCopy = 9 }, [good, good], 0),
            (new(), [good], 0),
            (new(), [good, good with { Beta2 = 1 }], 0),
            (new(), [good, good with { LearningRate = double.NaN }], 0),
            (new(), [good, good with { AmsGrad = true }], 0),
            (new(), [good, good], -1),
            (new(), [good, good], float.NaN),
        ];
        foreach (var (columns, groups, maxNorm) in wrong)
        {
            Assert.That(
                () =>
                    AmpKernels.OptimizerStep(
                        table,
                        columns,
                        groups,
                        steps,
                        scaler: null,
                        state,
                        new OptimizerStepOptions { MaxNorm = maxNorm }
                    ),
                Throws.InstanceOf<NativeAmpArgumentException>().With.Message.Not.Empty
            );
        }
        Assert.That(
            () => AmpKernels.OptimizerStep(table, new(), Array.Empty<AdamOptions>(), steps, scaler: null, state, new()),
            Throws.ArgumentException
        );
        Assert.That(
            () => AmpKernels.OptimizerStep(table, new(), [good, good], tooMany, scaler: null, state, new()),
            Throws.ArgumentException.With.Message.Contains("counts of 2")
        );
        Assert.That(
            () => AmpKernels.OptimizerStep(table, new(), [good, good], steps: null!, scaler: null, state, new()),
            Throws.ArgumentNullException
        );
        Assert.That(tensor.ToArray(), Is.EqualTo(new[] { 1f, 2f }));
    }

    [Test]
    public void Memory_that_is_not_the_devices_cannot_be_given_back()
    {
        using var device = kind.Open(1);
        nint pointer = device.AllocateMemory(100, MemoryKind.Other);
        Assert.That(() => device.FreeMemory(pointer + 8), Throws.InstanceOf<NativeAmpArgumentException>());
        device.FreeMemory(pointer);
        Assert.That(
            () => device.FreeMemory(pointer),
            Throws.InstanceOf<NativeAmpArgumentException>(),
            "given back twice"
        );
        Assert.That(() => device.AllocateMemory(-1, MemoryKind.Other), Throws.InstanceOf<NativeAmpArgumentException>());
        Assert.That(() => device.AllocateMemory(1, (MemoryKind)99), Throws.InstanceOf<NativeAmpArgumentException>());
        device.FreeMemory(0);
    }

    [Test]
    public void A_device_with_living_memory_refuses_to_close_natively()
    {
        using var device = kind.Open(1);
        nint pointer = device.AllocateMemory(100, MemoryKind.Other);
        Assert.That(NativeMethods.DeviceClose(device.Native), Is.EqualTo(Invalid));
        device.FreeMemory(pointer);
    }
}
