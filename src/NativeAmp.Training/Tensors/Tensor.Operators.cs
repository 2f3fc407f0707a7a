namespace NativeAmp.Training;

/// <content>Arithmetic operators.</content>
public partial class Tensor
{
    /// <summary>The sum; see <see cref="Ops.Add"/>.</summary>
    public static Tensor operator +(Tensor left, Tensor right) => Ops.Add(left, right);

    /// <summary>The difference; see <see cref="Ops.Add"/>.</summary>
    public static Tensor operator -(Tensor left, Tensor right) => Ops.Add(left, right, 1, -1);

    /// <summary>The product, element by element; see <see cref="Ops.Multiply(Tensor, Tensor)"/>.</summary>
    public static Tensor operator *(Tensor left, Tensor right) => Ops.Multiply(left, right);

    /// <summary>The tensor times a number.</summary>
    public static Tensor operator *(Tensor left, float right) => Ops.Multiply(left, right);

    /// <summary>The quotient, element by element; see <see cref="Ops.Divide"/>.</summary>
    public static Tensor operator /(Tensor left, Tensor right) => Ops.Divide(left, right);

    /// <summary>The tensor divided by a number.</summary>
    public static Tensor operator /(Tensor left, float right) => Ops.Multiply(left, 1 / right);

    /// <summary>The sum; see <see cref="Ops.Add"/>.</summary>
    public static Tensor Add(Tensor left, Tensor right) => left + right;

    /// <summary>The difference; see <see cref="Ops.Add"/>.</summary>
    public static Tensor Subtract(Tensor left, Tensor right) => left - right;

    /// <summary>The product, element by element; see <see cref="Ops.Multiply(Tensor, Tensor)"/>.</summary>
    public static Tensor Multiply(Tensor left, Tensor right) => left * right;

    /// <summary>The tensor times a number.</summary>
    public static Tensor Multiply(Tensor left, float right) => left * right;

    /// <summary>The quotient, element by element; see <see cref="Ops.Divide"/>.</summary>
    public static Tensor Divide(Tensor left, Tensor right) => left / right;

    /// <summary>The tensor divided by a number.</summary>
    public static Tensor Divide(Tensor left, float right) => left / right;

    /// <summary>The same elements in another shape, without a copy; see <see cref="Ops.Reshape"/>.</summary>
    public Tensor Reshape(params ReadOnlySpan<long> dimensions) => Ops.Reshape(this, dimensions);

    /// <summary>
    /// A tensor over the same memory, outside of any graph: gradients stop here. A write to one is seen by both.
    /// </summary>
    public Tensor Detach() => Result(Device, DType, Shape, Storage.Share());
}
