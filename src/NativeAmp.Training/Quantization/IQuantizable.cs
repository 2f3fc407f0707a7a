namespace NativeAmp.Training.Quantization;

/// <summary>A layer whose weight can become integers.</summary>
internal interface IQuantizable
{
    /// <summary>The weight in float32. Not of a linear layer that is quantised.</summary>
    Parameter Weight { get; }

    /// <summary>The weight as integers; null if it is not.</summary>
    QuantizedTensor? Quantized { get; }

    /// <summary>Takes the integers for the weight.</summary>
    void Quantize(QuantizedTensor weight, QuantizationKind kind);

    /// <summary>The layers of a model by their full names, each once, in its order.</summary>
    static IReadOnlyList<(string Name, IQuantizable Layer)> Of(Module model)
    {
        List<(string, IQuantizable)> layers = [];
        var seen = new HashSet<Module>();
        Walk("", model);
        return layers;

        void Walk(string name, Module module)
        {
            if (!seen.Add(module))
                return;
            if (module is IQuantizable layer)
                layers.Add((name, layer));
            foreach ((string child, Module each) in module.NamedChildren())
                Walk(name.Length == 0 ? child : $"{name}.{child}", each);
        }
    }
}
