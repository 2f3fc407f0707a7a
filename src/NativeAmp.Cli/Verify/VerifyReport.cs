using System.Text.Json.Serialization;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Verify;

/// <summary>The report of nativeamp verify.</summary>
/// <param name="Ok">Whether every case is within its tolerance, and there was one.</param>
/// <param name="Device">The device that computed.</param>
/// <param name="Cases">One row for each case.</param>
/// <param name="UnknownFiles">JSON files of an unknown kind.</param>
internal sealed record VerifyReport(
    bool Ok,
    string Device,
    IReadOnlyList<VerifyRow> Cases,
    IReadOnlyList<string> UnknownFiles
)
{
    /// <summary>Checks every golden file of a folder against a device.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static VerifyReport Of(string folder, Device device)
    {
        List<VerifyRow> rows = [];
        List<string> unknown = [];
        foreach (string path in Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(path);
            try
            {
                byte[] json = GoldenReader.ReadBytes(path);
                GoldenKind kind = GoldenReader.Recognise(path, json);
                if (kind == GoldenKind.Unknown)
                    unknown.Add(name);
                else
                    rows.AddRange(GoldenChecks.Check(kind, path, json, device));
            }
            // Also arguments that the kernels refuse: the file has impossible values.
            catch (Exception e) when (e is DataFormatException or NativeAmpException or IOException)
            {
                rows.Add(new VerifyRow(name, "(file)", "unreadable", "", false, e.Message));
            }
        }

        DeviceInfo info = device.Info;
        return new VerifyReport(
            rows.Count > 0 && rows.TrueForAll(row => row.Passed),
            $"{info.Name} ({info.Libraries})",
            rows,
            unknown
        );
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(VerifyReport))]
internal sealed partial class VerifyJson : JsonSerializerContext;
