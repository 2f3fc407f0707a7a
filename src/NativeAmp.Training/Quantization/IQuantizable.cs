using NativeAmp.Interop;

namespace NativeAmp.Training.Quantization;

/// <summary>A layer whose weight can become integers.</summary>
internal interface IQuantizable
{
    /// <summary>The weight in float32. Not of a layer that computes with integers.</summary>
    Parameter Weight { get; }

    /// <summary>The weight in float32; null where the layer computes with integers.</summary>
    Parameter? FloatWeight { get; }

    /// <summary>[out], or null.</summary>
    Parameter? Bias { get; }

    /// <summary>The weight as integers; null if it is not.</summary>
    QuantizedTensor? Quantized { get; }

    /// <summary>The codes of the input; null unless the kind is <see cref="QuantizationKind.Int8Static"/>.</summary>
    InputCodes? InputCodes { get; }

    /// <summary>The hooks in the layer's forward passes.</summary>
    LayerHooks Hooks { get; }

    /// <summary>Takes the integers for the weight.</summary>
    /// <param name="weight">The integers.</param>
    /// <param name="kind">How the layer computes with them.</param>
    /// <param name="input">The codes of the input, for <see cref="QuantizationKind.Int8Static"/>.</param>
    void Quantize(QuantizedTensor weight, QuantizationKind kind, InputCodes? input);

    /// <summary>The device of the integers; null if there are none.</summary>
    Device? IntegersDevice { get; }

    /// <summary>Takes the integers with which the layer computes to a device, if there are any.</summary>
    void MoveIntegers(Device device);

    /// <summary>The largest number of inputs of an output whose sum of integers is exact.</summary>
    long MostInputs(QuantizationKind kind) =>
        kind switch
        {
            QuantizationKind.Int8Static => NativeConstants.Int8ShiftedMaxK,
            QuantizationKind.Int8Dynamic when this is Linear => NativeConstants.Int8GemmMaxK,
            _ => long.MaxValue,
        };

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
