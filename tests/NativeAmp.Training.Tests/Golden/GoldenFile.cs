using System.Text.Json;

namespace NativeAmp.Training.Tests.Golden;

/// <summary>Reads the golden files, and compares with them.</summary>
internal static class GoldenFile
{
    public static JsonElement Read(string name)
    {
        string path = Path.Combine(TestContext.CurrentContext.TestDirectory, "golden", name);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }

    public static float[] Floats(JsonElement array) => [.. array.EnumerateArray().Select(Float)];

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetInt32())];

    public static Shape ShapeOf(JsonElement tensor) =>
        new(tensor.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray());

    public static float[] Data(JsonElement tensor) => Floats(tensor.GetProperty("data"));

    public static Tensor Tensor(Device device, JsonElement tensor) =>
        Training.Tensor.From(device, Data(tensor), ShapeOf(tensor));

    public static void AssertClose(float[] actual, float[] expected, double relative, double absolute, string what)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), what);
        for (int i = 0; i < expected.Length; i++)
        {
            double allowed = absolute + relative * Math.Abs((double)expected[i]);
            Assert.That((double)actual[i], Is.EqualTo((double)expected[i]).Within(allowed), $"{what}[{i}]");
        }
    }

    private static float Float(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number
            ? value.GetSingle()
            : value.GetString() switch
            {
                "NaN" => float.NaN,
                "Infinity" => float.PositiveInfinity,
                "-Infinity" => float.NegativeInfinity,
                var text => throw new FormatException($"'{text}' is no number of a golden file."),
            };
}
