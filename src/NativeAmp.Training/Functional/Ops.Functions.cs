using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Functions of one tensor, element by element.</content>
public static partial class Ops
{
    /// <summary>eˣ, element by element.</summary>
    public static Tensor Exp(Tensor input) =>
        Function(input, "exp", NampFunction.Exp, NampFunction.Multiply, savesOutput: true);

    /// <summary>The natural logarithm, element by element: -∞ of 0, NaN of negative numbers.</summary>
    public static Tensor Log(Tensor input) => Function(input, "log", NampFunction.Log, NampFunction.Divide);

    /// <summary>The square root, element by element: NaN of negative numbers. The slope at 0 is infinite.</summary>
    public static Tensor Sqrt(Tensor input) =>
        Function(input, "sqrt", NampFunction.Sqrt, NampFunction.SqrtGradient, savesOutput: true);

    /// <summary>The magnitude, element by element. The slope at 0 is 0.</summary>
    public static Tensor Abs(Tensor input) => Function(input, "abs", NampFunction.Abs, NampFunction.AbsGradient);

    /// <summary>
    /// min(max(x, minimum), maximum), element by element; a NaN stays a NaN. Gradients go to elements that are within
    /// the bounds, or on them.
    /// </summary>
    /// <param name="input">The elements.</param>
    /// <param name="minimum">The lower bound; -∞ for none.</param>
    /// <param name="maximum">The upper bound; +∞ for none. It counts where it is below the lower one.</param>
    public static Tensor Clamp(
        Tensor input,
        float minimum = float.NegativeInfinity,
        float maximum = float.PositiveInfinity
    )
    {
        if (float.IsNaN(minimum) || float.IsNaN(maximum))
            throw new ArgumentException($"Bounds are numbers or infinities, not {minimum} and {maximum}.");
        return Function(
            input,
            "clamp",
            NampFunction.Clamp,
            NampFunction.ClampGradient,
            savesOutput: false,
            minimum,
            maximum
        );
    }

    /// <summary>
    /// x to a power, element by element, with C's special values: NaN of a negative x unless the exponent is an
    /// integer.
    /// </summary>
    /// <param name="input">The elements.</param>
    /// <param name="exponent">A finite number.</param>
    public static Tensor Pow(Tensor input, float exponent)
    {
        if (!float.IsFinite(exponent))
            throw new ArgumentOutOfRangeException(nameof(exponent), exponent, "An exponent is a finite number.");
        return Function(input, "pow", NampFunction.Pow, NampFunction.PowGradient, savesOutput: false, exponent);
    }

    /// <param name="input">The elements.</param>
    /// <param name="operation">The name in <see cref="OperatorLists"/>.</param>
    /// <param name="forward">The function.</param>
    /// <param name="backward">The gradient, of that of the output and of what is saved.</param>
    /// <param name="savesOutput">Whether the output is saved, and not the input.</param>
    /// <param name="p">The functions' first number.</param>
    /// <param name="q">Their second number.</param>
    private static unsafe Tensor Function(
        Tensor input,
        string operation,
        NampFunction forward,
        NampFunction backward,
        bool savesOutput = false,
        float p = 1,
        float q = 1
    )
    {
        Requires.FloatingPoint(input, operation);
        Tensor output = Tensor.Result(input.Device, Precision.Of(operation, input), input.Shape);
        Strided elements = Flat(input.Pointer, input.DType);
        Kernels.Map(
            input.Device,
            forward,
            new Shape(input.Count),
            Flat(output.Pointer, output.DType),
            elements,
            elements,
            p,
            q
        );
        GC.KeepAlive(input);
        return Records(input)
            ? Record(new FunctionNode(operation, output, input, backward, savesOutput, p, q))
            : output;
    }

    private static unsafe Strided Flat(void* data, DType dtype) => new(data, dtype, [1]);

    private sealed unsafe class FunctionNode(
        string operation,
        Tensor output,
        Tensor input,
        NampFunction backward,
        bool savesOutput,
        float p,
        float q
    ) : Node(operation, output, input)
    {
        private readonly Saved _saved = new(savesOutput ? output : input);

        protected override Saved[] SavedElements => [_saved];

        public override void Backward()
        {
            var gradient = new GradientOverwrite(this, input, input.DType);
            Kernels.Map(
                Device,
                backward,
                new Shape(Output.Count),
                Flat(gradient.Pointer, gradient.DType),
                Flat(OutputGradient.Pointer, Output.DType),
                Flat(_saved.Pointer, _saved.DType),
                p,
                q
            );
            gradient.Finish();
        }
    }
}
