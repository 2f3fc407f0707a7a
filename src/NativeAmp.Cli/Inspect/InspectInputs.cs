using System.Text.Json;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Inspect;

/// <summary>Finds the safetensors files of an argument: a file, a folder or an index of shards.</summary>
internal static class InspectInputs
{
    private const string Extension = ".safetensors";
    private const string IndexExtension = ".safetensors.index.json";
    private const string CheckpointPrefix = "step-";
    private const long LargestIndex = 100_000_000;

    /// <summary>The files, in order.</summary>
    /// <exception cref="DataFormatException">A folder holds none, or an index is damaged or names a file
    /// elsewhere.</exception>
    /// <exception cref="IOException">A file is not there or cannot be read.</exception>
    public static IReadOnlyList<string> Resolve(string path)
    {
        if (Directory.Exists(path))
            return ResolveFolder(path);
        return path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? ReadIndex(path) : [path];
    }

    private static IReadOnlyList<string> ResolveFolder(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)];
        if (files.FirstOrDefault(file => file.EndsWith(IndexExtension, StringComparison.Ordinal)) is { } index)
            return ReadIndex(index);
        string[] tensors = [.. files.Where(file => file.EndsWith(Extension, StringComparison.Ordinal))];
        if (tensors.Length == 0)
            throw new DataFormatException(
                folder,
                0,
                "a folder without safetensors files",
                "a checkpoint, shards with their index, or a file"
            );
        // The newest of a run's checkpoints; their names have one length.
        return tensors.All(file => Path.GetFileName(file).StartsWith(CheckpointPrefix, StringComparison.Ordinal))
            ? [tensors[^1]]
            : tensors;
    }

    /// <summary>The shards of an index as Hugging Face writes it: {"weight_map": {"tensor": "file", …}}.</summary>
    private static IReadOnlyList<string> ReadIndex(string path)
    {
        try
        {
            using JsonDocument index = JsonDocument.Parse(InputFile.ReadAll(path, LargestIndex));
            if (
                index.RootElement.ValueKind != JsonValueKind.Object
                || !index.RootElement.TryGetProperty("weight_map", out JsonElement map)
                || map.ValueKind != JsonValueKind.Object
            )
                throw new DataFormatException(path, 0, "JSON without a weight_map", "an index of safetensors shards");
            string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            string[] shards =
            [
                .. map.EnumerateObject().Select(entry => Shard(path, entry)).Distinct().Order(StringComparer.Ordinal),
            ];
            return shards.Length > 0
                ? [.. shards.Select(shard => Path.Combine(folder, shard))]
                : throw new DataFormatException(path, 0, "an empty weight_map", "tensors with their files");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DataFormatException(
                path,
                (e as JsonException)?.BytePositionInLine ?? 0,
                "text that is not JSON",
                "an index of safetensors shards",
                e
            );
        }
    }

    private static string Shard(string path, JsonProperty entry)
    {
        string shard = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : "";
        return shard.Length > 0 && shard is not (".." or ".") && !shard.AsSpan().ContainsAny('/', '\\', '\0')
            ? shard
            : throw new DataFormatException(
                path,
                0,
                $"'{shard}' as the file of '{entry.Name}'",
                "the name of a file in the same folder"
            );
    }
}
