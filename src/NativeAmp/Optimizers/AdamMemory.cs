namespace NativeAmp;

/// <summary>The moments and step counts of all parameters of an optimizer, in one buffer a kind, and the table that shows them to the kernels.</summary>
internal sealed class AdamMemory : IDisposable
{
    // 256 bytes: where the allocator would begin a tensor of its own.
    private const long Alignment = 64;

    private readonly IParameter[] _parameters;
    private readonly string[] _names;
    private readonly long[] _offsets;
    private readonly bool[] _amsGrad;
    private readonly DeviceBuffer _first;
    private readonly DeviceBuffer _second;
    private readonly DeviceBuffer? _largest;
    private readonly TensorCell[] _gradients;
    private readonly TensorCell[] _halfCopies;
    private readonly OptimizerLink _link;
    private bool _gradientsMoved;
    private bool _halfCopiesMoved;

    public AdamMemory(Device device, IParameter[] parameters, string[] names, int[] groups, AdamGroup[] options, OptimizerLink link)
    {
        _link = link;
        _parameters = parameters;
        _names = names;
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
        var buffers = new List<IDisposable>();
        try
        {
            _first = Zeros();
            _second = Zeros();
            _largest = _amsGrad.Contains(true) ? Zeros() : null;
            Steps = new AdamSteps(device, parameters.Length);
            buffers.Add(Steps);
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

    /// <summary>How often each parameter was updated.</summary>
    public AdamSteps Steps { get; }

    /// <summary>Whether every gradient there is is float32, as of the last refresh.</summary>
    public bool AllGradientsFloat32 { get; private set; }

    /// <summary>Tells the table of gradients and half copies that moved since the last time; returns whether there is any gradient.</summary>
    /// <param name="stepping">Whether the parameters that have one are about to be written.</param>
    public bool Refresh(bool stepping)
    {
        bool any = false, allFloat32 = true;
        for (int i = 0; i < _parameters.Length; i++)
        {
            var gradient = _parameters[i].Gradient;
            if (gradient.Pointer != 0)
            {
                any = true;
                if (stepping) _link.Writes[i]++;
                allFloat32 &= gradient.DType == DType.Float32;
            }
            _halfCopiesMoved |= Assign(ref _halfCopies[i], _parameters[i].HalfCopy);
            if (!Assign(ref _gradients[i], gradient)) continue;
            _gradientsMoved = true;
            _link.Gradients.OthersCame |= gradient.Pointer != 0;
        }
        if (_gradientsMoved) Table.SetColumn(Columns.Gradient, _gradients);
        _gradientsMoved = false;
        if (_halfCopiesMoved) Table.SetColumn(Columns.HalfCopy, _halfCopies);
        _halfCopiesMoved = false;
        AllGradientsFloat32 = allFloat32;
        return any;
    }

    /// <summary>Copies all moments and counts to the host.</summary>
    public AdamMoments[] Read()
    {
        long[] steps = Steps.Read();
        return [.. _names.Select((name, i) => new AdamMoments(name, steps[i], Copy(_first, i), Copy(_second, i), _amsGrad[i] ? Copy(_largest!, i) : null))];

        float[] Copy(DeviceBuffer buffer, int index)
        {
            var values = new float[_parameters[index].Count];
            buffer.CopyTo(values.AsSpan(), _offsets[index]);
            return values;
        }
    }

    /// <summary>Sets all moments and counts, which fit.</summary>
    public void Write(AdamMoments[] moments)
    {
        for (int i = 0; i < moments.Length; i++)
        {
            _first.CopyFrom<float>(moments[i].First, _offsets[i]);
            _second.CopyFrom<float>(moments[i].Second, _offsets[i]);
            if (_amsGrad[i]) _largest!.CopyFrom<float>(moments[i].LargestSecond, _offsets[i]);
        }
        Steps.Write([.. moments.Select(m => m.Step)]);
    }

    /// <summary>Says what does not fit, or null.</summary>
    public string? Misfit(int index, AdamMoments moments)
    {
        long count = _parameters[index].Count;
        if (moments.Step < 0) return $"'{_names[index]}' cannot have been updated {moments.Step} times.";
        if (moments.First.LongLength != count || moments.Second.LongLength != count)
            return $"The moments of '{_names[index]}' have {moments.First.LongLength} and {moments.Second.LongLength} elements; the parameter has {count}.";
        if (_amsGrad[index] && moments.LargestSecond?.LongLength != count)
            return $"'{_names[index]}' is trained with AMSGrad, and its largest second moment is missing or of the wrong size.";
        return null;
    }

    public void Dispose()
    {
        Table.Dispose();
        Steps.Dispose();
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
