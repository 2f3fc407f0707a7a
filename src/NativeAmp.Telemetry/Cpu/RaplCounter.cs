using System.Globalization;

namespace NativeAmp.Telemetry;

/// <summary>
/// Energy of the processor packages (Linux, Documentation/power/powercap). Each package has a counter of microjoules
/// that wraps around at max_energy_range_uj. Their sum starts at 0 and only grows.
/// </summary>
/// <param name="root">The folder of the zones, /sys/class/powercap.</param>
internal sealed class RaplCounter(string root)
{
    private const double JoulesPerMicrojoule = 1e-6;

    private List<Package>? _packages;
    private string _reason = "";

    /// <summary>Names of the packages found.</summary>
    public IReadOnlyList<string> Packages => [.. (_packages ?? []).Select(package => package.Name)];

    /// <summary>Reads all packages.</summary>
    /// <param name="joules">Energy since the first reading.</param>
    /// <param name="reason">Why it could not be read.</param>
    public bool TryRead(out double joules, out string reason)
    {
        _packages ??= Find();
        (joules, reason) = (0, _reason);
        if (_packages.Count == 0)
            return false;
        try
        {
            foreach (Package package in _packages)
                joules += package.Read() * JoulesPerMicrojoule;
            return true;
        }
        catch (Exception e) when (e is IOException or FormatException)
        {
            reason = e.Message.TrimEnd('.');
        }
        catch (UnauthorizedAccessException e)
        {
            reason = $"{e.Message.TrimEnd('.')} Only root may read it since Linux 5.10 (CVE-2020-8694)";
        }

        return false;
    }

    // Zones are packages. Zones within them, cores and memory, are part of a package or have their own counters.
    // intel-rapl-mmio counts the same again.
    private List<Package> Find()
    {
        _reason = $"this machine has no RAPL counters in {root}; virtual machines have none";
        var found = new List<Package>();
        try
        {
            string[] zones = Directory.Exists(root) ? Directory.GetDirectories(root, "intel-rapl:*") : [];
            foreach (string zone in zones.Order(StringComparer.Ordinal))
            {
                if (Path.GetFileName(zone).Count(c => c == ':') != 1)
                    continue;
                string name = File.ReadAllText(Path.Combine(zone, "name")).Trim();
                if (name.StartsWith("package-", StringComparison.Ordinal))
                    found.Add(new Package(name, zone));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _reason = e.Message.TrimEnd('.');
            return [];
        }

        return found;
    }

    private sealed class Package(string name, string zone)
    {
        private long? _last;
        private double _sum;

        public string Name { get; } = name;

        public double Read()
        {
            long now = ReadNumber("energy_uj");
            if (_last is { } last)
                _sum += now >= last ? now - last : ReadNumber("max_energy_range_uj") - last + (double)now;
            _last = now;
            return _sum;
        }

        private long ReadNumber(string file)
        {
            string path = Path.Combine(zone, file);
            string text = File.ReadAllText(path).Trim();
            return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
                ? value
                : throw new FormatException($"{path} says '{text}', which is no number");
        }
    }
}
