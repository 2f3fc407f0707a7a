namespace NativeAmp.Training;

/// <summary>The largest element of each window. See <see cref="Ops.MaxPool2d"/>.</summary>
/// <param name="kernel">The window's height and width.</param>
/// <param name="stride">Pixels from one window to the next; 0 for the kernel's size.</param>
/// <param name="padding">Pixels of minus infinity around the image.</param>
public sealed class MaxPool2d(int kernel, int stride = 0, int padding = 0) : Module
{
    /// <summary>The window's height and width.</summary>
    public int Kernel => kernel;

    /// <summary>Pixels from one window to the next.</summary>
    public int Stride => stride == 0 ? kernel : stride;

    /// <summary>Pixels of minus infinity around the image.</summary>
    public int Padding => padding;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.MaxPool2d(input, kernel, stride, padding);
}

/// <summary>The mean of each window. See <see cref="Ops.AvgPool2d"/>.</summary>
/// <param name="kernel">The window's height and width.</param>
/// <param name="stride">Pixels from one window to the next; 0 for the kernel's size.</param>
/// <param name="padding">Zeros around the image, which count in the mean.</param>
public sealed class AvgPool2d(int kernel, int stride = 0, int padding = 0) : Module
{
    /// <summary>The window's height and width.</summary>
    public int Kernel => kernel;

    /// <summary>Pixels from one window to the next.</summary>
    public int Stride => stride == 0 ? kernel : stride;

    /// <summary>Zeros around the image.</summary>
    public int Padding => padding;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.AvgPool2d(input, kernel, stride, padding);
}
