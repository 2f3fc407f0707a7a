using System.Runtime.InteropServices;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Checkpoints;

/// <summary>A module's state as a safetensors file: the layout in which other libraries pass models on.</summary>
internal static class ModuleFile
{
    public static void Save(Module module, string path, DType dtype, Func<string, string> rename)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (IQuantizable.Of(module).Any(each => each.Layer.Quantized is not null))
            throw new InvalidOperationException("The model is quantised: save it with QuantizedFile.Save.");
        SafetensorsDType type = TypeOf(dtype);
        (SafetensorsEntry Entry, Parameter Values)[] state =
        [
            .. module
                .State()
                .Select(each => (new SafetensorsEntry(rename(each.Name), type, Dimensions(each.Values)), each.Values)),
        ];
        AtomicFile.Write(
            path,
            stream =>
            {
                var writer = new SafetensorsWriter(stream, state.Select(each => each.Entry));
                foreach ((SafetensorsEntry entry, Parameter values) in state)
                    writer.Write(FloatBytes.InRange(values.ReadMaster(), dtype, entry.Name));
                writer.Complete();
            }
        );
    }

    /// <summary>A dtype as a file has it.</summary>
    /// <exception cref="ArgumentException">It is not a type of parameters in files.</exception>
    public static SafetensorsDType TypeOf(DType dtype) =>
        dtype switch
        {
            DType.Float32 => SafetensorsDType.F32,
            DType.Float16 => SafetensorsDType.F16,
            DType.BFloat16 => SafetensorsDType.BF16,
            _ => throw new ArgumentException(
                $"A model is saved as Float32, Float16 or BFloat16, not as {dtype}.",
                nameof(dtype)
            ),
        };

    public static ModuleLoadResult Load(Module module, string path, Func<string, string> rename, bool strict)
    {
        using var reader = SafetensorsReader.Open(path);
        var found = reader.Entries.ToLookup(entry => rename(entry.Name));
        // A parameter that modules share has several names, and a file may have each of them or one.
        var names = module
            .NamedParameters()
            .Concat(module.NamedBuffers())
            .ToLookup(each => each.Item2, each => each.Name);
        var known = names.SelectMany(each => each).ToHashSet();

        List<string> problems = [];
        List<(Parameter Target, SafetensorsEntry Source)> pairs = [];
        List<string> missing = [];
        foreach (IGrouping<Parameter, string> target in names)
        {
            foreach (string name in target.Where(name => found[name].Count() > 1))
                problems.Add($"{string.Join(" and ", found[name].Select(each => $"'{each.Name}'"))} are both '{name}'");
            if (target.SelectMany(name => found[name]).FirstOrDefault() is not { } source)
            {
                missing.Add(target.First());
                continue;
            }
            if (source.DType is not (SafetensorsDType.F32 or SafetensorsDType.F16 or SafetensorsDType.BF16))
                problems.Add($"'{source.Name}' is {source.DType}, where F32, F16 and BF16 can be loaded");
            else if (!source.Shape.SequenceEqual(Dimensions(target.Key)))
                problems.Add(
                    $"'{source.Name}' is [{string.Join(", ", source.Shape)}], where the model's '{target.First()}' is "
                        + $"{target.Key.Shape}"
                );
            pairs.Add((target.Key, source));
        }
        string[] unexpected =
        [
            .. reader.Entries.Select(entry => entry.Name).Where(name => !known.Contains(rename(name))),
        ];
        if (strict)
        {
            problems.AddRange(missing.Select(name => $"there is no '{name}'"));
            problems.AddRange(unexpected.Select(name => $"'{name}' is not of the model"));
        }
        if (problems.Count > 0)
            throw new CheckpointException(path, problems);

        // All of it is read before any of it is taken: a damaged file changes nothing.
        float[][] values = [.. pairs.Select(pair => Read(reader, pair.Source))];
        foreach (((Parameter target, _), float[] read) in pairs.Zip(values))
            target.WriteMaster(read);
        return new ModuleLoadResult(missing, unexpected);
    }

    internal static long[] Dimensions(Parameter parameter) => parameter.Shape.Dimensions.ToArray();

    /// <summary>The numbers of a tensor of F32, F16 or BF16.</summary>
    public static float[] Read(SafetensorsReader reader, SafetensorsEntry entry) =>
        entry.DType switch
        {
            SafetensorsDType.F16 => Array.ConvertAll(Read<Half>(reader, entry), value => (float)value),
            SafetensorsDType.BF16 => Array.ConvertAll(Read<BFloat16>(reader, entry), value => (float)value),
            _ => Read<float>(reader, entry),
        };

    internal static T[] Read<T>(SafetensorsReader reader, SafetensorsEntry entry)
        where T : unmanaged
    {
        T[] values = new T[entry.Shape.Aggregate(1L, (count, size) => count * size)];
        reader.Read(entry, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
