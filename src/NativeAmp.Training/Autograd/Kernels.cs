using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <summary>
/// Native calls that several operators share, in addition to <see cref="NativeOps"/>: casts, sums and losses over plain
/// pointers.
/// </summary>
internal static unsafe class Kernels
{
    /// <summary>Writes the gradient that a backward pass starts from: the loss scale on the device, or 1.</summary>
    public static void SeedGradient(Device device, void* destination, float* scale)
    {
        nint source = scale is null ? device.Constants.One(device) : (nint)scale;
        device.CopyOnDevice((nint)destination, source, sizeof(float));
    }

    public static void Cast(
        Device device,
        void* destination,
        DType destinationType,
        void* source,
        DType sourceType,
        long count
    )
    {
        NampCell to = new() { Data = destination, Dtype = (int)destinationType };
        NampCell from = new() { Data = source, Dtype = (int)sourceType };
        Ensure.Success(NativeMethods.Cast(device.Native, &to, &from, count, null, DeviceStream.NativeOf(device, null)));
    }

    /// <summary>Writes a gradient to its target, or adds it.</summary>
    public static void Accumulate(Device device, GradientTarget target, void* gradient, DType dtype, long count)
    {
        if (target.Accumulate)
            Add(
                device,
                target.Pointer,
                target.DType,
                target.Pointer,
                target.DType,
                1,
                gradient,
                dtype,
                1,
                count,
                count
            );
        else
            Cast(device, target.Pointer, target.DType, gradient, dtype, count);
    }

    /// <summary>out[i] = alpha a[i] + beta b[i % period].</summary>
    public static void Add(
        Device device,
        void* output,
        DType outputType,
        void* a,
        DType aType,
        float alpha,
        void* b,
        DType bType,
        float beta,
        long count,
        long period
    )
    {
        NampAddArgs args = NampAddArgs.Create();
        args.OutDtype = (int)outputType;
        args.ADtype = (int)aType;
        args.BDtype = (int)bType;
        args.Alpha = alpha;
        args.Beta = beta;
        args.Count = count;
        args.BPeriod = period;
        args.Out = output;
        args.A = a;
        args.B = b;
        NativeOps.Add(device, args);
    }

    /// <summary>output = factor * input.</summary>
    public static void Multiply(
        Device device,
        void* output,
        DType outputType,
        void* input,
        DType inputType,
        float factor,
        long count
    ) => Add(device, output, outputType, input, inputType, factor, null, inputType, 0, count, count);

    /// <summary>target[c] (+)= alpha * sum over outer and inner of input[outer, c, inner].</summary>
    public static void Sum(
        Device device,
        GradientTarget target,
        void* input,
        DType inputType,
        long outer,
        long channels,
        long inner,
        float alpha = 1
    )
    {
        NampSumArgs args = NampSumArgs.Create();
        args.OutDtype = (int)target.DType;
        args.InDtype = (int)inputType;
        args.Alpha = alpha;
        args.Outer = outer;
        args.Channels = channels;
        args.Inner = inner;
        args.Out = target.Pointer;
        args.In = input;
        args.Accumulate = target.Accumulate ? 1 : 0;
        NativeOps.Sum(device, args);
    }

    /// <summary>
    /// out = f(a, b), element by element, with any strides; b is not read by functions of one operand.
    /// </summary>
    public static void Map(
        Device device,
        NampFunction function,
        Shape shape,
        Strided output,
        Strided a,
        Strided b,
        float p = 1,
        float q = 1
    )
    {
        if (shape.Count == 0)
            return;
        NampMapArgs args = NampMapArgs.Create();
        args.Function = (int)function;
        args.OutDtype = (int)output.DType;
        args.ADtype = (int)a.DType;
        args.BDtype = (int)b.DType;
        args.Rank = shape.Rank;
        args.P = p;
        args.Q = q;
        for (int d = 0; d < shape.Rank; d++)
        {
            args.Shape[d] = shape[d];
            args.OutStrides[d] = output.Strides[d];
            args.AStrides[d] = a.Strides[d];
            args.BStrides[d] = b.Strides[d];
        }

        args.Out = output.Data;
        args.A = a.Data;
        args.B = b.Data;
        NativeOps.Map(device, args);
    }

    public static void CrossEntropy(Device device, NampCrossEntropyArgs* args) =>
        Ensure.Success(NativeMethods.CrossEntropy(device.Native, args, DeviceStream.NativeOf(device, null)));
}
