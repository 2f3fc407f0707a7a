using NativeAmp.Instruments;

namespace NativeAmp.Cli.Bench;

/// <summary>A kernel of an optimizer step, and the memory traffic that limits it.</summary>
internal sealed class StepKernel
{
    private static readonly AdamOptions[] Groups = [new() { LearningRate = 1e-3f, WeightDecay = 0.01f }];
    private static readonly GradScalerOptions Scaling = GradScalerOptions.Static(65536);

    private readonly ColumnAccess[][] _passes;
    private readonly Action<StepTensors> _run;

    private StepKernel(string name, Action<StepTensors> run, params ColumnAccess[][] passes)
    {
        Name = name;
        _run = run;
        _passes = passes;
    }

    public string Name { get; }

    /// <summary>Casts parameters to their half-precision copies.</summary>
    public static StepKernel Cast { get; } =
        new(
            "cast",
            t => AmpKernels.CastTable(t.Table, StepTensors.Copy, StepTensors.Parameter),
            Pass((StepTensors.Parameter, ColumnAccess.Read), (StepTensors.Copy, ColumnAccess.Write))
        );

    /// <summary>The mean squared error with its gradient times the loss scale.</summary>
    public static StepKernel ScaledBackward { get; } =
        new(
            "scaled backward",
            RunScaledBackward,
            Pass(
                (StepTensors.Gradient, ColumnAccess.Read),
                (StepTensors.Copy, ColumnAccess.Read),
                (StepTensors.LossGradient, ColumnAccess.Write)
            )
        );

    /// <summary>Reads all gradients once: checks that they are finite, and measures their norm.</summary>
    public static StepKernel UnscaleAndCheck { get; } = new("unscale and check", RunCheck, CheckPass());

    /// <summary>AdamW, which also unscales and writes the copies.</summary>
    public static StepKernel Adam { get; } = new("Adam", t => RunAdam(t, check: false), AdamPass());

    /// <summary>The whole step: check, Adam, update of the scale.</summary>
    public static StepKernel AmpStep { get; } = new("AMP step", RunStep, CheckPass(), AdamPass());

    /// <summary>All kernels.</summary>
    public static IReadOnlyList<StepKernel> All { get; } = [Cast, ScaledBackward, UnscaleAndCheck, Adam, AmpStep];

    /// <summary>
    /// Whether the kernel applies to gradients of this type: float32 parameters have no copy to cast to.
    /// </summary>
    public bool Takes(DType dtype) => this != Cast || dtype.IsHalfPrecision();

    /// <summary>Bytes that it reads and writes, each moved once per pass.</summary>
    public long Bytes(StepShape shape) =>
        shape.Count
        * _passes.Sum(pass =>
            pass.Select((access, column) => shape.TypeOf(column).SizeInBytes() * MovesOf(Access(shape, column, access)))
                .Sum()
        );

    /// <summary>Runs it once.</summary>
    public void Run(StepTensors tensors) => _run(tensors);

    /// <summary>
    /// Moves its bytes once, and computes nothing. A second call restores columns that are read and written.
    /// </summary>
    public void RunLimit(StepTensors tensors)
    {
        Span<ColumnAccess> accesses = stackalloc ColumnAccess[StepTensors.ColumnCount];
        foreach (ColumnAccess[] pass in _passes)
        {
            for (int column = 0; column < accesses.Length; column++)
                accesses[column] = Access(tensors.Shape, column, pass[column]);
            MemoryTouch.Run(tensors.Table, accesses);
        }
    }

    // Adam writes no copy of parameters that are their own copy.
    private ColumnAccess Access(StepShape shape, int column, ColumnAccess access) =>
        column switch
        {
            StepTensors.Copy when this != ScaledBackward && !shape.HasCopies => ColumnAccess.None,
            StepTensors.Remainder when shape.Masters != MasterFormat.Remainder => ColumnAccess.None,
            _ => access,
        };

    private static int MovesOf(ColumnAccess access) =>
        access switch
        {
            ColumnAccess.None => 0,
            ColumnAccess.ReadWrite => 2,
            _ => 1,
        };

    private static void RunScaledBackward(StepTensors t)
    {
        for (int tensor = 0; tensor < t.Counts.Length; tensor++)
        {
            AmpKernels.MeanSquaredError(
                t.Device,
                new MeanSquaredErrorArguments
                {
                    Prediction = t.Cells[StepTensors.Gradient][tensor],
                    Target = t.Cells[StepTensors.Copy][tensor],
                    Gradient = t.Cells[StepTensors.LossGradient][tensor],
                    Count = t.Counts[tensor],
                    Scale = t.Scaler.ScalePointer,
                }
            );
        }
    }

    private static void RunCheck(StepTensors t) =>
        AmpKernels.UnscaleAndCheck(t.Table, StepTensors.Gradient, t.Scaler, t.State);

    private static void RunAdam(StepTensors t, bool check) =>
        AmpKernels.OptimizerStep(
            t.Table,
            new OptimizerColumns
            {
                Parameter = StepTensors.Parameter,
                Gradient = StepTensors.Gradient,
                FirstState = StepTensors.FirstMoment,
                SecondState = StepTensors.SecondMoment,
                ComputeCopy = t.Shape.HasCopies ? StepTensors.Copy : -1,
                Remainder = t.Shape.Masters == MasterFormat.Remainder ? StepTensors.Remainder : -1,
            },
            Groups,
            t.Steps,
            t.Scaler,
            t.State,
            new OptimizerStepOptions
            {
                CheckGradients = check,
                WeightRounding = t.Shape.Masters == MasterFormat.None ? Rounding.Stochastic : Rounding.NearestEven,
            }
        );

    private static void RunStep(StepTensors t)
    {
        RunAdam(t, check: true);
        AmpKernels.UpdateScale(t.Scaler, [t.State], Scaling);
    }

    private static ColumnAccess[] CheckPass() => Pass((StepTensors.Gradient, ColumnAccess.Read));

    private static ColumnAccess[] AdamPass() =>
        Pass(
            (StepTensors.Gradient, ColumnAccess.Read),
            (StepTensors.Parameter, ColumnAccess.ReadWrite),
            (StepTensors.FirstMoment, ColumnAccess.ReadWrite),
            (StepTensors.SecondMoment, ColumnAccess.ReadWrite),
            (StepTensors.Copy, ColumnAccess.Write),
            (StepTensors.Remainder, ColumnAccess.ReadWrite)
        );

    private static ColumnAccess[] Pass(params ReadOnlySpan<(int Column, ColumnAccess Access)> used)
    {
        var accesses = new ColumnAccess[StepTensors.ColumnCount];
        foreach ((int column, ColumnAccess access) in used)
            accesses[column] = access;
        return accesses;
    }
}
