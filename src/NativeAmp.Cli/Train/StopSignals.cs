using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp.Cli.Train;

/// <summary>
/// Handles Ctrl-C, SIGTERM and SIGHUP during a run. The first finishes the current step, saves it and ends the run; a
/// second ends the process at once.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    // Stopping a service or closing a terminal sends two signals at once, but means one stop.
    private static readonly TimeSpan OneStop = TimeSpan.FromMilliseconds(500);

    private readonly CancellationTokenSource _stop;
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly Lock _lock = new();
    private PosixSignal? _first;
    private long _when;

    /// <summary>Handles signals until it is disposed.</summary>
    /// <param name="stop">Cancelled by the first signal.</param>
    public StopSignals(CancellationTokenSource stop)
    {
        _stop = stop;
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, Received));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, Received));
        if (!IsHangUpIgnored())
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, Received));
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    private void Received(PosixSignalContext context)
    {
        context.Cancel = true;
        lock (_lock)
        {
            if (_first is { } first)
            {
                if (first == context.Signal || Stopwatch.GetElapsedTime(_when) > OneStop)
                    End(Number(context.Signal));
                return;
            }

            (_first, _when) = (context.Signal, Stopwatch.GetTimestamp());
        }

        _stop.Cancel();
    }

    private static int Number(PosixSignal signal) =>
        signal switch
        {
            PosixSignal.SIGHUP => 1,
            PosixSignal.SIGINT => 2,
            _ => 15,
        };

    // At once, even in a native call that never returns.
    private static void End(int signal)
    {
        if (OperatingSystem.IsWindows())
            Process.GetCurrentProcess().Kill();
        else
            PosixProcess.Exit(128 + signal);
    }

    /// <summary>Whether SIGHUP is ignored, as under nohup: the process then outlives the terminal.</summary>
    private static bool IsHangUpIgnored()
    {
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            const string Field = "SigIgn:";
            string? line = File.ReadLines("/proc/self/status")
                .FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
            return line is not null
                && ulong.TryParse(
                    line[Field.Length..].Trim(),
                    NumberStyles.AllowHexSpecifier,
                    CultureInfo.InvariantCulture,
                    out ulong ignored
                )
                && (ignored & 1) != 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // no /proc
        }
    }
}
