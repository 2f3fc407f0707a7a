using System.Text.Json;
using NativeAmp.Cli.Bench;
using NativeAmp.Cli.Output;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>The command that times the kernels of a step. Its speeds are not tested.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class BenchTests(DeviceKind kind)
{
    private string[] Arguments =>
        [
            "bench",
            "--params",
            "3Ki",
            "--seconds",
            "0.1",
            "--threads",
            "2",
            "--device",
            kind == DeviceKind.Cuda ? "cuda" : "cpu",
        ];

    [Test]
    public void Each_kernel_and_type_has_a_row_whose_figures_agree()
    {
        (int code, string json, string error) = CliHost.Run([.. Arguments, "--json"]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];

        // Bytes per parameter: cast 4 + 2; loss 3 gradients; check one; Adam g, p, m and v twice, and a copy unless p
        // is float32 itself.
        Assert.That(
            rows.Select(row =>
                (
                    row.GetProperty("name").GetString(),
                    row.GetProperty("dtype").GetString(),
                    row.GetProperty("bytes").GetInt64() / 3072
                )
            ),
            Is.EqualTo(
                new[]
                {
                    ("cast", "float16", 6L),
                    ("scaled backward", "float16", 6),
                    ("unscale and check", "float16", 2),
                    ("Adam", "float16", 28),
                    ("AMP step", "float16", 30),
                    ("cast", "bfloat16", 6),
                    ("scaled backward", "bfloat16", 6),
                    ("unscale and check", "bfloat16", 2),
                    ("Adam", "bfloat16", 28),
                    ("AMP step", "bfloat16", 30),
                    ("scaled backward", "float32", 12),
                    ("unscale and check", "float32", 4),
                    ("Adam", "float32", 28),
                    ("AMP step", "float32", 32),
                    ("Adam, bfloat16 state", "float16", 20),
                    ("Adam, dynamic8 state", "float16", 16),
                    ("Adam, remainders", "bfloat16", 26),
                    ("Adam, bfloat16 state, remainders", "bfloat16", 18),
                    ("Adam, no masters", "bfloat16", 22),
                    ("Adam, bfloat16 state, no masters", "bfloat16", 14),
                }
            )
        );
        foreach (JsonElement row in rows)
        {
            double seconds = row.GetProperty("seconds_median").GetDouble();
            Assert.That(seconds, Is.GreaterThan(0));
            Assert.That(row.GetProperty("seconds_lower_quartile").GetDouble(), Is.LessThanOrEqualTo(seconds));
            Assert.That(row.GetProperty("seconds_upper_quartile").GetDouble(), Is.GreaterThanOrEqualTo(seconds));
            Assert.That(
                row.GetProperty("gb_per_s").GetDouble() * seconds * 1e9,
                Is.EqualTo((double)row.GetProperty("bytes").GetInt64()).Within(1e-6).Percent
            );
            Assert.That(
                row.GetProperty("mparams_per_s").GetDouble() * seconds * 1e6,
                Is.EqualTo(3072.0).Within(1e-6).Percent
            );
            Assert.That(row.GetProperty("limit_gb_per_s").GetDouble(), Is.GreaterThan(0));
            Assert.That(row.GetProperty("fraction_of_limit").GetDouble(), Is.GreaterThan(0));
            Assert.That(row.GetProperty("rounds").GetInt32(), Is.GreaterThanOrEqualTo(5));
            bool copied =
                row.TryGetProperty("copy_gb_per_s", out JsonElement copy)
                & row.TryGetProperty("fraction_of_copy", out JsonElement fraction);
            Assert.That(
                copied,
                Is.EqualTo(kind == DeviceKind.Cuda),
                "only a GPU has a driver's copy to be compared with"
            );
            if (!copied)
                continue;
            Assert.That(copy.GetDouble(), Is.GreaterThan(0));
            Assert.That(fraction.GetDouble(), Is.GreaterThan(0));
        }
    }

    [Test]
    public void A_person_gets_a_table()
    {
        (int code, string output, string error) = CliHost.Run(Arguments);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            output,
            Does.StartWith("3Ki parameters on ").And.Contain("limit GB/s").And.Match("unscale and check +bfloat16")
        );
        Assert.That(output, kind == DeviceKind.Cuda ? Does.Contain("copy GB/s") : Does.Not.Contain("copy"));
    }

    [Test]
    public void A_limit_leaves_what_it_reads_as_it_was_and_every_kernel_does_its_work()
    {
        using Device device = kind.Open(2);
        using var tensors = new StepTensors(device, new StepShape(DType.Float16, 1000, Tensors: 3, Shift: 1));
        Assert.That(tensors.Counts, Is.EqualTo(new[] { 333L, 333, 334 }));
        float[] parameters = Read<float>(StepTensors.Parameter),
            moments = Read<float>(StepTensors.FirstMoment);
        Half[] gradients = Read<Half>(StepTensors.Gradient);
        foreach (StepKernel kernel in StepKernel.All)
        {
            kernel.RunLimit(tensors);
            kernel.RunLimit(tensors);
        }
        Assert.That(Read<float>(StepTensors.Parameter), Is.EqualTo(parameters));
        Assert.That(Read<float>(StepTensors.FirstMoment), Is.EqualTo(moments));
        Assert.That(Read<Half>(StepTensors.Gradient), Is.EqualTo(gradients));
        Assert.That(Read<Half>(StepTensors.Copy), Is.All.EqualTo(Half.Zero));

        StepKernel.Cast.Run(tensors);
        Assert.That(Read<Half>(StepTensors.Copy), Is.EqualTo(Array.ConvertAll(parameters, p => (Half)p)));
        StepKernel.ScaledBackward.Run(tensors);
        Assert.That(Read<Half>(StepTensors.LossGradient), Has.Some.Not.EqualTo(Half.Zero));
        StepKernel.AmpStep.Run(tensors);
        Assert.That(tensors.State.Read().Step, Is.EqualTo(1));
        Assert.That(tensors.State.Read().GradientNorm, Is.GreaterThan(0));
        Assert.That(Read<float>(StepTensors.Parameter), Is.Not.EqualTo(parameters));

        T[] Read<T>(int column)
            where T : unmanaged
        {
            List<T> all = [];
            for (int t = 0; t < 3; t++)
            {
                var values = new T[tensors.Counts[t]];
                device.CopyToHost(
                    System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()),
                    tensors.Cells[column][t].Pointer
                );
                all.AddRange(values);
            }
            return [.. all];
        }
    }

    [TestCase(DType.Float16, 3000, 8, Description = "too small to outgrow a cache: eight")]
    [TestCase(DType.Float16, 32 << 20, 5, Description = "four times 64 MiB just fill it")]
    [TestCase(DType.Float32, 96 << 20, 1, Description = "384 MiB are larger")]
    public void On_a_GPU_a_check_goes_from_copy_to_copy_until_they_outgrow_its_cache(
        DType dtype,
        long count,
        int copies
    ) =>
        Assert.That(
            RotatedTensors.CopiesOf(StepKernel.UnscaleAndCheck.Bytes(new StepShape(dtype, count))),
            Is.EqualTo(copies)
        );

    [Test]
    public void A_GPU_has_as_many_copies_as_a_kernel_asks_for_and_the_CPU_one()
    {
        using Device device = kind.Open(2);
        using var tensors = new RotatedTensors(device, new StepShape(DType.Float16, 1000));
        StepTensors[] cast = tensors.For(StepKernel.Cast);
        Assert.That(cast, Has.Length.EqualTo(kind == DeviceKind.Cuda ? 8 : 1).And.Unique);
        Assert.That(tensors.For(StepKernel.Adam), Is.EqualTo(cast), "and they are made once");
    }

    [Test]
    public void A_copy_writes_half_of_the_bytes_that_a_kernel_moves_to_one_place_after_the_other()
    {
        using Device device = kind.Open(2);
        using var copy = new DeviceCopy(device, moved: 600, places: 2);
        copy.Destination.Clear();
        Assert.That(Written(), Is.EqualTo((0, 0)));
        copy.Run(0);
        Assert.That(Written(), Is.EqualTo((300, 0)));
        copy.Run(1);
        Assert.That(Written(), Is.EqualTo((300, 300)));
        copy.Destination.Clear();
        copy.Run(2);
        Assert.That(Written(), Is.EqualTo((300, 0)), "and the first again");

        (int First, int Second) Written()
        {
            byte[] bytes = copy.Destination.ToArray<byte>();
            return (bytes[..512].Count(one => one != 0), bytes[512..].Count(one => one != 0));
        }
    }

    [Test]
    public void A_device_has_a_time_that_never_goes_back_and_agrees_with_the_host()
    {
        using Device device = kind.Open(2);
        using var tensors = new StepTensors(device, new StepShape(DType.Float16, 100_000));
        var host = System.Diagnostics.Stopwatch.StartNew();
        using var time = new DeviceTime(device);
        double last = 0;
        for (int i = 0; i < 10; i++)
        {
            StepKernel.Cast.Run(tensors);
            double now = time.Seconds();
            Assert.That(now, Is.GreaterThan(last), "each cast takes time, and is done when the time is told");
            last = now;
        }
        Assert.That(
            last,
            Is.LessThanOrEqualTo(host.Elapsed.TotalSeconds),
            "ten casts lie between the host's two looks at its watch"
        );
    }

    [Test]
    public void Quantiles_lie_between_neighbours_in_proportion()
    {
        Assert.That(Timing.Quantile([4, 1, 3, 2], 0.5), Is.EqualTo(2.5));
        Assert.That(Timing.Quantile([4, 1, 3, 2], 0.25), Is.EqualTo(1.75));
        Assert.That(Timing.Quantile([7], 0.75), Is.EqualTo(7));
        Assert.That(new Timing([2, 4, 8], [1, 3, 8]).FractionOfLimit, Is.EqualTo(0.75));
    }

    [TestCase("64Mi", 64L << 20)]
    [TestCase("500Ki", 500L << 10)]
    [TestCase("1024Gi", 1L << 40)]
    [TestCase("1", 1)]
    public void A_count_may_have_a_suffix(string text, long count) =>
        Assert.That(BenchCommand.ParseCount(text), Is.EqualTo(count));
}
