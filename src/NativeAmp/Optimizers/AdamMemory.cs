namespace NativeAmp;

/// <summary>The moments of all parameters of an optimizer, in one buffer a kind, and the table that shows them to the kernels.</summary>
internal sealed class AdamMemory : IDisposable
{
    // 256 bytes: where the allocator would begin a tensor of its own.
    private const long Alignment = 64;

    private readonly IParameter[] _parameters;
    private readonly long[] _offsets;
    private readonly bool[] _amsGrad;
    private readonly DeviceBuffer _first;
    private readonly DeviceBuffer _second;
    private readonly DeviceBuffer? _largest;
    private readonly TensorCell[] _gradients;
    private readonly TensorCell[] _halfCopies;
    private bool _gradientsMoved;
    private bool _halfCopiesMoved;

    public AdamMemory(Device device, IParameter[] parameters, int[] groups, AdamGroup[] options)
    {
        _parameters = parameters;
        _offsets = new long[parameters.Length];
        _amsGrad = [.. groups.Select(g => options[g].Options.AmsGrad)];
        long total = 0;
        for (int i = 0; i < parameters.Length; i++)
        {
            _offsets[i] = total;
            total = checked(total + (parameters[i].Count + Alignment - 1) / Alignment * Alignment);
        }
        _gradients = [.. parameters.Select(p => p.Gradient)];
        _halfCopies = [.. parameters.Select(p => p.HalfCopy)];
        var buffers = new List<DeviceBuffer>();
        try
        {
            _first = Zeros();
            _second = Zeros();
            _largest = _amsGrad.Contains(true) ? Zeros() : null;
            Columns = new AdamColumns { HalfCopy = 4, LargestSecondMoment = _largest is null ? -1 : 5 };
            TensorCell[] largest = [.. parameters.Select((_, i) => Cell(_largest, i))];
            TensorCell[][] columns = [[.. parameters.Select(p => new TensorCell(p.Data, DType.Float32))], _gradients, Cells(_first), Cells(_second), _halfCopies];
            Table = TensorTable.CreateGrouped(device, [.. parameters.Select(p => p.Count)], groups, _largest is null ? columns : [.. columns, largest]);
        }
        catch
        {
            foreach (var buffer in buffers) buffer.Dispose();
            throw;
        }

        DeviceBuffer Zeros()
        {
            var buffer = device.Allocate(DType.Float32, total, MemoryKind.OptimizerState);
            buffers.Add(buffer);
            buffer.Clear();
            return buffer;
        }

        TensorCell[] Cells(DeviceBuffer buffer) => [.. parameters.Select((_, i) => Cell(buffer, i))];
    }

    /// <summary>The table, with its columns.</summary>
    public TensorTable Table { get; }

    /// <summary>What the table's columns hold.</summary>
    public AdamColumns Columns { get; }

    /// <summary>Whether every gradient there is is float32, as of the last refresh.</summary>
    public bool AllGradientsFloat32 { get; private set; }

    /// <summary>Tells the table of gradients and half copies that moved since the last time; returns whether there is any gradient.</summary>
    public bool Refresh()
    {
        bool any = false, allFloat32 = true;
        for (int i = 0; i < _parameters.Length; i++)
        {
            var gradient = _parameters[i].Gradient;
            if (gradient.Pointer != 0)
            {
                any = true;
                allFloat32 &= gradient.DType == DType.Float32;
            }
            _gradientsMoved |= Assign(ref _gradients[i], gradient);
            _halfCopiesMoved |= Assign(ref _halfCopies[i], _parameters[i].HalfCopy);
        }
        if (_gradientsMoved) Table.SetColumn(Columns.Gradient, _gradients);
        _gradientsMoved = false;
        if (_halfCopiesMoved) Table.SetColumn(Columns.HalfCopy, _halfCopies);
        _halfCopiesMoved = false;
        AllGradientsFloat32 = allFloat32;
        return any;
    }

    /// <summary>Copies one parameter's moments to the host.</summary>
    public AdamMoments Read(int index)
    {
        return new AdamMoments(_parameters[index].Name, Copy(_first), Copy(_second), _amsGrad[index] ? Copy(_largest!) : null);

        float[] Copy(DeviceBuffer buffer)
        {
            var values = new float[_parameters[index].Count];
            buffer.CopyTo(values.AsSpan(), _offsets[index]);
            return values;
        }
    }

    /// <summary>Sets one parameter's moments, which fit.</summary>
    public void Write(int index, AdamMoments moments)
    {
        _first.CopyFrom<float>(moments.First, _offsets[index]);
        _second.CopyFrom<float>(moments.Second, _offsets[index]);
        if (_amsGrad[index]) _largest!.CopyFrom<float>(moments.LargestSecond, _offsets[index]);
    }

    /// <summary>Says what does not fit, or null.</summary>
    public string? Misfit(int index, AdamMoments moments)
    {
        var parameter = _parameters[index];
        if (moments.First.LongLength != parameter.Count || moments.Second.LongLength != parameter.Count)
            return $"The moments of '{parameter.Name}' have {moments.First.LongLength} and {moments.Second.LongLength} elements; the parameter has {parameter.Count}.";
        if (_amsGrad[index] && moments.LargestSecond?.LongLength != parameter.Count)
            return $"'{parameter.Name}' is trained with AMSGrad, and its largest second moment is missing or of the wrong size.";
        return null;
    }

    public void Dispose()
    {
        Table.Dispose();
        _first.Dispose();
        _second.Dispose();
        _largest?.Dispose();
    }

    private TensorCell Cell(DeviceBuffer? buffer, int index) => buffer is null || _parameters[index].Count == 0
        ? default
        : new TensorCell(buffer.Pointer + (nint)(_offsets[index] * sizeof(float)), DType.Float32);

    private static bool Assign(ref TensorCell cell, TensorCell value)
    {
        if (cell == value) return false;
        cell = value;
        return true;
    }
}
