using System.Buffers;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// The four kernel families over plain device pointers. Memory of ManagedCuda, of TorchSharp or of ILGPU's CPU
/// accelerators works as well as NativeAmp's own.
/// </summary>
/// <remarks>
/// Pointers are device pointers aligned to their elements; on the CPU any memory that does not move. A null stream is
/// the device's current one. The host does not wait. A failed call throws a <see cref="NativeAmpException"/> and
/// changes nothing. Results have the same bits for any number of threads and every SIMD instruction set.
/// </remarks>
public static unsafe partial class AmpKernels
{
    /// <summary>
    /// Converts elements between float32, float16, bfloat16 and the 8-bit formats, from any to any. A cell's scale is
    /// applied.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="destination">The destination. It may be the source if the element sizes are equal.</param>
    /// <param name="source">The source.</param>
    /// <param name="count">How many, 0 or more.</param>
    /// <param name="options">How to round.</param>
    /// <param name="stream">The stream.</param>
    public static void Cast(
        Device device,
        TensorCell destination,
        TensorCell source,
        long count,
        in CastOptions options = default,
        DeviceStream? stream = null
    )
    {
        var native = options.ToNative();
        Ensure.Success(
            NativeMethods.Cast(
                Native(device),
                (NampCell*)&destination,
                (NampCell*)&source,
                count,
                &native,
                DeviceStream.NativeOf(device, stream)
            )
        );
    }

    /// <summary>
    /// Converts every tensor of a table, from one column to another. Tensors without a destination are left out.
    /// </summary>
    public static void CastTable(
        TensorTable table,
        int destinationColumn,
        int sourceColumn,
        in CastOptions options = default,
        DeviceStream? stream = null
    )
    {
        var native = options.ToNative();
        Ensure.Success(
            NativeMethods.CastTable(
                Native(table),
                destinationColumn,
                sourceColumn,
                &native,
                DeviceStream.NativeOf(table.Device, stream)
            )
        );
    }

    /// <summary>Softmax cross-entropy with its gradient times the loss scale, in one pass over the logits.</summary>
    /// <remarks>
    /// A label that is neither a class nor ignored makes the loss and its row's gradient NaN; the next
    /// <see cref="FusedOptimizer.Step"/> is then skipped, its <see cref="StepResult"/> throws
    /// <see cref="IndexRangeException"/>, and the loss scale does not fall for it.
    /// </remarks>
    public static void CrossEntropy(Device device, in CrossEntropyArguments arguments, DeviceStream? stream = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        var native = NampCrossEntropyArgs.Create();
        native.Logits = (void*)arguments.Logits.Pointer;
        native.LogitsDtype = (int)arguments.Logits.DType;
        native.Labels = (int*)arguments.Labels;
        native.Rows = arguments.Rows;
        native.Classes = arguments.Classes;
        native.IgnoreIndex = arguments.IgnoreIndex;
        native.Mean = arguments.Mean ? 1 : 0;
        native.Loss = (float*)arguments.Loss;
        native.Gradient = (void*)arguments.Gradient.Pointer;
        native.GradientDtype = (int)arguments.Gradient.DType;
        native.Scale = (float*)arguments.Scale;
        native.Upstream = (float*)arguments.Upstream;
        native.BadLabel = device.IndexFacts.Make(device);
        Ensure.Success(NativeMethods.CrossEntropy(Native(device), &native, DeviceStream.NativeOf(device, stream)));
    }

    /// <summary>Mean squared error with its gradient times the loss scale, in one pass.</summary>
    public static void MeanSquaredError(
        Device device,
        in MeanSquaredErrorArguments arguments,
        DeviceStream? stream = null
    )
    {
        var native = NampMseArgs.Create();
        native.Prediction = (void*)arguments.Prediction.Pointer;
        native.PredictionDtype = (int)arguments.Prediction.DType;
        native.Target = (void*)arguments.Target.Pointer;
        native.TargetDtype = (int)arguments.Target.DType;
        native.Count = arguments.Count;
        native.Mean = arguments.Mean ? 1 : 0;
        native.Loss = (float*)arguments.Loss;
        native.Gradient = (void*)arguments.Gradient.Pointer;
        native.GradientDtype = (int)arguments.Gradient.DType;
        native.Scale = (float*)arguments.Scale;
        native.Upstream = (float*)arguments.Upstream;
        Ensure.Success(NativeMethods.Mse(Native(device), &native, DeviceStream.NativeOf(device, stream)));
    }

    /// <summary>destination = source times a factor, in float32, rounded once.</summary>
    /// <param name="device">The device.</param>
    /// <param name="destination">The destination of the products; may be the source.</param>
    /// <param name="source">The elements to multiply.</param>
    /// <param name="count">How many, 0 or more.</param>
    /// <param name="factor">Device pointer to one float32, such as <see cref="LossScaleState.ScalePointer"/>.</param>
    /// <param name="stream">The stream.</param>
    public static void Scale(
        Device device,
        TensorCell destination,
        TensorCell source,
        long count,
        nint factor,
        DeviceStream? stream = null
    ) =>
        Ensure.Success(
            NativeMethods.Scale(
                Native(device),
                (NampCell*)&destination,
                (NampCell*)&source,
                count,
                (float*)factor,
                DeviceStream.NativeOf(device, stream)
            )
        );

    /// <summary>
    /// Reads all gradients of a table once. It finds whether all are finite, their global norm, and each tensor's
    /// <see cref="OverflowFacts"/>. It begins a step.
    /// </summary>
    /// <param name="table">The table.</param>
    /// <param name="gradientColumn">Its column of gradients, float32, float16, bfloat16 or FP8; tensors without one are
    /// left out.</param>
    /// <param name="scaler">The loss scale of the gradients; null for none.</param>
    /// <param name="state">Receives the findings.</param>
    /// <param name="writeColumn">Column that receives the unscaled values. It may be the gradients' own, which are
    /// rounded then: FP8 keeps little of small gradients. -1 writes nothing, and the optimizer's step unscales.</param>
    /// <param name="reset">False adds to the findings of an earlier table of the same step.</param>
    /// <param name="stream">The stream.</param>
    public static void UnscaleAndCheck(
        TensorTable table,
        int gradientColumn,
        LossScaleState? scaler,
        OptimizerState state,
        int writeColumn = -1,
        bool reset = true,
        DeviceStream? stream = null
    )
    {
        ArgumentNullException.ThrowIfNull(state);
        Ensure.Success(
            NativeMethods.UnscaleCheck(
                Native(table),
                gradientColumn,
                writeColumn,
                LossScaleState.On(stream, scaler),
                state.On(stream),
                reset ? 1 : 0,
                DeviceStream.NativeOf(table.Device, stream)
            )
        );
    }

    /// <summary>
    /// Takes an optimizer's step over all tensors of a table: unscale, clip, update parameters and state in float32,
    /// write compute copies. If the state holds an overflow, nothing is written and the step is not counted.
    /// </summary>
    /// <param name="table">The table.</param>
    /// <param name="columns">The meaning of its columns.</param>
    /// <param name="groups">Hyperparameters of each parameter group, 1 or more, all of one rule.</param>
    /// <param name="steps">The number of updates of each tensor. The step adds one for each tensor with a
    /// gradient.</param>
    /// <param name="scaler">The loss scale of the gradients; null for none.</param>
    /// <param name="state">The findings of the check, and the count of steps.</param>
    /// <param name="options">Clipping and rounding.</param>
    /// <param name="stream">The stream.</param>
    public static void OptimizerStep(
        TensorTable table,
        in OptimizerColumns columns,
        ReadOnlySpan<OptimizerOptions> groups,
        StepCounts steps,
        LossScaleState? scaler,
        OptimizerState state,
        in OptimizerStepOptions options,
        DeviceStream? stream = null
    )
    {
        const int MostOnTheStack = 64;
        if (groups.IsEmpty)
            throw new ArgumentException(
                "A step takes the hyperparameters of at least one parameter group.",
                nameof(groups)
            );
        NampOptimizerGroup[]? rented =
            groups.Length > MostOnTheStack ? ArrayPool<NampOptimizerGroup>.Shared.Rent(groups.Length) : null;
        try
        {
            Span<NampOptimizerGroup> natives = rented ?? stackalloc NampOptimizerGroup[MostOnTheStack];
            for (int i = 0; i < groups.Length; i++)
            {
                ArgumentNullException.ThrowIfNull(groups[i], nameof(groups));
                if (groups[i].Rule != groups[0].Rule)
                    throw new ArgumentException(
                        $"All groups of a step have one rule; these have {groups[0].RuleName} and "
                            + $"{groups[i].RuleName}.",
                        nameof(groups)
                    );
                natives[i] = groups[i].ToNative();
            }
            OptimizerStep(
                groups[0].Rule,
                table,
                columns,
                natives[..groups.Length],
                1,
                0,
                steps,
                scaler,
                state,
                options,
                stream
            );
        }
        finally
        {
            if (rented is not null)
                ArrayPool<NampOptimizerGroup>.Shared.Return(rented);
        }
    }

    /// <param name="rule">The rule.</param>
    /// <param name="table">The table.</param>
    /// <param name="columns">The meaning of its columns.</param>
    /// <param name="groups">Hyperparameters: a row of all groups for each number of applied steps that the device may
    /// have reached.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="firstStep">The number of applied steps of the first row.</param>
    /// <param name="steps">The number of updates of each tensor.</param>
    /// <param name="scaler">The loss scale of the gradients; null for none.</param>
    /// <param name="state">The findings of the check, and the count of steps.</param>
    /// <param name="options">Clipping and rounding.</param>
    /// <param name="stream">The stream.</param>
    internal static void OptimizerStep(
        NampRule rule,
        TensorTable table,
        in OptimizerColumns columns,
        ReadOnlySpan<NampOptimizerGroup> groups,
        int rows,
        long firstStep,
        StepCounts steps,
        LossScaleState? scaler,
        OptimizerState state,
        in OptimizerStepOptions options,
        DeviceStream? stream = null
    )
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(steps);
        ArgumentNullException.ThrowIfNull(state);
        if (steps.TensorCount != table.TensorCount)
            throw new ArgumentException(
                $"The table has {table.TensorCount} tensors; there are counts of {steps.TensorCount}.",
                nameof(steps)
            );
        NampOptimizerArgs arguments = Arguments(rule, columns, groups, rows, firstStep);
        arguments.Rows = (NampOptimizerRows*)options.Rows;
        arguments.Steps = (long*)steps.On(stream);
        arguments.WeightRounding = (int)options.WeightRounding;
        arguments.MaxNorm = options.MaxNorm;
        arguments.Seed = options.Seed;
        arguments.AdvanceStep = options.AdvanceStep ? 1 : 0;
        arguments.CheckGradients = options.CheckGradients ? 1 : 0;
        fixed (NampOptimizerGroup* pointer = groups)
        {
            arguments.Groups = pointer;
            Ensure.Success(
                NativeMethods.OptimizerStep(
                    table.Native,
                    &arguments,
                    LossScaleState.On(stream, scaler),
                    state.On(stream),
                    DeviceStream.NativeOf(table.Device, stream)
                )
            );
        }
    }

    /// <summary>Writes rows of hyperparameters to the device, for steps of a graph.</summary>
    internal static void WriteOptimizerRows(
        nint destination,
        NampRule rule,
        TensorTable table,
        in OptimizerColumns columns,
        ReadOnlySpan<NampOptimizerGroup> groups,
        int rows,
        long firstStep
    )
    {
        NampOptimizerArgs arguments = Arguments(rule, columns, groups, rows, firstStep);
        fixed (NampOptimizerGroup* pointer = groups)
        {
            arguments.Groups = pointer;
            Ensure.Success(
                NativeMethods.OptimizerWriteRows(
                    (NampOptimizerRows*)destination,
                    table.Native,
                    &arguments,
                    DeviceStream.NativeOf(table.Device, null)
                )
            );
        }
    }

    private static NampOptimizerArgs Arguments(
        NampRule rule,
        in OptimizerColumns columns,
        ReadOnlySpan<NampOptimizerGroup> groups,
        int rows,
        long firstStep
    )
    {
        var arguments = NampOptimizerArgs.Create();
        arguments.Rule = (int)rule;
        arguments.GroupCount = groups.Length / rows;
        arguments.RowCount = rows;
        arguments.FirstStep = firstStep;
        arguments.Columns = columns.ToNative();
        return arguments;
    }

    /// <summary>Updates the loss scale after a step, by the findings of all optimizers that share it.</summary>
    /// <param name="scaler">The scale.</param>
    /// <param name="states">States of 1 to 64 optimizers.</param>
    /// <param name="options">How the scale moves.</param>
    /// <param name="stream">The stream.</param>
    public static void UpdateScale(
        LossScaleState scaler,
        ReadOnlySpan<OptimizerState> states,
        GradScalerOptions options,
        DeviceStream? stream = null
    )
    {
        ArgumentNullException.ThrowIfNull(scaler);
        ArgumentNullException.ThrowIfNull(options);
        if (states.Length is < 1 or > MaxOptimizers)
            throw new ArgumentException(
                $"A scale serves 1 to {MaxOptimizers} optimizers, not {states.Length}.",
                nameof(states)
            );
        var natives = stackalloc NampOptimizerState*[states.Length];
        for (int i = 0; i < states.Length; i++)
            natives[i] = states[i].On(stream);
        var native = options.ToNative();
        native.BadIndex = scaler.Device.IndexFacts.Pointer;
        Ensure.Success(
            NativeMethods.ScalerUpdate(
                scaler.Device.Native,
                LossScaleState.On(stream, scaler),
                natives,
                states.Length,
                &native,
                DeviceStream.NativeOf(scaler.Device, stream)
            )
        );
    }

    /// <summary>Most optimizers that share one scale.</summary>
    internal const int MaxOptimizers = NativeConstants.ScalerMaxStates;

    private static NampDevice* Native(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return device.Native;
    }

    private static NampTable* Native(TensorTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        return table.Native;
    }
}
