namespace NativeAmp;

/// <summary>
/// The state and step counts of all parameters of an optimizer, and the table through which kernels reach them.
/// </summary>
internal sealed class OptimizerMemory : IDisposable
{
    private readonly IParameter[] _parameters;
    private readonly string[] _names;
    private readonly IReadOnlyList<string>[] _stateNames;
    private readonly StateColumn[] _state;
    private readonly TensorCell[] _gradients;
    private readonly TensorCell[] _computeCopies;
    private readonly OptimizerLink _link;
    private bool _gradientsMoved;
    private bool _computeCopiesMoved;

    public OptimizerMemory(
        Device device,
        IParameter[] parameters,
        string[] names,
        int[] groups,
        ParameterGroup[] options,
        OptimizerLink link
    )
    {
        _link = link;
        _parameters = parameters;
        _names = names;
        _stateNames = [.. groups.Select(g => options[g].Options.StateNames)];
        long[] counts = [.. parameters.Select(p => p.Count)];
        _gradients = [.. parameters.Select(p => p.Gradient)];
        _computeCopies = [.. parameters.Select(p => p.ComputeCopy)];
        var buffers = new List<IDisposable>();
        try
        {
            _state = [.. Enumerable.Range(0, _stateNames.Max(names => names.Count)).Select(Column)];
            Steps = new StepCounts(device, parameters.Length);
            buffers.Add(Steps);
            Columns = OptimizerColumns.WithComputeCopy(_state.Length);
            List<TensorCell[]> columns =
            [
                [.. parameters.Select(p => new TensorCell(p.Data, p.DType))],
                _gradients,
                .. _state.Select(column => parameters.Select((_, i) => column.Cell(i)).ToArray()),
                _computeCopies,
            ];
            Masters = new MasterColumn(
                device,
                parameters,
                [.. parameters.Select((p, i) => options[groups[i]].Options.RemainderDType(p))]
            );
            buffers.Add(Masters);
            if (Masters.Any)
            {
                Columns = Columns with { Remainder = columns.Count };
                columns.Add([.. parameters.Select((_, i) => Masters.Cell(i))]);
            }
            Table = TensorTable.CreateGrouped(device, counts, groups, [.. columns]);
        }
        catch
        {
            foreach (var buffer in buffers)
                buffer.Dispose();
            throw;
        }

        StateColumn Column(int state)
        {
            var column = new StateColumn(
                device,
                counts,
                [
                    .. parameters.Select(
                        (p, i) =>
                            state < _stateNames[i].Count ? options[groups[i]].Options.StateDType(state, p) : DType.None
                    ),
                ]
            );
            buffers.Add(column);
            return column;
        }
    }

    /// <summary>The table, with its columns.</summary>
    public TensorTable Table { get; }

    /// <summary>The meaning of the table's columns.</summary>
    public OptimizerColumns Columns { get; }

    /// <summary>How often each parameter was updated.</summary>
    public StepCounts Steps { get; }

    /// <summary>The remainders of the parameters' masters.</summary>
    public MasterColumn Masters { get; }

    /// <summary>Bytes of the state.</summary>
    public long StateBytes => _state.Sum(column => column.Bytes) + Masters.Bytes;

    /// <summary>Whether all gradients were float32 at the last refresh.</summary>
    public bool AllGradientsFloat32 { get; private set; }

    /// <summary>
    /// Updates the table with gradients and compute copies that moved. Returns whether there is any gradient.
    /// </summary>
    /// <param name="stepping">Whether a step is about to write the parameters that have a gradient.</param>
    /// <param name="withNew">Whether gradients that began after the last check count.</param>
    public bool Refresh(bool stepping, bool withNew = true)
    {
        bool any = false,
            allFloat32 = true;
        for (int i = 0; i < _parameters.Length; i++)
        {
            var gradient =
                withNew || _parameters[i] is not ITrackedParameter { HasNewGradient: true }
                    ? _parameters[i].Gradient
                    : default;
            if (gradient.Pointer != 0)
            {
                any = true;
                if (stepping)
                    _link.Writes[i]++;
                allFloat32 &= gradient.DType == DType.Float32;
            }
            _computeCopiesMoved |= Assign(ref _computeCopies[i], _parameters[i].ComputeCopy);
            if (!Assign(ref _gradients[i], gradient))
                continue;
            _gradientsMoved = true;
            _link.Gradients.OthersCame |= gradient.Pointer != 0;
        }
        if (_gradientsMoved)
            Table.SetColumn(Columns.Gradient, _gradients);
        _gradientsMoved = false;
        if (_computeCopiesMoved)
            Table.SetColumn(Columns.ComputeCopy, _computeCopies);
        _computeCopiesMoved = false;
        AllGradientsFloat32 = allFloat32;
        return any;
    }

    /// <summary>The table's gradients and compute copies now.</summary>
    public (TensorCell[] Gradients, TensorCell[] ComputeCopies) Cells() => ([.. _gradients], [.. _computeCopies]);

    /// <summary>Sets the table's gradients and compute copies to those of another time, where they differ.</summary>
    public void Restore(TensorCell[] gradients, TensorCell[] computeCopies)
    {
        if (!_gradients.AsSpan().SequenceEqual(gradients))
        {
            Table.SetColumn(Columns.Gradient, gradients);
            gradients.CopyTo(_gradients, 0);
        }
        if (!_computeCopies.AsSpan().SequenceEqual(computeCopies))
        {
            Table.SetColumn(Columns.ComputeCopy, computeCopies);
            computeCopies.CopyTo(_computeCopies, 0);
        }
    }

    /// <summary>Copies all state and counts to the host.</summary>
    public ParameterSnapshot[] Read()
    {
        long[] steps = Steps.Read();
        return
        [
            .. _names.Select(
                (name, i) =>
                    new ParameterSnapshot
                    {
                        Name = name,
                        Step = steps[i],
                        State = StateOf(i),
                    }
            ),
        ];

        Dictionary<string, float[]> StateOf(int index)
        {
            var state = _stateNames[index]
                .Select((name, column) => (name, values: _state[column].Read(index)))
                .ToDictionary(pair => pair.name, pair => pair.values);
            if (Masters.Read(index) is { } master)
                state.Add(MasterColumn.Name, master);
            return state;
        }
    }

    /// <summary>Sets all state and counts. They were checked before.</summary>
    public void Write(ParameterSnapshot[] parameters)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            for (int column = 0; column < _stateNames[i].Count; column++)
                _state[column].Write(i, parameters[i].State[_stateNames[i][column]]);
            float[]? master = parameters[i].State.GetValueOrDefault(MasterColumn.Name);
            // Who writes a tracked parameter sets its master as well.
            if (master is not null || _parameters[i] is not ITrackedParameter)
                Masters.Write(i, master);
        }
        Steps.Write([.. parameters.Select(p => p.Step)]);
    }

    /// <summary>The reason why a snapshot does not fit; null if it fits.</summary>
    public string? Misfit(int index, ParameterSnapshot snapshot)
    {
        long count = _parameters[index].Count;
        if (snapshot.Step < 0)
            return $"'{_names[index]}' cannot have been updated {snapshot.Step} times.";
        string[] optional = snapshot.State.ContainsKey(MasterColumn.Name) ? [MasterColumn.Name] : [];
        foreach (string name in _stateNames[index].Concat(optional))
        {
            if (!snapshot.State.TryGetValue(name, out float[]? values))
                return $"The state of '{_names[index]}' has no {name}, which this optimizer needs.";
            if (values.LongLength != count)
                return $"The {name} of '{_names[index]}' has {values.LongLength} elements; the parameter has {count}.";
        }
        return snapshot.State.Keys.Except(_stateNames[index]).Except(optional).FirstOrDefault() is { } other
            ? $"The state of '{_names[index]}' has {other}, which this optimizer does not know."
            : null;
    }

    public void Dispose()
    {
        Table.Dispose();
        Steps.Dispose();
        foreach (var buffer in _state)
            buffer.Dispose();
        Masters.Dispose();
    }

    private static bool Assign(ref TensorCell cell, TensorCell value)
    {
        if (cell == value)
            return false;
        cell = value;
        return true;
    }
}
