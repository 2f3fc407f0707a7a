using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Verify;

/// <summary>A tensor of a golden file: row-major float32, non-finite values as strings.</summary>
internal sealed record GoldenTensor(long[] Shape, float[] Data);

/// <summary>adam.json.</summary>
internal sealed record AdamFile(AdamCase[] Cases);

internal sealed record AdamCase(
    string Mode,
    double Lr,
    double Beta1,
    double Beta2,
    double Eps,
    double WeightDecay,
    bool Amsgrad,
    bool Maximize,
    float? GradScale,
    int[] FoundInf,
    float[] P0,
    float[][] Grads,
    AdamState[] After
)
{
    public OptimizerRun Steps => new(P0, Grads, FoundInf, GradScale);
}

internal sealed record AdamState(float[] P, float[] M, float[] V, float[]? Vmax, int Step);

/// <summary>sgd.json.</summary>
internal sealed record SgdFile(SgdCase[] Cases);

internal sealed record SgdCase(
    double Lr,
    double Momentum,
    double Dampening,
    bool Nesterov,
    double WeightDecay,
    bool Maximize,
    float? GradScale,
    int[] FoundInf,
    float[] P0,
    float[][] Grads,
    SgdState[] After
)
{
    public OptimizerRun Steps => new(P0, Grads, FoundInf, GradScale);
}

/// <summary>Null for what the file leaves out at that step.</summary>
internal sealed record SgdState(float[]? P, float[]? MomentumBuffer);

/// <summary>scaler.json.</summary>
internal sealed record ScalerFile(ScalerCase[] Cases);

internal sealed record ScalerCase(
    float Init,
    double GrowthFactor,
    double BackoffFactor,
    int GrowthInterval,
    int[] FoundInf,
    float[] Scales,
    int[] Trackers
);

/// <summary>unscale.json.</summary>
internal sealed record UnscaleFile(UnscaleCase[] Cases);

internal sealed record UnscaleCase(
    string Dtype,
    float Scale,
    float Inverse,
    float[] Input,
    float[] Output,
    float FoundInf
);

/// <summary>layers.json.</summary>
internal sealed record LayersFile(LayerCase[] Ops);

internal sealed record LayerCase(
    string Name,
    LayerConfig? Config,
    Dictionary<string, int[]>? Ints,
    Dictionary<string, GoldenTensor>? Inputs,
    GoldenTensor? Output,
    GoldenTensor? OutputGrad,
    Dictionary<string, GoldenTensor>? Grads,
    float[]? RunningMean,
    float[]? RunningVar
);

internal sealed record LayerConfig(
    string? Approximate,
    float? Eps,
    float? Momentum,
    bool? Training,
    int? Kernel,
    int? Stride,
    int? Padding,
    int? Dilation,
    int? Dim,
    bool? Causal,
    string? Scale,
    string? Layout,
    string? Reduction
);

/// <summary>training.json and amp_training.json.</summary>
internal sealed record TrainingFile(
    GoldenOptimizer Optimizer,
    GoldenTensor X,
    int[] Y,
    GoldenTensor[] Initial,
    float[] Losses,
    GoldenTensor[]? Final,
    GoldenScaler? Scaler,
    float[]? Scales,
    int[]? FoundInf
);

internal sealed record GoldenOptimizer(
    string Mode,
    double Lr,
    double Beta1,
    double Beta2,
    double Eps,
    double WeightDecay
);

internal sealed record GoldenScaler(float Init, double GrowthFactor, double BackoffFactor, int GrowthInterval);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip
)]
[JsonSerializable(typeof(AdamFile))]
[JsonSerializable(typeof(SgdFile))]
[JsonSerializable(typeof(ScalerFile))]
[JsonSerializable(typeof(UnscaleFile))]
[JsonSerializable(typeof(LayersFile))]
[JsonSerializable(typeof(TrainingFile))]
internal sealed partial class GoldenJson : JsonSerializerContext;
