using System.Globalization;
using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>An optimizer's state as a dictionary of tensors, like a module's.</summary>
internal static class OptimizerStateDict
{
    private const string AppliedSteps = "applied_steps";
    private const string Step = "step";
    private const string Master = "master";

    public static Dictionary<string, torch.Tensor> Of(
        NativeAmp.FusedOptimizer optimizer,
        FusedParamGroup[] groups,
        IReadOnlyList<TorchParameter> parameters
    )
    {
        var state = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        OptimizerSnapshot snapshot = optimizer.SaveState();
        state.Add(AppliedSteps, torch.tensor(snapshot.Step));
        for (int i = 0; i < groups.Length; i++)
        {
            state.Add(LearningRate(i), torch.tensor(groups[i].LearningRate));
            state.Add(InitialLearningRate(i), torch.tensor(groups[i].InitialLearningRate));
        }
        for (int i = 0; i < parameters.Count; i++)
        {
            ParameterSnapshot own = snapshot.Parameters[i];
            state.Add($"{own.Name}.{Step}", torch.tensor(own.Step));
            foreach ((string column, float[] values) in own.State)
                state.Add($"{own.Name}.{column}", parameters[i].Layout.FromMemoryOrder(values));
            if (parameters[i].Master is { } master)
                state.Add($"{own.Name}.{Master}", master.detach().cpu().clone());
        }
        foreach (torch.Tensor tensor in state.Values)
            tensor.DetachFromDisposeScope();
        return state;
    }

    public static void Load(
        IReadOnlyDictionary<string, torch.Tensor> state,
        NativeAmp.FusedOptimizer optimizer,
        FusedParamGroup[] groups,
        IReadOnlyList<TorchParameter> parameters
    )
    {
        using var _ = torch.no_grad();
        var reader = new Reader(state);
        OptimizerSnapshot form = optimizer.SaveState();
        var rates = groups
            .Select((group, i) => (Now: reader.Number(LearningRate(i)), Initial: reader.Number(InitialLearningRate(i))))
            .ToArray();
        foreach ((double now, double initial) in rates)
        {
            if (!double.IsFinite(now) || now < 0 || !double.IsFinite(initial) || initial < 0)
                throw new ArgumentException(
                    FormattableString.Invariant($"A learning rate is {now}, {initial} at first; it must be 0 or more.")
                );
        }
        var masters = new torch.Tensor?[parameters.Count];
        var snapshot = new OptimizerSnapshot
        {
            Step = reader.Count(AppliedSteps),
            Parameters =
            [
                .. form.Parameters.Select(
                    (own, i) =>
                    {
                        if (parameters[i].Master is not null)
                            masters[i] = reader.Tensor($"{own.Name}.{Master}", parameters[i].Layout.Shape);
                        return new ParameterSnapshot
                        {
                            Name = own.Name,
                            Step = reader.Count($"{own.Name}.{Step}"),
                            State = own.State.Keys.ToDictionary(
                                column => column,
                                column =>
                                    parameters[i]
                                        .Layout.InMemoryOrder(
                                            reader.Tensor($"{own.Name}.{column}", parameters[i].Layout.Shape)
                                        )
                            ),
                        };
                    }
                ),
            ],
        };
        reader.EnsureAllRead();
        // Refuses what it cannot take, before anything is changed.
        optimizer.LoadState(snapshot);
        for (int i = 0; i < groups.Length; i++)
            (groups[i].LearningRate, groups[i].InitialLearningRate) = rates[i];
        for (int i = 0; i < parameters.Count; i++)
        {
            if (masters[i] is { } master)
                parameters[i].SetMaster(master);
        }
    }

    private static string LearningRate(int group) => FormattableString.Invariant($"param_groups.{group}.lr");

    private static string InitialLearningRate(int group) =>
        FormattableString.Invariant($"param_groups.{group}.initial_lr");

    /// <summary>Reads a dictionary, and knows which keys it has read.</summary>
    private sealed class Reader(IReadOnlyDictionary<string, torch.Tensor> state)
    {
        private readonly HashSet<string> _read = new(StringComparer.Ordinal);

        public torch.Tensor Tensor(string key, long[] shape)
        {
            if (!state.TryGetValue(key, out torch.Tensor? tensor))
                throw new ArgumentException($"The state has no '{key}', which this optimizer needs.");
            _read.Add(key);
            return !tensor.IsInvalid && tensor.shape.AsSpan().SequenceEqual(shape)
                ? tensor
                : throw new ArgumentException(
                    $"'{key}' of the state "
                        + (tensor.IsInvalid ? "was disposed." : $"has the shape [{string.Join(", ", tensor.shape)}], ")
                        + $"not [{string.Join(", ", shape)}]."
                );
        }

        public double Number(string key) => One(key, torch.ScalarType.Float64).ReadCpuDouble(0);

        public long Count(string key) => One(key, torch.ScalarType.Int64).ReadCpuInt64(0);

        public void EnsureAllRead()
        {
            if (state.Keys.FirstOrDefault(key => !_read.Contains(key)) is { } other)
                throw new ArgumentException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"The state has '{other}', which this optimizer does not know."
                    )
                );
        }

        private torch.Tensor One(string key, torch.ScalarType type)
        {
            torch.Tensor tensor = Tensor(key, []);
            return tensor.dtype == type && tensor.device_type == DeviceType.CPU
                ? tensor
                : throw new ArgumentException(
                    $"'{key}' of the state is {tensor.dtype} on {tensor.device}, not {type}."
                );
        }
    }
}
