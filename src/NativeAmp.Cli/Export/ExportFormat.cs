using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Onnx;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Export;

/// <summary>A format of --to, with the values of --dtype that it has; the first is the default.</summary>
internal abstract record ExportFormat(string Name, bool TakesGptAlone)
{
    /// <summary>The values of --dtype.</summary>
    public abstract IEnumerable<string> Types { get; }

    /// <summary>Whether a quantised model is written as it is.</summary>
    public bool TakesIntegers => Name != "transformers";

    /// <summary>Whether --dtype says the type of the matrices of a quantised model that are no integers.</summary>
    public bool HasTypeBesideIntegers => Name == "gguf";

    /// <summary>All formats.</summary>
    public static IReadOnlyList<ExportFormat> All { get; } =
    [
        new Of<(OnnxPrecision Precision, QuantizationKind? Integers)>(
            "onnx",
            TakesGptAlone: false,
            [
                ("fp32", (OnnxPrecision.Float32, null)),
                ("fp16", (OnnxPrecision.Float16, null)),
                ("fp16-weights", (OnnxPrecision.Float16Weights, null)),
                ("int8", (OnnxPrecision.Float32, QuantizationKind.Int8)),
                ("int4", (OnnxPrecision.Float32, QuantizationKind.Int4)),
                ("int4-dynamic", (OnnxPrecision.Float32, QuantizationKind.Int4Dynamic)),
            ],
            SaveOnnx
        ),
        new Of<GgufType>(
            "gguf",
            TakesGptAlone: true,
            [
                ("fp16", GgufType.F16),
                ("fp32", GgufType.F32),
                ("bf16", GgufType.BF16),
                ("q8_0", GgufType.Q8_0),
                ("q4_0", GgufType.Q4_0),
            ],
            (source, path, type) =>
            {
                GgufExport.Save((Gpt)source.Model, path, type);
                return [path];
            }
        ),
        new Of<DType>(
            "transformers",
            TakesGptAlone: true,
            [("fp32", DType.Float32), ("fp16", DType.Float16), ("bf16", DType.BFloat16)],
            (source, path, dtype) =>
            {
                TransformersGpt2.Save((Gpt)source.Model, path, dtype);
                return Directory.GetFiles(path);
            }
        ),
    ];

    /// <summary>Writes a model in one of the types, and returns the files.</summary>
    public abstract IReadOnlyList<string> Save(NetworkFile source, string path, string type);

    /// <summary>Refuses a network that the format does not take.</summary>
    /// <exception cref="UsageException">It is no gpt, where the format takes gpt alone.</exception>
    public void Check(NetworkFile source, string option)
    {
        if (TakesGptAlone && source.Kind != ModelKind.Gpt)
            throw new UsageException(
                $"{option} takes gpt, and {source.Path} is of {source.Kind.ToString().ToLowerInvariant()}: take onnx."
            );
    }

    /// <summary>A type of this format, or the default.</summary>
    /// <exception cref="UsageException">The format has no such type.</exception>
    public string TypeOf(string? given) =>
        given is null || Types.Contains(given)
            ? given ?? Types.First()
            : throw new UsageException(
                $"--dtype is '{given}'; with --to {Name} it is one of {string.Join(", ", Types)}."
            );

    private static IReadOnlyList<string> SaveOnnx(
        NetworkFile source,
        string path,
        (OnnxPrecision Precision, QuantizationKind? Integers) type
    )
    {
        if (type.Integers is { } integers)
            Quantizer.Quantize(source.Model, new QuantizationScheme { Kind = integers });
        var options = new OnnxExportOptions { Precision = type.Precision };
        return source.Model is Gpt gpt
            ? OnnxExport.Save(gpt, path, options)
            : OnnxExport.Save(source.Model, source.Sample, path, options);
    }

    private sealed record Of<T>(
        string Name,
        bool TakesGptAlone,
        (string Name, T Value)[] Values,
        Func<NetworkFile, string, T, IReadOnlyList<string>> Write
    ) : ExportFormat(Name, TakesGptAlone)
    {
        public override IEnumerable<string> Types => Values.Select(each => each.Name);

        public override IReadOnlyList<string> Save(NetworkFile source, string path, string type) =>
            Write(source, path, Values.Single(each => each.Name == type).Value);
    }
}
