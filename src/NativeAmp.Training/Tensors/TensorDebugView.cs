using System.Diagnostics;

namespace NativeAmp.Training;

/// <summary>
/// A tensor as a debugger's window shows it. It has no gradient: to look at one may convert all gradients of an
/// optimizer.
/// </summary>
internal sealed class TensorDebugView(Tensor tensor)
{
    private const int MostValues = 1000;

    public Shape Shape => tensor.Shape;

    public DType DType => tensor.DType;

    public bool RequiresGrad => tensor.RequiresGrad;

    public bool IsAlive => tensor.IsAlive;

    /// <summary>The first elements, widened; null if there are none to be had.</summary>
    public double[]? FirstValues
    {
        get
        {
            try
            {
                return TensorText.Read(tensor, 0, (int)Math.Min(tensor.Count, MostValues));
            }
            catch (Exception e) when (e is NativeAmpException or ObjectDisposedException)
            {
                return null;
            }
        }
    }

    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string Text => tensor.ToString();
}
