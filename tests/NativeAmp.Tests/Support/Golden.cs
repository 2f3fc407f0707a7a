using System.Text.Json;

namespace NativeAmp.Tests;

/// <summary>The golden files, with results of libtorch (tests/golden/README.md).</summary>
internal static class Golden
{
    public static JsonElement Cases(string file)
    {
        using var document = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(TestContext.CurrentContext.TestDirectory, "golden", file))
        );
        return document.RootElement.GetProperty("cases").Clone();
    }

    public static float[] Floats(this JsonElement array) => [.. array.EnumerateArray().Select(Float)];

    // Non-finite numbers are strings there, whose names float.Parse accepts.
    public static float Float(this JsonElement number) =>
        number.ValueKind == JsonValueKind.String
            ? float.Parse(number.GetString()!, System.Globalization.CultureInfo.InvariantCulture)
            : number.GetSingle();
}
