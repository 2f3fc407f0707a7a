using NativeAmp.Interop;

namespace NativeAmp.Training.Quantization;

/// <summary>A quantised weight on a device, with which a linear layer or a convolution computes.</summary>
internal sealed unsafe partial class IntegerWeight : IDisposable
{
    private readonly Storage _codes;
    private readonly long _bytes; // of codes that are packed
    private readonly Storage? _scales; // null where they are packed with the codes
    private bool _isDisposed;

    public IntegerWeight(QuantizedTensor weight, QuantizationKind kind, InputCodes? input, Device device)
    {
        Weight = weight;
        Input = input;
        Kind = kind;
        Device = device;
        if (kind == QuantizationKind.Int4Dynamic)
        {
            _codes = PackedInt4(weight, device, out _bytes);
            return;
        }

        _codes = IsPacked ? Packed(weight, device, out _bytes) : Stored(weight, device, MemoryKind.Parameters);
        _scales = StoredScales(weight, device, MemoryKind.Parameters);
    }

    public QuantizedTensor Weight { get; }

    public QuantizationKind Kind { get; }

    public Device Device { get; }

    /// <summary>The codes of inputs; null where each row finds its own scale, and with float inputs.</summary>
    public InputCodes? Input { get; }

    // Whether products or convolutions of integers read the codes, as the device likes them best.
    private bool IsPacked => Kind is QuantizationKind.Int8Dynamic or QuantizationKind.Int8Static;

    /// <summary>activation(input · weightᵀ + bias), as <see cref="Ops.Linear"/>, without a gradient.</summary>
    public Tensor Multiply(Tensor input, Parameter? bias, Activation activation)
    {
        const string operation = nameof(Ops.Linear);
        Check(input, bias, operation);
        long outputs = Weight.Rows;
        long inputs = Weight.Columns;
        Requires.That(
            input.Shape.Rank >= 1 && input.Shape[-1] == inputs,
            input,
            null,
            $"the input's last dimension must be the weight's {inputs}",
            operation
        );
        DType dtype = Precision.Of("linear", input);
        Tensor output = Tensor.Result(Device, dtype, input.Shape.WithLast(outputs));
        if (Kind == QuantizationKind.Int4Dynamic)
            MultiplyInt4(input, bias, output);
        else if (IsPacked)
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

    /// <summary>The same on another device, which takes the place of this one.</summary>
    public IntegerWeight MovedTo(Device device)
    {
        if (device == Device)
            return this;
        var moved = new IntegerWeight(Weight, Kind, Input, device);
        Dispose();
        return moved;
    }

    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _codes.Drop();
        _scales?.Drop();
    }

    private static Storage Stored(QuantizedTensor weight, Device device, MemoryKind kind)
    {
        Storage codes = Storage.Allocate(device, DType.UInt8, weight.Codes.Length, kind);
        codes.Write(weight.Codes.AsSpan());
        return codes;
    }

    private static Storage StoredScales(QuantizedTensor weight, Device device, MemoryKind kind)
    {
        Storage scales = Storage.Allocate(device, DType.Float32, weight.Scales.Length, kind);
        scales.Write(weight.Scales.AsSpan());
        return scales;
    }

    // Laid out once for every call. Only this copy stays on the device.
    private static Storage Packed(QuantizedTensor weight, Device device, out long bytes)
    {
        NampInt8PackArgs args = NampInt8PackArgs.Create();
        args.N = weight.Rows;
        args.K = weight.Columns;
        if (weight.Shape.Rank == 4)
            (args.KernelH, args.KernelW) = (weight.Shape[2], weight.Shape[3]);
        args.PackedBytes = bytes = NativeOps.Int8PackedBytes(device, args);
        Storage packed = Storage.Allocate(device, DType.UInt8, args.PackedBytes, MemoryKind.Parameters);
        Storage plain = Stored(weight, device, MemoryKind.Workspace);
        args.Weight = (sbyte*)plain.Pointer;
        args.Packed = packed.Pointer;
        NativeOps.Int8Pack(device, args);
        plain.Drop();
        return packed;
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
        args.Scales = (float*)_scales!.Pointer;
        args.Bias = bias is null ? null : (float*)bias.Pointer;
        args.C = output.Pointer;
        NativeOps.CodeGemm(Device, args);
    }

    private void MultiplyIntegers(Tensor input, Parameter? bias, Tensor output)
    {
        long rows = input.Count / Weight.Columns;
        Storage codes = Storage.Allocate(Device, DType.UInt8, input.Count, MemoryKind.Workspace);
        Storage? scales = null;
        NampInt8GemmArgs args = NampInt8GemmArgs.Create();
        if (Input is { } known)
        {
            QuantizeTensor(input, known, codes);
            args.AScale = known.Scale;
            args.AZeroPoint = known.ZeroPoint;
        }
        else
        {
            scales = QuantizeRows(input, codes);
            args.AScales = (float*)scales.Pointer;
        }

        args.CDtype = (int)output.DType;
        args.M = rows;
        args.N = Weight.Rows;
        args.K = Weight.Columns;
        args.A = (sbyte*)codes.Pointer;
        args.B = _codes.Pointer;
        args.BBytes = _bytes;
        args.BScales = (float*)_scales!.Pointer;
        args.Bias = bias is null ? null : (float*)bias.Pointer;
        args.C = output.Pointer;
        NativeOps.Int8Gemm(Device, args);
        codes.Drop();
        scales?.Drop();
    }

    // The codes of rows, or of their groups; their scales.
    private Storage QuantizeRows(Tensor input, Storage codes)
    {
        NampRowCodesArgs args = NampRowCodesArgs.Create();
        args.Dtype = (int)input.DType;
        args.Rows = input.Count / Weight.Columns;
        args.Width = Weight.Columns;
        args.Group = Weight.Group;
        Storage scales = Storage.Allocate(Device, DType.Float32, args.Rows * Weight.Groups, MemoryKind.Workspace);
        args.Input = input.Pointer;
        args.Codes = (sbyte*)codes.Pointer;
        args.Scales = (float*)scales.Pointer;
        NativeOps.QuantizeRows(Device, args);
        return scales;
    }

    private void QuantizeTensor(Tensor input, InputCodes known, Storage codes)
    {
        NampTensorCodesArgs args = NampTensorCodesArgs.Create();
        args.Dtype = (int)input.DType;
        args.Count = input.Count;
        args.Input = input.Pointer;
        args.Codes = (sbyte*)codes.Pointer;
        args.Scale = known.Scale;
        args.ZeroPoint = known.ZeroPoint;
        NativeOps.QuantizeTensor(Device, args);
    }

    // Checks an input before anything is computed.
    private void Check(Tensor input, Parameter? bias, string operation)
    {
        Requires.FloatingPoint(input, operation);
        if (input.Device != Device)
            throw new ArgumentException(
                $"The layer was quantised on {Device.Kind}, and its {input.Describe()} is on {input.Device.Kind}."
            );
        Requires.SameDevice(input, bias, operation);
        if (Ops.Records(input, bias))
            throw new InvalidOperationException(
                "A quantised layer has no gradient; compute under NoGrad.Enter(), as Evaluation does."
            );
    }
}
