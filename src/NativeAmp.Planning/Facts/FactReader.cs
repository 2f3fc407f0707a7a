using System.Globalization;
using System.Text.Json;

namespace NativeAmp.Planning;

/// <summary>
/// Reads one JSON object of facts. A fact that is missing, unknown, of the wrong type or out of range is refused by
/// name.
/// </summary>
internal sealed class FactReader
{
    private readonly JsonElement _object;
    private readonly string _where;

    // Says which facts were compared with their source, and when. It is for readers of the file.
    private readonly HashSet<string> _read = ["checked"];

    public FactReader(JsonElement element, string where)
    {
        _where = where;
        if (element.ValueKind != JsonValueKind.Object)
            throw new PlanException($"{where} is no JSON object.");
        _object = element;
        string? twice = element.EnumerateObject().GroupBy(p => p.Name).FirstOrDefault(g => g.Count() > 1)?.Key;
        if (twice is not null)
            throw new PlanException($"{where} has '{twice}' twice.");
    }

    /// <summary>Reads a JSON file.</summary>
    /// <exception cref="PlanException">The file cannot be read, or is not JSON.</exception>
    public static JsonDocument Parse(Stream json, string where)
    {
        try
        {
            return JsonDocument.Parse(
                json,
                new JsonDocumentOptions
                {
                    MaxDepth = 16,
                    CommentHandling = JsonCommentHandling.Skip,
                    AllowTrailingCommas = true,
                }
            );
        }
        catch (JsonException e)
        {
            throw new PlanException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{where} is no JSON that can be read, or is cut off: line {e.LineNumber + 1}, byte "
                        + $"{e.BytePositionInLine + 1}."
                )
            );
        }
    }

    public bool Has(string name) => _object.TryGetProperty(name, out _);

    public string Text(string name, string? fallback = null)
    {
        if (Find(name, fallback is not null) is not { } value)
            return fallback!;
        if (value.ValueKind != JsonValueKind.String || value.GetString() is not { Length: > 0 and <= 400 } text)
            throw Wrong(name, value, "a text of 1 to 400 characters");
        return text;
    }

    public bool Flag(string name, bool fallback) =>
        Find(name, optional: true) is not { } value ? fallback
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(name, value, "true or false");

    public int Whole(string name, int least, int most, int? fallback = null)
    {
        if (Find(name, fallback is not null) is not { } value)
            return fallback!.Value;
        if (
            value.ValueKind != JsonValueKind.Number
            || !value.TryGetInt64(out long number)
            || number < least
            || number > most
        )
            throw Wrong(name, value, FormattableString.Invariant($"a whole number from {least} to {most}"));
        return (int)number;
    }

    public double Real(string name, double least, double most, double? fallback = null)
    {
        if (Find(name, fallback is not null) is not { } value)
            return fallback!.Value;
        if (
            value.ValueKind != JsonValueKind.Number
            || !value.TryGetDouble(out double number)
            || !double.IsFinite(number)
            || number < least
            || number > most
        )
            throw Wrong(name, value, FormattableString.Invariant($"a number from {least:R} to {most:R}"));
        return number;
    }

    public double? OptionalReal(string name, double least, double most) => Has(name) ? Real(name, least, most) : null;

    public T OneOf<T>(string name, T fallback)
        where T : struct, Enum
    {
        if (Find(name, optional: true) is not { } value)
            return fallback;
        if (
            value.ValueKind == JsonValueKind.String
            && Enum.TryParse(value.GetString(), ignoreCase: true, out T parsed)
            && Enum.IsDefined(parsed)
            && !char.IsAsciiDigit(value.GetString()![0])
        )
            return parsed;
        throw Wrong(name, value, $"one of {string.Join(", ", Enum.GetNames<T>().Select(n => n.ToLowerInvariant()))}");
    }

    public FactReader Object(string name) => new(Find(name, optional: false)!.Value, $"'{name}' of {_where}");

    /// <summary>Refuses names that were not read: they are misspelled. Call it at the end.</summary>
    public void RefuseOthers()
    {
        foreach (JsonProperty property in _object.EnumerateObject())
        {
            if (!_read.Contains(property.Name))
                throw new PlanException(
                    $"{_where} has '{Shortened(property.Name)}', which is unknown{Nearest.Hint(property.Name, _read)}."
                );
        }
    }

    private JsonElement? Find(string name, bool optional)
    {
        _read.Add(name);
        if (_object.TryGetProperty(name, out JsonElement value))
            return value;
        return optional ? null : throw new PlanException($"{_where} does not say '{name}'.");
    }

    private PlanException Wrong(string name, JsonElement value, string expected) =>
        new($"'{name}' of {_where} is {Shortened(value.GetRawText())}; it is {expected}.");

    private static string Shortened(string text) =>
        text.Length <= 40 ? text : string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, 40)}…");
}
