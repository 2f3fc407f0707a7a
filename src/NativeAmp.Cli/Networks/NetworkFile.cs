using NativeAmp.Cli.Inspect;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Networks;

/// <summary>
/// A network of 'nativeamp train' from a checkpoint, a file of its weights (<see cref="Module.Save"/>) or a quantised
/// file, on a device and in evaluation mode.
/// </summary>
internal sealed class NetworkFile : IDisposable
{
    private readonly Network _network;

    private NetworkFile(string path, Network network)
    {
        Path = path;
        _network = network;
    }

    /// <summary>The safetensors file.</summary>
    public string Path { get; }

    /// <summary>Its kind.</summary>
    public ModelKind Kind => _network.Kind;

    /// <summary>The network.</summary>
    public Module Model => _network.Model;

    /// <summary>The shape of a sample.</summary>
    public Shape Sample => _network.Sample;

    /// <summary>The scheme of a quantised file; null for one of floating-point weights.</summary>
    public QuantizationScheme? Scheme { get; private set; }

    /// <summary>Bytes of the network's tensors, without an optimizer's state; floating-point ones in float32.</summary>
    public long Bytes { get; private set; }

    /// <summary>The facts of the network that its tensors do not show, for a file that is made of it.</summary>
    public IReadOnlyDictionary<string, string> Facts =>
        new Dictionary<string, string> { [ModelFact.Name] = _network.Fact };

    /// <summary>Builds the network and reads its weights.</summary>
    /// <param name="path">The file, or a folder of checkpoints (its newest).</param>
    /// <param name="given">Options that say about the network what the file does not.</param>
    /// <param name="device">The network's device.</param>
    /// <exception cref="UsageException">The file is of no such network, or does not say enough.</exception>
    /// <exception cref="CheckpointException">Tensors are missing, or of other shapes.</exception>
    /// <exception cref="Training.Data.DataFormatException">The file is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static NetworkFile Open(string path, NetworkHints given, Device device)
    {
        string file = Resolve(path);
        (NetworkFile opened, bool isCheckpoint, bool isQuantized) = Build(file, given);
        try
        {
            opened.Model.To(device);
            if (isQuantized)
                opened.Scheme = QuantizedFile.Load(opened.Model, file);
            else if (isCheckpoint)
                CheckpointFile.ReadModel(file, opened.Model);
            else
                opened.Model.Load(file);
            if (!isQuantized)
                opened.Bytes = opened.Model.State().Sum(each => each.Values.Count * sizeof(float));
            opened.Model.Eval();
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    private static (NetworkFile File, bool IsCheckpoint, bool IsQuantized) Build(string path, NetworkHints given)
    {
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        bool isCheckpoint = CheckpointFile.IsOne(reader);
        var shapes = new NetworkShapes(path, reader, isCheckpoint ? TrainingCheckpoint.ModelPrefix : "");
        var file = new NetworkFile(path, shapes.Build(given)) { Bytes = reader.Entries.Sum(entry => entry.ByteLength) };
        return (file, isCheckpoint, QuantizedFile.IsOne(reader));
    }

    /// <summary>Refuses an output that is the file that is read.</summary>
    /// <exception cref="UsageException">It is.</exception>
    public static void CheckOutput(string output, string source, string option)
    {
        if (System.IO.Path.GetFullPath(output) == System.IO.Path.GetFullPath(source))
            throw new UsageException($"{option} names {source} itself, which would be overwritten.");
    }

    /// <summary>The safetensors file of a path.</summary>
    /// <exception cref="UsageException">There are several.</exception>
    public static string Resolve(string path)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new UsageException("FILE is empty.");
        return InspectInputs.Resolve(path) is [var file]
            ? file
            : throw new UsageException($"{path} is several files, and a network of 'nativeamp train' is one: name it.");
    }
}
