using System.Text.Json;

namespace NativeAmp.Cli.Study;

/// <summary>The telemetry of a run: series by W&amp;B's names, over seconds since the first sample.</summary>
internal sealed class Telemetry
{
    private readonly SortedDictionary<string, List<(double Seconds, double Value)>> _series = new(
        StringComparer.Ordinal
    );
    private double _first = double.NaN;

    /// <summary>Names that have values.</summary>
    public IReadOnlyCollection<string> Names => _series.Keys;

    /// <summary>A series; empty if it was not measured.</summary>
    public IReadOnlyList<(double Seconds, double Value)> Series(string name) =>
        _series.TryGetValue(name, out List<(double, double)>? points) ? points : [];

    /// <summary>The reasons for values that could not be measured, from the sampler.</summary>
    public SortedDictionary<string, string> NotAvailable { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds a line. A line that a crash cut is ignored.</summary>
    public void Add(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            double time = Json.Number(root, "_timestamp");
            if (root.ValueKind != JsonValueKind.Object)
                return;
            if (double.IsNaN(_first))
                _first = time;
            foreach (JsonProperty member in root.EnumerateObject())
            {
                if (member.Name == "_not_available" && member.Value.ValueKind == JsonValueKind.Object)
                {
                    foreach (JsonProperty missing in member.Value.EnumerateObject())
                        NotAvailable[missing.Name] = missing.Value.ToString();
                }

                if (
                    member.Value.ValueKind == JsonValueKind.Number
                    && !member.Name.StartsWith('_')
                    && double.IsFinite(time)
                )
                {
                    if (!_series.TryGetValue(member.Name, out List<(double, double)>? points))
                        _series.Add(member.Name, points = []);
                    points.Add((time - _first, member.Value.GetDouble()));
                }
            }
        }
        catch (JsonException)
        {
            // Half a line.
        }
    }
}
