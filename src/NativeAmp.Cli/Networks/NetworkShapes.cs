using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Networks;

/// <summary>
/// The network of a file by the names and shapes of its tensors. Its sizes are those of the tensors that are there, so
/// that no text in a file decides about memory.
/// </summary>
internal sealed class NetworkShapes(string path, SafetensorsReader reader, string prefix)
{
    private const int CnnShrinks = 4;

    /// <summary>Builds the network, with any weights.</summary>
    public Network Build(NetworkHints given) =>
        Find("tokens.weight", 2) is not null ? Gpt(given)
        : Find("0.weight", 4) is not null ? Cnn(given)
        : Find("1.weight", 2) is not null && Find("0.weight") is null ? Mlp(given)
        : throw new UsageException(
            $"{path} has no network of 'nativeamp train' (cnn, gpt, mlp). For a network of your own call "
                + "Quantizer.Quantize, or OnnxExport.Save of the package NativeAmp.Onnx."
        );

    private Network Gpt(NetworkHints given)
    {
        Refuse(given.Image is not null, "--image", "gpt");
        long[] tokens = Wanted("tokens.weight");
        long width = tokens[1];
        int blocks = 0;
        while (Find($"block{blocks}.expand.weight") is [var rows, var columns] && columns == width && rows / 4 == width)
            blocks++;
        (int Heads, bool TanhGelu)? said = reader.Metadata.TryGetValue(ModelFact.Name, out string? fact)
            ? ModelFact.OfGpt(fact)
            : null;
        int heads =
            given.Heads
            ?? said?.Heads
            ?? throw new UsageException($"{path} does not say how many heads its attentions have: give --heads.");
        if (blocks == 0 || heads == 0 || width % heads != 0)
            throw new CheckpointException(
                path,
                [
                    blocks == 0
                        ? $"there is no 'block0.expand.weight' of [{4 * width}, {width}]"
                        : $"{heads} heads do not divide a width of {width}",
                ]
            );
        var options = new GptOptions
        {
            Vocabulary = (int)tokens[0],
            Context = (int)Wanted("positions", columns: width)[0],
            Width = (int)width,
            Heads = heads,
            Blocks = blocks,
            Activation = given.TanhGelu ?? said?.TanhGelu ?? false ? Activation.GeluTanh : Activation.Gelu,
        };
        bool tanh = options.Activation == Activation.GeluTanh;
        var size = new GptSize(options.Context, options.Width, heads, blocks, tanh);
        return new Network(
            ModelKind.Gpt,
            new Gpt(options, initializer: Initializers.Constant(0)),
            [1],
            ModelFact.Of(ModelKind.Gpt, size)
        );
    }

    private Network Cnn(NetworkHints given)
    {
        RefuseGpt(given, "cnn");
        long inputs = Wanted("7.weight", rows: 128)[1];
        // Where no sample is made, only the product of the sizes counts.
        (int height, int width) = given.AnyImage
            ? ((int)(inputs / 64 * CnnShrinks), CnnShrinks)
            : given.Image ?? Square(inputs);
        if (64L * (height / CnnShrinks) * (width / CnnShrinks) != inputs)
            throw new UsageException(
                $"{path} is of images with 64 · (height / 4) · (width / 4) = {inputs}, and {height}x{width} is not: "
                    + "give --image HEIGHTxWIDTH."
            );
        return new Network(
            ModelKind.Cnn,
            Models.Cnn(null, height, width, (int)Wanted("9.weight", columns: 128)[0]),
            [1, height, width],
            Text(ModelKind.Cnn)
        );
    }

    private Network Mlp(NetworkHints given)
    {
        RefuseGpt(given, "mlp");
        Refuse(given.Image is not null, "--image", "mlp, which takes rows of numbers");
        long inputs = Wanted("1.weight", rows: 256)[1];
        return new Network(
            ModelKind.Mlp,
            Models.Mlp(null, (int)inputs, (int)Wanted("3.weight", columns: 256)[0]),
            [inputs],
            Text(ModelKind.Mlp)
        );
    }

    private static string Text(ModelKind kind) => kind.ToString().ToLowerInvariant();

    // The smallest square image that fits.
    private static (int Height, int Width) Square(long inputs)
    {
        int side = CnnShrinks * (int)Math.Sqrt(inputs / 64);
        return (Math.Max(CnnShrinks, side), Math.Max(CnnShrinks, side));
    }

    private static void RefuseGpt(NetworkHints given, string model)
    {
        Refuse(given.Heads is not null, "--heads", model);
        Refuse(given.TanhGelu is not null, "--gelu", model);
    }

    private static void Refuse(bool isGiven, string option, string model)
    {
        if (isGiven)
            throw new UsageException($"{option} is not of {model}.");
    }

    private IReadOnlyList<long>? Find(string name, int? rank = null) =>
        (reader.Find(prefix + name)?.Shape ?? QuantizedFile.ShapeOf(reader, prefix + name)) is { } shape
        && (rank is null || shape.Count == rank)
        && shape.All(size => size is > 0 and <= int.MaxValue)
            ? shape
            : null;

    // The rows or columns that every such network has: others would be memory that the file does not have.
    private long[] Wanted(string name, long? rows = null, long? columns = null) =>
        Find(name, 2) is [var first, var second] && (rows ?? first) == first && (columns ?? second) == second
            ? [first, second]
            : throw new CheckpointException(
                path,
                [$"there is no '{prefix}{name}' of [{rows?.ToString() ?? "…"}, {columns?.ToString() ?? "…"}]"]
            );
}

/// <summary>A network and its facts.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Model">The network, on the host.</param>
/// <param name="Sample">The shape of a sample.</param>
/// <param name="Fact">Its text among a file's facts (<see cref="ModelFact"/>).</param>
internal sealed record Network(ModelKind Kind, Module Model, Shape Sample, string Fact);

/// <summary>Facts of a network that its file may not have.</summary>
/// <param name="Image">Size of the images; null for the smallest square.</param>
/// <param name="Heads">Heads of a gpt; null for the checkpoint's.</param>
/// <param name="TanhGelu">Whether a gpt has the tanh GELU; null for the checkpoint's, else not.</param>
/// <param name="AnyImage">Whether the image's height and width do not matter.</param>
internal sealed record NetworkHints((int Height, int Width)? Image, int? Heads, bool? TanhGelu, bool AnyImage = false);
