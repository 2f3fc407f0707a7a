using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>
/// The shape and strides of a parameter. Its elements fill their memory without gaps, in any order of dimensions; the
/// gradient must have the same order, because the kernels see both as rows of numbers.
/// </summary>
internal sealed class TensorLayout
{
    private readonly long[] _strides;
    private readonly bool _isContiguous;

    public TensorLayout(torch.Tensor tensor)
    {
        Shape = tensor.shape;
        _strides = tensor.stride();
        _isContiguous = tensor.is_contiguous();
        Count = tensor.numel();
    }

    /// <summary>The sizes of the dimensions.</summary>
    public long[] Shape { get; }

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>Whether every place of the memory between the first and the last element is one element.</summary>
    public bool IsDense
    {
        get
        {
            if (Count == 0)
                return true;
            long expected = 1;
            foreach (
                int dimension in Enumerable.Range(0, Shape.Length).Where(i => Shape[i] != 1).OrderBy(i => _strides[i])
            )
            {
                if (_strides[dimension] != expected)
                    return false;
                expected *= Shape[dimension];
            }
            return true;
        }
    }

    /// <summary>Whether a tensor has the same shape and order of elements.</summary>
    public bool Fits(torch.Tensor other)
    {
        // Asked at every step, and nearly always true of both.
        if (_isContiguous && other.is_contiguous())
            return HasShape(other);
        return HasShape(other) && HasStrides(other);
    }

    /// <summary>A tensor of this shape, from elements in the order of the memory.</summary>
    public torch.Tensor FromMemoryOrder(float[] values)
    {
        using torch.Tensor flat = torch.tensor(values);
        return flat.as_strided(Shape, _strides).clone();
    }

    /// <summary>The elements of a tensor of this shape, in the order of this layout's memory.</summary>
    public float[] InMemoryOrder(torch.Tensor tensor)
    {
        using torch.Tensor ordered = torch.zeros(Count).as_strided(Shape, _strides).copy_(tensor);
        using torch.Tensor flat = ordered.as_strided([Count], [1]);
        return flat.data<float>().ToArray();
    }

    // Not by the array of all sizes, which TorchSharp makes anew each time.
    private bool HasShape(torch.Tensor other)
    {
        if (other.Dimensions != Shape.Length)
            return false;
        for (int i = 0; i < Shape.Length; i++)
        {
            if (other.size(i) != Shape[i])
                return false;
        }
        return true;
    }

    private bool HasStrides(torch.Tensor other)
    {
        long[] strides = other.stride();
        for (int i = 0; i < Shape.Length; i++)
        {
            // Where a dimension has one element its stride says nothing.
            if (Shape[i] != 1 && strides[i] != _strides[i])
                return false;
        }
        return true;
    }
}
