using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Serialization;
using NativeAmp.Cli.Output;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>One function's part of the profiled steps.</summary>
internal sealed record ProfileRow(
    [property: JsonPropertyName("function")] string Function,
    [property: JsonPropertyName("calls_per_step")] double CallsPerStep,
    [property: JsonPropertyName("ms_per_step")] double MillisecondsPerStep,
    [property: JsonPropertyName("share")] double Share
);

/// <summary>A matrix product's sizes, and its number of calls in a step's forward pass.</summary>
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
/// Measures the time of a run by function (--profile), from the end of its second step on: the first two compile code,
/// build primitives and fill caches. The trainer <see cref="TrainerOptions.WaitsForEachStep"/>, or a step's calls would
/// be counted in part.
/// </summary>
internal sealed class ProfileReport
{
    private const long Warmup = 2;

    private long _start;
    private long _end;
    private long _steps = -Warmup;

    /// <summary>Records a finished step.</summary>
    public void Step(in StepReport step)
    {
        if (++_steps == 0)
        {
            NativeProfile.Start();
            ProductLog.Start();
            _start = Stopwatch.GetTimestamp();
        }

        _end = Stopwatch.GetTimestamp();
        // A test follows the last step; its time does not belong to a step.
        if (step.Step == step.TotalSteps)
            Stop();
    }

    /// <summary>
    /// The matrix products of a step's forward pass, those with the most arithmetic first; after <see cref="Finish"/>.
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
            ["function", "calls per step", "ms per step", "share"],
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
        // Empty the second time: an interrupted run is stopped here, any other after its last step.
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
