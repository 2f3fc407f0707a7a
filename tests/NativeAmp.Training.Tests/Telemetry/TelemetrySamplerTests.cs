using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.RegularExpressions;
using NativeAmp.Telemetry;

namespace NativeAmp.Training.Tests.Telemetry;

public class TelemetrySamplerTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    [Test]
    public void What_is_missing_is_said_once_and_again_where_its_reason_changes()
    {
        string? reason = null;
        using var sampler = new TelemetrySampler(
            [
                new FakeSource(reading =>
                {
                    if (reason is null)
                        reading.Add("a", 1);
                    else
                        reading.NotAvailable("a", reason);
                }),
            ],
            Second
        );
        Assert.That(sampler.SampleNow().Values["a"], Is.EqualTo(1));
        reason = "one";
        Assert.That(
            sampler.SampleNow().NewlyMissing,
            Is.EquivalentTo(new Dictionary<string, string> { ["a"] = "one" })
        );
        Assert.That(sampler.SampleNow().NewlyMissing, Is.Empty);
        reason = "two";
        Assert.That(sampler.SampleNow().NewlyMissing["a"], Is.EqualTo("two"));
        Assert.That(sampler.NotAvailable["a"], Is.EqualTo("two"));
    }

    [Test]
    public void A_source_that_throws_takes_no_other_with_it()
    {
        using var sampler = new TelemetrySampler(
            [
                new FakeSource(_ => throw new InvalidOperationException("It broke."), "broken"),
                new FakeSource(reading => reading.Add("b", 2)),
            ],
            Second
        );
        TelemetrySample sample = sampler.SampleNow();
        Assert.That((sample.Values["b"], sample.NewlyMissing["broken"]), Is.EqualTo((2.0, "It broke")));
    }

    [Test]
    public void A_handler_that_throws_stops_neither_sampling_nor_other_handlers()
    {
        using var sampler = new TelemetrySampler([new FakeSource(reading => reading.Add("a", double.NaN))], Second);
        int heard = 0;
        sampler.Sampled += (_, _) => throw new IOException("no room");
        sampler.Sampled += (_, _) => heard++;
        Assert.That(sampler.SampleNow().NewlyMissing["a"], Does.Contain("no number"));
        sampler.SampleNow();
        Assert.That((heard, sampler.HandlerFailure?.Message), Is.EqualTo((2, "no room")));
    }

    [Test]
    public void It_samples_at_once_then_on_a_thread_of_its_own_until_it_is_stopped_and_then_once_more()
    {
        var source = new FakeSource(reading => reading.Add("thread", Environment.CurrentManagedThreadId));
        var sampler = new TelemetrySampler([source], TimeSpan.FromMilliseconds(1));
        using var four = new CountdownEvent(4);
        var threads = new List<double>();
        sampler.Sampled += (_, sample) =>
        {
            threads.Add(sample.Values["thread"]);
            if (!four.IsSet)
                four.Signal();
        };
        sampler.Start();
        sampler.Start();
        Assert.That(four.Wait(Long), Is.True);
        sampler.Stop();
        int before = threads.Count;
        Assert.That(
            (threads[0], threads[^1]),
            Is.EqualTo(((double)Environment.CurrentManagedThreadId, (double)Environment.CurrentManagedThreadId))
        );
        Assert.That(threads[1..^1].Distinct().Single(), Is.Not.EqualTo(Environment.CurrentManagedThreadId));
        sampler.Dispose();
        Assert.That((threads.Count, source.Disposed), Is.EqualTo((before, true)));
        Assert.That(sampler.SampleNow, Throws.InstanceOf<ObjectDisposedException>());
        sampler.Dispose();
    }

    [Test]
    public void A_source_that_does_not_answer_holds_up_nobody_else()
    {
        using var hangs = new ManualResetEventSlim();
        using var answers = new ManualResetEventSlim();
        int here = Environment.CurrentManagedThreadId;
        var source = new FakeSource(reading =>
        {
            reading.Add("gpu.0.energyJoules", 1);
            if (Environment.CurrentManagedThreadId == here)
                return;
            hangs.Set();
            answers.Wait();
        });
        var sampler = new TelemetrySampler([source], TimeSpan.FromMilliseconds(1))
        {
            Patience = TimeSpan.FromMilliseconds(1),
        };
        sampler.Start();
        EnergyWindow window = sampler.MeasureEnergy();
        Assert.That(hangs.Wait(Long), Is.True);
        TelemetrySample sample = sampler.SampleNow();
        Assert.That(
            (sample.Values.Count, sampler.NotAvailable["telemetry"]),
            Is.EqualTo((0, "a source does not answer"))
        );
        Assert.That(window.Stop().Select(energy => energy.Method), Is.All.EqualTo(EnergyMethod.None));
        sampler.Dispose();
        Assert.That(source.Disposed, Is.False, "its call still goes on");
        answers.Set();
    }

    [TestCase(0.0, 0, 1)]
    [TestCase(0.999, 1, 2)]
    [TestCase(1.0, 1, 2)]
    [TestCase(4.2, 1, 5)]
    public void What_is_late_is_left_out_and_what_is_early_is_not_taken_twice(double seconds, long last, long next) =>
        Assert.That(TelemetrySampler.Next(TimeSpan.FromSeconds(seconds), Second, last), Is.EqualTo(next));

    [Test]
    public async Task Samples_can_be_enumerated_until_the_sampler_is_disposed()
    {
        int count = 0;
        var sampler = new TelemetrySampler([new FakeSource(reading => reading.Add("count", ++count))], Second);
        IAsyncEnumerator<TelemetrySample> samples = sampler.ReadAllAsync().GetAsyncEnumerator();
        ValueTask<bool> first = samples.MoveNextAsync();
        sampler.SampleNow();
        sampler.SampleNow();
        Assert.That(await first, Is.True);
        Assert.That(samples.Current.Values["count"], Is.EqualTo(1));
        sampler.Dispose();
        Assert.That(await samples.MoveNextAsync(), Is.True);
        Assert.That(samples.Current.Values["count"], Is.EqualTo(2));
        Assert.That(await samples.MoveNextAsync(), Is.False);
        await samples.DisposeAsync();
    }

    [TestCase(0)]
    [TestCase(-1)]
    [TestCase(3_600_001)]
    public void An_interval_out_of_range_is_refused(double milliseconds) =>
        Assert.That(
            () => new TelemetrySampler([], TimeSpan.FromMilliseconds(milliseconds)),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("an hour")
        );

    [Test]
    [NonParallelizable]
    public void Metrics_have_the_same_names_with_their_units_and_only_what_was_read()
    {
        bool lost = false;
        using var sampler = new TelemetrySampler(
            [
                new FakeSource(reading =>
                {
                    reading.Add("gpu.0.energyJoules", 12);
                    reading.Add("mine", 3);
                    if (!lost)
                        reading.Add("gpu.0.temp", 61);
                }),
            ],
            Second
        );
        var units = new Dictionary<string, (string? Unit, bool IsCounter)>();
        var values = new Dictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, to) =>
            {
                if (instrument.Meter.Name != "NativeAmp.Telemetry")
                    return;
                units[instrument.Name] = (instrument.Unit, instrument is ObservableCounter<double>);
                to.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => values[instrument.Name] = value);
        listener.Start();
        sampler.SampleNow();
        listener.RecordObservableInstruments();
        Assert.That(units["gpu.0.temp"], Is.EqualTo(("Cel", false)));
        Assert.That(units["gpu.0.energyJoules"], Is.EqualTo(("J", true)));
        Assert.That(units["mine"].Unit, Is.Null);
        Assert.That(
            values,
            Is.EquivalentTo(
                new Dictionary<string, double>
                {
                    ["gpu.0.temp"] = 61,
                    ["gpu.0.energyJoules"] = 12,
                    ["mine"] = 3,
                }
            )
        );

        lost = true;
        values.Clear();
        sampler.SampleNow();
        listener.RecordObservableInstruments();
        Assert.That(values.Keys, Is.EquivalentTo(new[] { "gpu.0.energyJoules", "mine" }));
    }

    // Instrument names: OpenTelemetry specification, metrics/api.md, "Instrument name syntax".
    [Test]
    public void Every_name_is_one_of_OpenTelemetrys_is_found_and_is_in_the_documentation()
    {
        string documentation = File.ReadAllText(
            Path.Combine(Path.GetDirectoryName(EmulatedGpu.Driver)!, "..", "..", "docs", "telemetry.md")
        );
        foreach (TelemetryName name in TelemetryNames.All)
        {
            string one = name.Pattern.Replace("{i}", "17", StringComparison.Ordinal);
            Assert.That(Regex.IsMatch(one, "^[A-Za-z][A-Za-z0-9_./-]{0,254}$"), one);
            Assert.That(TelemetryNames.Find(one), Is.EqualTo(name));
            Assert.That(documentation, Does.Contain($"| `{name.Pattern}` | {name.Unit} |"));
        }

        Assert.That(TelemetryNames.Find("gpu.temp"), Is.Null);
    }

    [Test]
    public void A_line_of_the_log_is_a_JSON_object_and_a_line_that_was_cut_is_ended()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("nativeamp-").FullName, "new", "telemetry.jsonl");
        var time = new FakeTime();
        using var sampler = new TelemetrySampler(
            [
                new FakeSource(reading =>
                {
                    reading.Add("cpu", 12.5);
                    reading.NotAvailable("cpu.energyJoules", "no \"RAPL\"");
                }),
            ],
            Second,
            time
        );
        time.Now = TimeSpan.FromMilliseconds(1250);
        using (var log = new TelemetryLog(path))
            log.Write(sampler.SampleNow());
        Assert.That(
            File.ReadAllText(path),
            Is.EqualTo(
                "{\"_timestamp\":1.25,\"_runtime\":1.25,\"cpu\":12.5,\"_not_available\":{\"cpu.energyJoules\":\"no "
                    + "\\u0022RAPL\\u0022\"}}\n"
            )
        );
        File.AppendAllText(path, "{\"_timesta");
        using (var log = new TelemetryLog(path, append: true))
            log.Write(sampler.SampleNow());
        string[] lines = File.ReadAllLines(path);
        Assert.That(lines, Has.Length.EqualTo(3));
        Assert.That(JsonDocument.Parse(lines[2]).RootElement.GetProperty("cpu").GetDouble(), Is.EqualTo(12.5));
        Directory.Delete(Path.GetDirectoryName(Path.GetDirectoryName(path))!, recursive: true);
    }
}
