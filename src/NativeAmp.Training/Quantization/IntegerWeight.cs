using NativeAmp.Interop;

namespace NativeAmp.Training.Quantization;

/// <summary>A quantised weight on a device, with which a linear layer computes.</summary>
internal sealed unsafe class IntegerWeight : IDisposable
{
    private readonly Device _device;
    private readonly QuantizationKind _kind;
    private readonly Storage _codes;
    private readonly Storage _scales;
    private bool _isDisposed;

    public IntegerWeight(QuantizedTensor weight, QuantizationKind kind, Device device)
    {
        Weight = weight;
        _kind = kind;
        _device = device;
        _codes = Storage.Allocate(device, DType.UInt8, weight.Codes.Length, MemoryKind.Parameters);
        _scales = Storage.Allocate(device, DType.Float32, weight.Scales.Length, MemoryKind.Parameters);
        _codes.Write(weight.Codes.AsSpan());
        _scales.Write(weight.Scales.AsSpan());
    }

    public QuantizedTensor Weight { get; }

    /// <summary>activation(input · weightᵀ + bias), as <see cref="Ops.Linear"/>, without a gradient.</summary>
    public Tensor Multiply(Tensor input, Parameter? bias, Activation activation)
    {
        const string operation = nameof(Ops.Linear);
        Requires.FloatingPoint(input, operation);
        if (input.Device != _device)
            throw new ArgumentException(
                $"The layer was quantised on {_device.Kind}, and its {input.Describe()} is on {input.Device.Kind}."
            );
        Requires.SameDevice(input, bias, operation);
        long outputs = Weight.Rows;
        long inputs = Weight.Columns;
        Requires.That(
            input.Shape.Rank >= 1 && input.Shape[-1] == inputs,
            input,
            null,
            $"the input's last dimension must be the weight's {inputs}",
            operation
        );
        if (Ops.Records(input, bias))
            throw new InvalidOperationException(
                "A quantised layer has no gradient; compute under NoGrad.Enter(), as Evaluation does."
            );
        DType dtype = Precision.Of("linear", input);
        Tensor output = Tensor.Result(_device, dtype, input.Shape.WithLast(outputs));
        if (_kind == QuantizationKind.Int8Dynamic)
            MultiplyIntegers(input, bias, output);
        else
            MultiplyCodes(input, bias, output);
        GC.KeepAlive(bias);
        if (activation == Activation.None)
            return output;
        Tensor activated = Ops.Activate(output, activation);
        output.Release("it lay between a quantised layer and its activation");
        return activated;
    }

    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _codes.Drop();
        _scales.Drop();
    }

    private void MultiplyCodes(Tensor input, Parameter? bias, Tensor output)
    {
        NampCodeGemmArgs args = NampCodeGemmArgs.Create();
        args.ADtype = (int)input.DType;
        args.CDtype = (int)output.DType;
        args.Bits = Weight.Bits;
        args.Group = Weight.Group;
        args.M = input.Count / Weight.Columns;
        args.N = Weight.Rows;
        args.K = Weight.Columns;
        args.A = input.Pointer;
        args.Codes = (byte*)_codes.Pointer;
        args.Scales = (float*)_scales.Pointer;
        args.Bias = bias is null ? null : (float*)bias.Pointer;
        args.C = output.Pointer;
        NativeOps.CodeGemm(_device, args);
    }

    private void MultiplyIntegers(Tensor input, Parameter? bias, Tensor output)
    {
        long rows = input.Count / Weight.Columns;
        Storage codes = Storage.Allocate(_device, DType.UInt8, input.Count, MemoryKind.Workspace);
        Storage scales = Storage.Allocate(_device, DType.Float32, rows, MemoryKind.Workspace);
        NampRowCodesArgs quantize = NampRowCodesArgs.Create();
        quantize.Dtype = (int)input.DType;
        quantize.Rows = rows;
        quantize.Width = Weight.Columns;
        quantize.Input = input.Pointer;
        quantize.Codes = (sbyte*)codes.Pointer;
        quantize.Scales = (float*)scales.Pointer;
        NativeOps.QuantizeRows(_device, quantize);
        NampInt8GemmArgs args = NampInt8GemmArgs.Create();
        args.CDtype = (int)output.DType;
        args.M = rows;
        args.N = Weight.Rows;
        args.K = Weight.Columns;
        args.A = quantize.Codes;
        args.AScales = quantize.Scales;
        args.B = (sbyte*)_codes.Pointer;
        args.BScales = (float*)_scales.Pointer;
        args.Bias = bias is null ? null : (float*)bias.Pointer;
        args.C = output.Pointer;
        NativeOps.Int8Gemm(_device, args);
        codes.Drop();
        scales.Drop();
    }
}
