namespace NativeAmp.Telemetry;

/// <summary>
/// The driver's own samples of one kind, which it takes more often than they are read: mean and maximum since the last
/// reading.
/// </summary>
/// <param name="nvml">The library.</param>
/// <param name="device">Its handle of the GPU.</param>
/// <param name="type">The quantity sampled.</param>
/// <param name="parts">Number of the driver's units in one unit.</param>
/// <param name="mean">Name of the mean.</param>
/// <param name="max">Name of the maximum; null for none.</param>
internal sealed unsafe class NvmlSampleBuffer(
    NvmlLibrary nvml,
    nint device,
    NvmlSampling type,
    double parts,
    string mean,
    string? max = null
)
{
    // Drivers keep 100 to 200. A broken driver's count must not be allocated.
    private const uint MostSamples = 1 << 16;

    private NvmlSample[] _samples = [];
    private ulong _since;
    private bool _begun;

    /// <summary>Reads the new samples. Samples from before the first reading are ignored.</summary>
    public void Read(TelemetryReading reading)
    {
        NvmlReturn result = Fetch(out NvmlValueType valueType, out uint count);
        if (result == NvmlReturn.NotFound || (result == NvmlReturn.Success && count == 0))
        {
            _begun = true;
            return;
        }

        if (result != NvmlReturn.Success)
        {
            Say(reading, nvml.Describe(result));
            return;
        }

        bool first = !_begun;
        _begun = true;
        (double sum, double largest, int taken) = (0, double.NegativeInfinity, 0);
        ulong since = _since;
        foreach (NvmlSample sample in _samples.AsSpan(0, (int)count))
        {
            since = Math.Max(since, sample.TimeStamp);
            if (sample.TimeStamp <= _since)
                continue;
            if (sample.As(valueType) is not { } value)
            {
                Say(reading, $"NVML gives samples of the unknown type {(int)valueType}");
                return;
            }

            (sum, largest, taken) = (sum + value, Math.Max(largest, value), taken + 1);
        }

        _since = since;
        if (first || taken == 0)
            return;
        reading.Add(mean, sum / taken / parts);
        if (max is not null)
            reading.Add(max, largest / parts);
    }

    private NvmlReturn Fetch(out NvmlValueType valueType, out uint count)
    {
        count = 0;
        if (_samples.Length == 0)
        {
            NvmlReturn asked = nvml.GetSamples(device, type, 0, out valueType, ref count, null);
            if (asked is not (NvmlReturn.Success or NvmlReturn.InsufficientSize) || count == 0)
                return asked == NvmlReturn.InsufficientSize ? NvmlReturn.NotFound : asked;
            _samples = new NvmlSample[Math.Min(count, MostSamples)];
        }

        count = (uint)_samples.Length;
        fixed (NvmlSample* samples = _samples)
        {
            NvmlReturn result = nvml.GetSamples(device, type, _since, out valueType, ref count, samples);
            count = Math.Min(count, (uint)_samples.Length);
            return result;
        }
    }

    private void Say(TelemetryReading reading, string reason)
    {
        reading.NotAvailable(mean, reason);
        if (max is not null)
            reading.NotAvailable(max, reason);
    }
}
