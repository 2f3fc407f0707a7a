using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Verify;

/// <summary>Kinds of golden files.</summary>
internal enum GoldenKind
{
    Unknown,
    Adam,
    Sgd,
    Scaler,
    Unscale,
    Layers,
    Training,
    AmpTraining,
}

/// <summary>Reads golden files: the kind and the content, checked for form before anything is computed.</summary>
internal static class GoldenReader
{
    // These files have kilobytes; a larger file is something else.
    private const long MaximumLength = 256L << 20;

    /// <summary>Reads a file's bytes.</summary>
    /// <exception cref="DataFormatException">It is a folder, or larger than any golden file.</exception>
    /// <exception cref="IOException">It cannot be opened or read.</exception>
    public static byte[] ReadBytes(string path) => InputFile.ReadAll(path, MaximumLength);

    /// <summary>The kind by the file's name, else by the names in its root object.</summary>
    public static GoldenKind Recognise(string path, ReadOnlySpan<byte> json)
    {
        GoldenKind named = Path.GetFileNameWithoutExtension(path).ToLowerInvariant() switch
        {
            "adam" => GoldenKind.Adam,
            "sgd" => GoldenKind.Sgd,
            "scaler" => GoldenKind.Scaler,
            "unscale" => GoldenKind.Unscale,
            "layers" => GoldenKind.Layers,
            "training" => GoldenKind.Training,
            "amp_training" => GoldenKind.AmpTraining,
            _ => GoldenKind.Unknown,
        };
        return named != GoldenKind.Unknown ? named : RecogniseContent(path, json);
    }

    /// <summary>Reads the content in the form of its kind.</summary>
    /// <exception cref="DataFormatException">It is not JSON, or not of that form.</exception>
    public static T Read<T>(string path, ReadOnlySpan<byte> json, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(json, type)
                ?? throw new DataFormatException(path, 0, "null", $"a golden file");
        }
        catch (JsonException e)
        {
            throw Malformed(path, json, e);
        }
        catch (Exception e)
            when (e is InvalidOperationException or FormatException and not DataFormatException or NotSupportedException
            )
        {
            // The serializer's exceptions for a number or a string of another type.
            throw new DataFormatException(path, 0, "values of another type", "a golden file", e);
        }
    }

    private static GoldenKind RecogniseContent(string path, ReadOnlySpan<byte> json)
    {
        HashSet<string> names = [];
        string source = "";
        var reader = new Utf8JsonReader(json);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return GoldenKind.Unknown;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                names.Add(name);
                if (!reader.Read())
                    break;
                if (name == "source" && reader.TokenType == JsonTokenType.String)
                    source = reader.GetString()!;
                reader.Skip();
            }
        }
        catch (JsonException e)
        {
            throw Malformed(path, json, e);
        }
        catch (InvalidOperationException e)
        {
            throw new DataFormatException(path, reader.TokenStartIndex, "a string that is not Unicode", "JSON", e);
        }

        if (names.Contains("cases"))
            return source.Contains("_fused_adam", StringComparison.Ordinal) ? GoldenKind.Adam
                : source.Contains("_fused_sgd", StringComparison.Ordinal) ? GoldenKind.Sgd
                : source.Contains("_amp_update_scale_", StringComparison.Ordinal) ? GoldenKind.Scaler
                : source.Contains("check_and_unscale_", StringComparison.Ordinal) ? GoldenKind.Unscale
                : GoldenKind.Unknown;
        if (names.Contains("ops"))
            return GoldenKind.Layers;
        if (names.Contains("losses") && names.Contains("initial"))
            return names.Contains("scales") ? GoldenKind.AmpTraining : GoldenKind.Training;
        return GoldenKind.Unknown;
    }

    private static DataFormatException Malformed(string path, ReadOnlySpan<byte> json, JsonException e)
    {
        long offset = e.BytePositionInLine ?? 0;
        // Lines before the faulty one; these files usually have a single line.
        ReadOnlySpan<byte> rest = json;
        for (long line = e.LineNumber ?? 0; line > 0 && rest.IndexOf((byte)'\n') is >= 0 and var end; line--)
        {
            offset += end + 1;
            rest = rest[(end + 1)..];
        }

        string where = string.IsNullOrEmpty(e.Path) ? "JSON that is not valid" : $"something else at {e.Path}";
        return new DataFormatException(path, offset, where, "a golden file of its kind", e);
    }
}
