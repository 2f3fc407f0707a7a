using System.Reflection;
using NativeAmp.Instruments;

namespace NativeAmp.Tests;

/// <summary>
/// Every member of everything that can be disposed, found by reflection: after Dispose members that do work throw
/// ObjectDisposedException, and members that only describe still work.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class DisposedTests(DeviceKind kind)
{
    // Members that describe an object or its settings, and do not need the device.
    private static readonly Dictionary<Type, string[]> Descriptions = new()
    {
        [typeof(Device)] = ["Kind", "Ordinal", "Stream", "IsHostMemory"],
        [typeof(DeviceBuffer)] = ["Device", "DType", "Count", "Kind", "Bytes"],
        [typeof(DeviceStream)] = ["Device"],
        [typeof(DeviceEvent)] = ["Device"],
        [typeof(TensorTable)] = ["Device", "TensorCount", "ColumnCount"],
        [typeof(OptimizerState)] = ["Device"],
        [typeof(StepCounts)] = ["Device", "TensorCount"],
        [typeof(LossScaleState)] = ["Device"],
        [typeof(FusedOptimizer)] = ["Device", "Groups", "Scheduler", "CheckGradients", "State"],
        [typeof(GradScaler)] = ["Device", "Options", "IsEnabled", "DeviceState"],
        [typeof(PinnedBuffer<float>)] = ["Device", "Count"],
    };

    private Device _device = null!;
    private TestParameter _parameter = null!;
    private DeviceBuffer _floats = null!;
    private List<IDisposable> _made = null!;

    public static IEnumerable<Type> Disposables =>
        typeof(Device)
            .Assembly.GetExportedTypes()
            .Where(t => t.IsClass && typeof(IDisposable).IsAssignableFrom(t))
            .Select(t => t.IsGenericTypeDefinition ? t.MakeGenericType(typeof(float)) : t);

    public static IEnumerable<MethodInfo> Kernels =>
        typeof(AmpKernels)
            .GetMethods(BindingFlags.Public | BindingFlags.Static)
            .Append(typeof(MemoryTouch).GetMethod(nameof(MemoryTouch.Run))!);

    [SetUp]
    public void Open()
    {
        _device = kind.Open(1);
        _parameter = new TestParameter(_device, "p", 1, 2);
        _parameter.SetGradient(1f, 2f);
        _floats = _device.Allocate<float>([1, 2]);
        _made = [];
    }

    [TearDown]
    public void Close()
    {
        foreach (var made in _made)
            made.Dispose();
        _floats.Dispose();
        _parameter.Dispose();
        _device.Dispose();
    }

    [TestCaseSource(nameof(Disposables))]
    public void Every_member_says_that_it_was_disposed_or_only_describes(Type type)
    {
        foreach (
            var member in type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                .Where(m => m.Name != "Dispose")
        )
        {
            var disposed = Make(type);
            disposed.Dispose();
            bool describes = Descriptions[type].Contains(member.Name[(member.Name.IndexOf('_') + 1)..]);
            bool isDefaultStream = disposed is DeviceStream { Device.IsHostMemory: true };

            var failure = Call(disposed, member, null);

            if (describes || isDefaultStream)
                Assert.That(failure, Is.Null, $"{type.Name}.{member.Name}");
            else
                Assert.That(failure, Is.TypeOf<ObjectDisposedException>(), $"{type.Name}.{member.Name}");
            Assert.That(disposed.Dispose, Throws.Nothing, "disposing twice is harmless");
        }
    }

    [TestCaseSource(nameof(Kernels))]
    public void Every_kernel_refuses_what_was_disposed(MethodInfo kernel)
    {
        foreach (
            var parameter in kernel.GetParameters().Where(p => typeof(IDisposable).IsAssignableFrom(p.ParameterType))
        )
        {
            if (parameter.ParameterType == typeof(DeviceStream) && _device.IsHostMemory)
                continue;
            var disposed = Make(parameter.ParameterType);
            disposed.Dispose();

            Assert.That(
                Call(null, kernel, (parameter, disposed)),
                Is.TypeOf<ObjectDisposedException>(),
                $"{kernel.Name}, {parameter.Name}"
            );
        }
    }

    [Test]
    public void The_result_of_a_step_says_that_its_optimizer_was_disposed()
    {
        using var optimizer = new FusedAdam([_parameter]);
        StepResult result = optimizer.Step();
        optimizer.Dispose();
        foreach (
            Action read in new Action[]
            {
                () => result.Read(),
                () => result.ReadFirstBadFacts(),
                () => _ = result.IsKnown,
            }
        )
            Assert.That(read, Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("FusedAdam"));
    }

    [Test]
    public void A_device_with_memory_alive_serves_until_that_is_gone()
    {
        var device = kind.Open(1);
        var alive = device.Allocate<float>([1, 2, 3]);
        device.Dispose();

        Assert.That(alive.ToArray<float>(), Is.EqualTo(new[] { 1f, 2f, 3f }));
        device.Allocate<float>([4]).Dispose();
        alive.Dispose();
        Assert.That(() => device.Allocate<float>([4]), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(alive.ToArray<float>, Throws.InstanceOf<ObjectDisposedException>());
    }

    private IDisposable Make(Type type)
    {
        _made.Add(New(type));
        return _made[^1];
    }

    private IDisposable New(Type type) =>
        type.Name switch
        {
            nameof(Device) => kind.Open(1),
            nameof(DeviceBuffer) => _device.Allocate<float>([1, 2]),
            nameof(DeviceStream) => _device.CreateStream(),
            nameof(DeviceEvent) => new DeviceEvent(_device),
            nameof(TensorTable) => TensorTable.Create(
                _device,
                [2],
                [_floats.ToCell()],
                [_floats.ToCell()],
                [_floats.ToCell()],
                [_floats.ToCell()]
            ),
            nameof(OptimizerState) => new OptimizerState(_device),
            nameof(StepCounts) => new StepCounts(_device, 1),
            nameof(LossScaleState) => new LossScaleState(_device, new GradScalerState { Scale = 1 }),
            nameof(FusedOptimizer) or nameof(FusedAdam) => new FusedAdam([_parameter]),
            nameof(GradScaler) => new GradScaler(_device),
            "PinnedBuffer`1" => new PinnedBuffer<float>(_device, 1),
            var name => throw new InvalidOperationException($"Say how to make a {name}."),
        };

    // The result of a call with valid arguments.
    private Exception? Call(object? target, MethodInfo method, (ParameterInfo Parameter, object Value)? given)
    {
        if (method.ContainsGenericParameters)
            method = method.MakeGenericMethod(typeof(float));
        if (method.ReturnType.IsByRefLike || method.GetParameters().Any(p => p.ParameterType.IsByRefLike))
            return CallWithSpans(target, method, given);
        var made = new List<object?>();
        try
        {
            foreach (var parameter in method.GetParameters())
                made.Add(
                    given is { } g && g.Parameter.Position == parameter.Position ? g.Value
                    : parameter is { IsOptional: false } && parameter.ParameterType == typeof(DeviceStream)
                        ? _device.Stream
                    : Argument(parameter.ParameterType)
                );
            method.Invoke(target, [.. made]);
            return null;
        }
        catch (TargetInvocationException wrapped)
        {
            return wrapped.InnerException;
        }
    }

    // Reflection does not support spans: these calls are written out, and a new one has to be added here.
    private Exception? CallWithSpans(object? target, MethodInfo method, (ParameterInfo Parameter, object Value)? given)
    {
        T Or<T>(T otherwise) => given is { Value: T value } ? value : otherwise;
        using var state = new OptimizerState(_device);
        using var steps = new StepCounts(_device, 1);
        using var scale = new LossScaleState(_device, new GradScalerState { Scale = 1 });
        using var table = (TensorTable)Make(typeof(TensorTable));
        var stream = given is { Value: DeviceStream s } ? s : null;
        Action call = (target, method.Name) switch
        {
            (Device d, "Allocate") => () => d.Allocate<float>([1]),
            (Device d, "CopyToDevice") => () => d.CopyToDevice(_floats.Pointer, [1, 2, 3, 4]),
            (Device d, "CopyToHost") => () => d.CopyToHost(new byte[4], _floats.Pointer),
            (DeviceBuffer b, "CopyFrom") => () => b.CopyFrom<float>([1]),
            (DeviceBuffer b, "CopyTo") => () => b.CopyTo(new float[1]),
            (DeviceBuffer b, "AsSpan") => () => b.AsSpan<float>(),
            (TensorTable t, "SetColumn") => () => t.SetColumn(0, [_floats.ToCell()]),
            (TensorTable t, "ReadFacts") => () => t.ReadFacts(new OverflowFacts[1]),
            (StepCounts c, "Write") => () => c.Write([1]),
            (PinnedBuffer<float> p, "get_Span") => () => _ = p.Span.Length,
            (null, "OptimizerStep") => () =>
                AmpKernels.OptimizerStep(
                    Or(table),
                    new OptimizerColumns(),
                    [new AdamOptions()],
                    Or(steps),
                    Or(scale),
                    Or(state),
                    new(),
                    stream
                ),
            (null, "UpdateScale") => () =>
                AmpKernels.UpdateScale(Or(scale), [Or(state)], new GradScalerOptions(), stream),
            (null, "Run") => () =>
                MemoryTouch.Run(Or(table), [ColumnAccess.Read, default, default, default], stream: stream),
            _ => throw new InvalidOperationException($"Say how to call {method.DeclaringType!.Name}.{method.Name}."),
        };
        try
        {
            call();
            return null;
        }
        catch (Exception failure) when (failure is not InvalidOperationException || failure is ObjectDisposedException)
        {
            return failure;
        }
    }

    private object? Argument(Type type) =>
        type switch
        {
            { IsByRef: true } => Argument(type.GetElementType()!),
            _ when type == typeof(nint) => _floats.Pointer,
            _ when type == typeof(TensorCell) => _floats.ToCell(),
            _ when type == typeof(DType) => DType.Float32,
            _ when type == typeof(GradScalerState) => new GradScalerState { Scale = 2 },
            _ when type == typeof(OptimizerSnapshot) => new OptimizerSnapshot
            {
                Step = 1,
                Parameters =
                [
                    new()
                    {
                        Name = "p",
                        Step = 1,
                        State = new Dictionary<string, float[]> { ["exp_avg"] = [1, 2], ["exp_avg_sq"] = [1, 2] },
                    },
                ],
            },
            _ when type == typeof(float) => 1f,
            _ when type == typeof(DeviceStream)
                    || type == typeof(LossScaleState)
                    || type == typeof(Action)
                    || type == typeof(ILearningRateScheduler) => null,
            _ when typeof(IDisposable).IsAssignableFrom(type) => type == typeof(Device) ? _device : Make(type),
            _ when Nullable.GetUnderlyingType(type) is not null => null,
            { IsValueType: true } => Activator.CreateInstance(type),
            _ => throw new InvalidOperationException($"Say what to give for a {type.Name}."),
        };
}
