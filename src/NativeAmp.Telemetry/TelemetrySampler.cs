using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace NativeAmp.Telemetry;

/// <summary>
/// Reads sources at intervals on its own thread, beside any loop. It never throws into that loop: a value that cannot
/// be read is missing, with the reason, and the next reading tries again.
/// </summary>
/// <example>
/// <code>
/// using var log = new TelemetryLog("telemetry.jsonl");
/// using var telemetry = new TelemetrySampler([GpuTelemetry.Of(device), new CpuTelemetry()], TimeSpan.FromSeconds(1));
/// telemetry.Sampled += (_, sample) => log.Write(sample);
/// telemetry.Start();
/// EnergyWindow energy = telemetry.MeasureEnergy();
/// // … train …
/// foreach (EnergyMeasurement measured in energy.Stop())
///     Console.WriteLine($"{measured.Source}: {measured.Joules} J ({measured.Method})");
/// </code>
/// </example>
public sealed class TelemetrySampler : IDisposable
{
    private readonly ITelemetrySource[] _sources;
    private readonly TimeSpan _interval;
    private readonly TimeProvider _time;
    private readonly long _made;
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _stop = new();
    private readonly ConcurrentDictionary<string, string> _missing = new(StringComparer.Ordinal);
    private readonly TelemetryMeter _meter = new();
    private Thread? _thread;
    private bool _disposed;

    /// <summary>Prepares sampling.</summary>
    /// <param name="sources">The sources. The sampler owns and disposes them.</param>
    /// <param name="interval">Time from one reading to the next, a millisecond to an hour.</param>
    /// <param name="time">The clock of the samples' times; null for the system's.</param>
    /// <exception cref="ArgumentOutOfRangeException">The interval is out of range.</exception>
    public TelemetrySampler(IEnumerable<ITelemetrySource> sources, TimeSpan interval, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(sources);
        if (interval < TimeSpan.FromMilliseconds(1) || interval > TimeSpan.FromHours(1))
            throw new ArgumentOutOfRangeException(
                nameof(interval),
                interval,
                "The interval of telemetry is a millisecond to an hour."
            );
        _sources = [.. sources];
        _interval = interval;
        _time = time ?? TimeProvider.System;
        _made = _time.GetTimestamp();
    }

    /// <summary>
    /// Raised when a sample was taken, one at a time: on the sampler's thread, or on that of a caller of
    /// <see cref="SampleNow"/> or of an energy window. An exception of a handler is kept in
    /// <see cref="HandlerFailure"/>, and goes no further.
    /// </summary>
    public event EventHandler<TelemetrySample>? Sampled;

    /// <summary>
    /// The latest reason of each value that could not be read, by name. A value that came back later stays here.
    /// </summary>
    public IReadOnlyDictionary<string, string> NotAvailable => _missing;

    /// <summary>
    /// The time that a caller waits if a source does not answer the sampler's thread: a driver that hangs must not hang
    /// the run.
    /// </summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The latest sample; null before the first.</summary>
    public TelemetrySample? Latest { get; private set; }

    /// <summary>The first exception of a handler of <see cref="Sampled"/>; null if there was none.</summary>
    public Exception? HandlerFailure { get; private set; }

    /// <summary>
    /// Starts sampling: at once, and then at every interval on its own thread. Does nothing if it runs already.
    /// </summary>
    public void Start()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_thread is not null)
            return;
        _stop.Reset();
        SampleNow();
        _thread = new Thread(Loop) { IsBackground = true, Name = "NativeAmp telemetry" };
        _thread.Start();
    }

    /// <summary>Stops sampling, with a last sample. Does nothing if it does not run. It may be started again.</summary>
    public void Stop()
    {
        if (_thread is not { } thread)
            return;
        _stop.Set();
        if (!thread.Join(Patience))
            return;
        _thread = null;
        SampleNow();
    }

    /// <summary>
    /// Takes a sample now, whether the sampler runs or not. The sample has no values if the sampler's thread has been
    /// waiting for a source for five seconds.
    /// </summary>
    public TelemetrySample SampleNow()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var reading = new TelemetryReading();
        if (!_gate.TryEnter(Patience))
        {
            reading.NotAvailable("telemetry", "a source does not answer");
            return Sample(reading);
        }

        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            foreach (ITelemetrySource source in _sources)
                Read(source, reading);
            TelemetrySample sample = Sample(reading);
            Latest = sample;
            _meter.Show(sample);
            Raise(sample);
            return sample;
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>Starts to measure energy, with a sample taken now.</summary>
    public EnergyWindow MeasureEnergy() => new(this);

    /// <summary>
    /// The samples from now on, until the reader cancels or the sampler is disposed. A slow reader loses the oldest.
    /// </summary>
    /// <param name="cancellation">Ends it.</param>
    public async IAsyncEnumerable<TelemetrySample> ReadAllAsync(
        [EnumeratorCancellation] CancellationToken cancellation = default
    )
    {
        var channel = Channel.CreateBounded<TelemetrySample>(
            new BoundedChannelOptions(1024) { FullMode = BoundedChannelFullMode.DropOldest }
        );
        void Take(object? sender, TelemetrySample sample) => channel.Writer.TryWrite(sample);
        void End() => channel.Writer.TryComplete();
        Sampled += Take;
        Disposing += End;
        try
        {
            if (_disposed)
                yield break;
            await foreach (TelemetrySample sample in channel.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
                yield return sample;
        }
        finally
        {
            Sampled -= Take;
            Disposing -= End;
        }
    }

    /// <summary>Stops sampling, and disposes the sources.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        Stop();
        _meter.Dispose();
        // A driver that hangs in a call still uses the source.
        if (_thread is null)
        {
            lock (_gate)
            {
                _disposed = true;
                foreach (ITelemetrySource source in _sources)
                    source.Dispose();
            }

            _stop.Dispose();
        }

        _disposed = true;
        Disposing?.Invoke();
    }

    private event Action? Disposing;

    private void Loop()
    {
        long begun = Stopwatch.GetTimestamp();
        long number = 0;
        while (true)
        {
            TimeSpan elapsed = Stopwatch.GetElapsedTime(begun);
            number = Next(elapsed, _interval, number);
            if (_stop.Wait((number * _interval) - elapsed))
                return;
            try
            {
                SampleNow();
            }
            catch (ObjectDisposedException)
            {
                return; // a source did not answer for so long that the others stopped waiting for this thread
            }
        }
    }

    /// <summary>
    /// The number of the next reading, counted in intervals. Late readings are left out, not made up for; a timer that
    /// woke a little early does not repeat one.
    /// </summary>
    internal static long Next(TimeSpan elapsed, TimeSpan interval, long last) =>
        Math.Max(elapsed.Ticks / interval.Ticks, last) + 1;

    private TelemetrySample Sample(TelemetryReading reading)
    {
        var news = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, string reason) in reading.Missing)
        {
            if (_missing.TryGetValue(name, out string? before) && before == reason)
                continue;
            _missing[name] = reason;
            news.Add(name, reason);
        }

        return new TelemetrySample(_time.GetUtcNow(), _time.GetElapsedTime(_made), reading.Values, news);
    }

    private static void Read(ITelemetrySource source, TelemetryReading reading)
    {
#pragma warning disable CA1031 // whatever a source throws, the run that it watches goes on
        try
        {
            source.Read(reading);
        }
        catch (Exception e)
        {
            reading.NotAvailable(source.Name, e.Message.TrimEnd('.'));
        }
#pragma warning restore CA1031
    }

    private void Raise(TelemetrySample sample)
    {
        foreach (Delegate handler in Sampled?.GetInvocationList() ?? [])
        {
#pragma warning disable CA1031 // an exception of a handler would end the process, on this thread
            try
            {
                ((EventHandler<TelemetrySample>)handler)(this, sample);
            }
            catch (Exception e)
            {
                HandlerFailure ??= e;
            }
#pragma warning restore CA1031
        }
    }
}
