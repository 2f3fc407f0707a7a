using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Cli.Export;

/// <summary>
/// A network of 'nativeamp train' from a checkpoint, or from a file of its weights (<see cref="Module.Save"/>). Its
/// sizes are those of the tensors that are there, so that no text in a file decides about memory.
/// </summary>
internal sealed record ExportSource(ModelKind Kind, Module Model, Shape Sample) : IDisposable
{
    private const int CnnShrinks = 4;

    /// <summary>Builds the network and reads its weights.</summary>
    /// <param name="path">A checkpoint or a safetensors file.</param>
    /// <param name="given">Options that say about the network what the file does not.</param>
    /// <exception cref="UsageException">The file is of no such network, or does not say enough.</exception>
    /// <exception cref="CheckpointException">Tensors are missing, or of other shapes.</exception>
    /// <exception cref="Training.Data.DataFormatException">The file is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ExportSource Open(string path, ExportHints given)
    {
        bool isCheckpoint;
        ExportSource source;
        using (SafetensorsReader reader = SafetensorsReader.Open(path))
        {
            isCheckpoint = CheckpointFile.IsOne(reader);
            source = new TensorShapes(path, reader, isCheckpoint ? TrainingCheckpoint.ModelPrefix : "").Build(given);
        }

        try
        {
            if (isCheckpoint)
                CheckpointFile.ReadModel(path, source.Model);
            else
                source.Model.Load(path);
            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    /// <summary>The shapes of a file's tensors, by the model's names.</summary>
    private sealed class TensorShapes(string path, SafetensorsReader reader, string prefix)
    {
        public ExportSource Build(ExportHints given) =>
            Find("tokens.weight", 2) is not null ? Gpt(given)
            : Find("0.weight", 4) is not null ? Cnn(given)
            : Find("1.weight", 2) is not null && Find("0.weight") is null ? Mlp(given)
            : throw new UsageException(
                $"{path} has no network of 'nativeamp train' (cnn, gpt, mlp). A network of your own is exported by "
                    + "OnnxExport.Save of the package NativeAmp.Onnx."
            );

        private ExportSource Gpt(ExportHints given)
        {
            Refuse(given.Image is not null, "--image", "gpt");
            long[] tokens = Wanted("tokens.weight");
            long width = tokens[1];
            int blocks = 0;
            while (
                Find($"block{blocks}.expand.weight") is [var rows, var columns] && columns == width && rows / 4 == width
            )
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
            return new ExportSource(ModelKind.Gpt, Models.Gpt(options), [1]);
        }

        private ExportSource Cnn(ExportHints given)
        {
            RefuseGpt(given, "cnn");
            long inputs = Wanted("7.weight", rows: 128)[1];
            (int height, int width) = given.Image ?? Square(inputs);
            if (64L * (height / CnnShrinks) * (width / CnnShrinks) != inputs)
                throw new UsageException(
                    $"{path} is of images with 64 · (height / 4) · (width / 4) = {inputs}, and {height}x{width} is not: "
                        + "give --image HEIGHTxWIDTH."
                );
            return new ExportSource(
                ModelKind.Cnn,
                Models.Cnn(null, height, width, (int)Wanted("9.weight", columns: 128)[0]),
                [1, height, width]
            );
        }

        private ExportSource Mlp(ExportHints given)
        {
            RefuseGpt(given, "mlp");
            Refuse(given.Image is not null, "--image", "mlp, which takes rows of numbers");
            long inputs = Wanted("1.weight", rows: 256)[1];
            return new ExportSource(
                ModelKind.Mlp,
                Models.Mlp(null, (int)inputs, (int)Wanted("3.weight", columns: 256)[0]),
                [inputs]
            );
        }

        // The smallest square image that fits.
        private static (int Height, int Width) Square(long inputs)
        {
            int side = CnnShrinks * (int)Math.Sqrt(inputs / 64);
            return (Math.Max(CnnShrinks, side), Math.Max(CnnShrinks, side));
        }

        private static void RefuseGpt(ExportHints given, string model)
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
            reader.Find(prefix + name) is { } entry
            && (rank is null || entry.Shape.Count == rank)
            && entry.Shape.All(size => size is > 0 and <= int.MaxValue)
                ? entry.Shape
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
}

/// <summary>Facts of a network that its file may not have.</summary>
/// <param name="Image">Size of the images; null for the smallest square.</param>
/// <param name="Heads">Heads of a gpt; null for the checkpoint's.</param>
/// <param name="TanhGelu">Whether a gpt has the tanh GELU; null for the checkpoint's, else not.</param>
internal sealed record ExportHints((int Height, int Width)? Image, int? Heads, bool? TanhGelu);
