using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using NativeAmp.Cli.Bench;
using NativeAmp.Cli.Train;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Work of a GPU for a model of its time (<c>./build.sh gpu-report --steps</c>): done once on the emulated GPU, which
/// records the launches and runs a few blocks of each. Notes in the record say what the work is, and its floor:
/// operations of products, and bytes that have to move. On a real GPU a profiler sees the same launches.
/// </summary>
internal static unsafe class RecordedWork
{
    private static readonly delegate* unmanaged[Cdecl]<byte*, byte*, double, double, void> RecordNote = Find();

    /// <summary>
    /// A training step of a GPT as a graph, in bfloat16: GPT-2's smallest, but for the vocabulary, and a tiny one in a
    /// smoke run.
    /// </summary>
    public static void Gpt(int vocabulary, int batch)
    {
        using Device device = Device.Cuda();
        GptSize size = Scenario.Smoke ? new(16, 32, 2, 2) : new(1024, 768, 12, 12);
        var shape = new GptShape(size, vocabulary, batch, DType.BFloat16);
        using var step = new GptStep(device, shape, isGraph: true);
        for (int i = 0; i < GptStep.CallsBefore; i++)
            step.Run();
        Note("piece", $"training step, {batch} x {size.Context} tokens, vocabulary {vocabulary}");
        Floor(shape, step.Parameters);
        step.Run();
        Note("piece", "");
    }

    /// <summary>Every convolution of ResNet-50 in float16: forward, and the gradients of images and weights.</summary>
    public static void Convolutions(int batch)
    {
        using Device device = Device.Cuda();
        foreach (ConvolutionShape shape in NetworkConvolutions.OfResNet(batch))
        foreach (LibraryOperation direction in shape.Directions())
        {
            long bytes = (direction.First + direction.Second + direction.Result) * DType.Float16.SizeInBytes();
            direction.Once(
                device,
                DType.Float16,
                before: () =>
                {
                    Note("piece", $"{shape}: {direction.Name}");
                    Note("floor", direction.Name, shape.Operations, bytes);
                }
            );
            Note("piece", "");
        }
    }

    // What a step has to compute and to move, whatever its kernels are: each operator reads its operands and writes its
    // results once, in each pass. A norm's and a linear layer's costs are those of nativeamp bench gpt.
    private static void Floor(GptShape shape, long parameters)
    {
        (long width, int blocks) = (shape.Size.Width, shape.Size.Blocks);
        long residual = shape.Tokens * width * sizeof(float);
        (string Name, int Times, GptCost Cost)[] operators =
        [
            ("linear, queries, keys and values", blocks, shape.Linear(width, 3 * width)),
            ("attention", blocks, shape.Attention),
            ("linear, projection", blocks, shape.Linear(width, width)),
            ("linear and GELU", blocks, shape.Linear(width, 4 * width)),
            ("linear, contraction", blocks, shape.Linear(4 * width, width)),
            ("linear, head", 1, shape.Linear(width, shape.Vocabulary)),
            ("layer norm", 2 * blocks + 1, shape.LayerNorm),
            ("cross-entropy", 1, shape.CrossEntropy),
        ];
        foreach ((string name, int times, GptCost cost) in operators)
        {
            for (int i = 0; i < times; i++)
                Note("floor", name, cost.TrainingFlops, cost.TrainingBytes);
        }

        // Forward it is read and written, backward its gradient read.
        Note("floor", "additions to the residual", 0, 2.0 * blocks * 3 * residual);
        // Rows are written; the gradient of all rows is read, and that of the table written.
        Note("floor", "embedding", 0, 2 * residual + (double)shape.Vocabulary * width * sizeof(float));
        Note("floor", "norm of the gradients", 0, 2.0 * parameters); // in bfloat16
        // Gradient, parameter and two moments are read; the last three and a bfloat16 copy are written.
        Note("floor", "Adam", 0, (2 + 3 * 8 + 2.0) * parameters);
    }

    private static void Note(string kind, string name, double operations = 0, double bytes = 0)
    {
        fixed (
            byte* kindText = Utf8(kind),
                nameText = Utf8(name)
        )
        {
            if (RecordNote != null)
                RecordNote(kindText, nameText, operations, bytes);
        }
        if (Environment.GetEnvironmentVariable("NAMPEMU_RECORD") is null)
            Console.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"{kind} {name}: {operations:g6}, {bytes:g6}")
            );

        static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + '\0');
    }

    // Null if the driver is not the emulated GPU, which the environment names.
    private static delegate* unmanaged[Cdecl]<byte*, byte*, double, double, void> Find() =>
        Environment.GetEnvironmentVariable("NATIVEAMP_CUDA_LIBRARY") is { } driver
        && NativeLibrary.TryGetExport(NativeLibrary.Load(driver), "nampemu_record_note", out nint record)
            ? (delegate* unmanaged[Cdecl]<byte*, byte*, double, double, void>)record
            : null;
}
