using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Serialization;
using NativeAmp.Cli.Output;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>One function's part of the steps that were profiled.</summary>
internal sealed record ProfileRow(
    [property: JsonPropertyName("function")] string Function,
    [property: JsonPropertyName("calls_per_step")] double CallsPerStep,
    [property: JsonPropertyName("ms_per_step")] double MillisecondsPerStep,
    [property: JsonPropertyName("share")] double Share
);

/// <summary>A product's sizes, and how often a step's forward pass asks for it.</summary>
internal sealed record ProductRow(
    [property: JsonPropertyName("operator")] string Operator,
    [property: JsonPropertyName("dtype")] string DType,
    [property: JsonPropertyName("m")] long M,
    [property: JsonPropertyName("n")] long N,
    [property: JsonPropertyName("k")] long K,
    [property: JsonPropertyName("batch")] long Batch,
    [property: JsonPropertyName("channels")] long Channels,
    [property: JsonPropertyName("calls_per_step")] double CallsPerStep
);

/// <summary>
/// Measures where a run's time goes (--profile), from the end of its second step on: the first two compile code, build
/// primitives and fill caches.
/// </summary>
internal sealed class ProfileReport
{
    private const long Warmup = 2;

    private long _start;
    private long _end;
    private long _steps = -Warmup;

    /// <summary>Takes notice of a finished step.</summary>
    public void Step(in StepReport step)
    {
        if (++_steps == 0)
        {
            NativeProfile.Start();
            ProductLog.Start();
            _start = Stopwatch.GetTimestamp();
        }

        _end = Stopwatch.GetTimestamp();
        // What follows the last step is a test, which is no step's time.
        if (step.Step == step.TotalSteps)
            Stop();
    }

    /// <summary>
    /// The products of a step's forward pass, after <see cref="Finish"/>; those with the most arithmetic first.
    /// </summary>
    public IReadOnlyList<ProductRow> Products { get; private set; } = [];

    /// <summary>
    /// Ends the measurement. The last row is the time outside native functions: managed code, and waiting for data.
    /// Empty if no step was measured.
    /// </summary>
    public IReadOnlyList<ProfileRow> Finish()
    {
        if (_steps <= 0)
            return [];
        Stop();
        TimeSpan total = Stopwatch.GetElapsedTime(_start, _end);
        IReadOnlyList<ProfileEntry> entries = NativeProfile.Read();
        TimeSpan native = entries.Aggregate(TimeSpan.Zero, (sum, entry) => sum + entry.Time);
        return
        [
            .. entries.Select(entry => Row(entry.Function, entry.Calls, entry.Time, total)),
            Row("outside the native library", 0, total - native, total),
        ];
    }

    /// <summary>Writes the rows that take at least a thousandth of the time.</summary>
    public static void Write(IReadOnlyList<ProfileRow> rows, Terminal terminal) =>
        terminal.WriteTable(
            ["function", "calls a step", "ms a step", "share"],
            [
                .. rows.Where(row => row.Share >= 0.001)
                    .Select(row =>
                        (IReadOnlyList<string>)
                            [
                                row.Function,
                                row.CallsPerStep.ToString("0.#", CultureInfo.InvariantCulture),
                                row.MillisecondsPerStep.ToString("0.00", CultureInfo.InvariantCulture),
                                (row.Share * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %",
                            ]
                    ),
            ]
        );

    private void Stop()
    {
        NativeProfile.Stop();
        IReadOnlyList<(ProductShape Shape, long Calls)> products = ProductLog.Stop();
        // Empty the second time: a run that was interrupted is stopped here, any other after its last step.
        if (products.Count > 0)
            Products =
            [
                .. products.Select(p => new ProductRow(
                    p.Shape.Operator,
                    p.Shape.DType.Name(),
                    p.Shape.M,
                    p.Shape.N,
                    p.Shape.K,
                    p.Shape.Batch,
                    p.Shape.Channels,
                    (double)p.Calls / _steps
                )),
            ];
    }

    private ProfileRow Row(string function, long calls, TimeSpan time, TimeSpan total) =>
        new(function, (double)calls / _steps, time.TotalMilliseconds / _steps, time / total);
}
