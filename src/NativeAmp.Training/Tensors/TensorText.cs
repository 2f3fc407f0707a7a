using System.Text;

namespace NativeAmp.Training;

/// <summary>
/// A tensor's values as text, in PyTorch's layout: brackets, columns of one width, lines of at most 80 characters, and
/// only the edges of large tensors. Only elements that are shown are read.
/// </summary>
internal sealed class TensorText
{
    private const int Threshold = 1000;
    private const int EdgeItems = 3;
    private const int LineWidth = 80;
    private const string Omitted = "...";

    private readonly Tensor _tensor;
    private readonly long[] _shape;
    private readonly int _edge; // elements at each end of a dimension; 0 for all
    private readonly Queue<double> _values = new();
    private readonly NumberText _numbers;
    private readonly StringBuilder _text = new();

    /// <summary>Reads the elements that the text shows; waits for the device.</summary>
    public TensorText(Tensor tensor)
    {
        _tensor = tensor;
        _shape = tensor.Shape.Dimensions.ToArray();
        _edge = tensor.Count <= Threshold ? 0 : EdgeItems;
        // Of many dimensions even the edges are many.
        while (_edge > 1 && Shown() > Threshold)
            _edge--;
        if (_edge == 0)
        {
            foreach (double value in Read(tensor, 0, (int)tensor.Count))
                _values.Enqueue(value);
        }
        else if (Shown() <= Threshold)
            ReadEdges(0, 0);
        _numbers = new NumberText(_values, tensor.DType is not (DType.Int32 or DType.UInt8));
    }

    /// <summary>Elements widened to float64, which holds the values of all dtypes.</summary>
    public static double[] Read(Tensor tensor, long offset, int count) =>
        tensor.DType switch
        {
            DType.Float32 => Read<float>(tensor, offset, count, value => value),
            DType.Float16 => Read<Half>(tensor, offset, count, value => (double)value),
            DType.BFloat16 => Read<BFloat16>(tensor, offset, count, value => (float)value),
            DType.Int32 => Read<int>(tensor, offset, count, value => value),
            DType.UInt8 => Read<byte>(tensor, offset, count, value => value),
            DType.Float8E4M3 => Read<byte>(tensor, offset, count, code => Decode(NumberFormat.Float8E4M3, code)),
            DType.Float8E5M2 => Read<byte>(tensor, offset, count, code => Decode(NumberFormat.Float8E5M2, code)),
            _ => throw new NotSupportedException($"Values of {tensor.DType.Name()} cannot be shown."),
        };

    /// <inheritdoc/>
    public override string ToString()
    {
        if (_tensor.Count == 0)
            return "[]";
        if (_values.Count == 0)
            return $"[{Omitted}]";
        if (_shape.Length == 0)
            return _numbers.Format(_values.Dequeue());
        Append(0);
        return _text.ToString();
    }

    private static double[] Read<T>(Tensor tensor, long offset, int count, Converter<T, double> widen)
        where T : unmanaged
    {
        var elements = new T[count];
        tensor.Read<T>(elements, offset);
        return Array.ConvertAll(elements, widen);
    }

    private static double Decode(NumberFormat format, byte code) => format.Decode(code).ToDouble();

    private bool IsCut(int dimension) => _edge > 0 && _shape[dimension] > 2 * _edge;

    private double Shown()
    {
        double shown = 1;
        for (int dimension = 0; dimension < _shape.Length; dimension++)
            shown *= IsCut(dimension) ? 2 * _edge : _shape[dimension];
        return shown;
    }

    private void ReadEdges(int dimension, long index)
    {
        bool isCut = IsCut(dimension);
        long size = _shape[dimension];
        if (dimension == _shape.Length - 1)
        {
            ReadRun(index * size, isCut ? _edge : size);
            if (isCut)
                ReadRun((index + 1) * size - _edge, _edge);
            return;
        }

        for (long i = 0; i < size; i++)
        {
            if (isCut && i == _edge)
                i = size - _edge;
            ReadEdges(dimension + 1, index * size + i);
        }
    }

    private void ReadRun(long offset, long count)
    {
        foreach (double value in Read(_tensor, offset, (int)count))
            _values.Enqueue(value);
    }

    // As ReadEdges goes, so that the queue has the next value.
    private void Append(int dimension)
    {
        _text.Append('[');
        if (dimension == _shape.Length - 1)
            AppendRow(dimension);
        else
            AppendSlices(dimension);
        _text.Append(']');
    }

    private void AppendSlices(int dimension)
    {
        bool isCut = IsCut(dimension);
        long size = _shape[dimension];
        for (long i = 0; i < size; i++)
        {
            if (i > 0)
                NextLine(_shape.Length - 1 - dimension, dimension);
            if (isCut && i == _edge)
            {
                _text.Append(Omitted);
                i = size - _edge - 1;
            }
            else
                Append(dimension + 1);
        }
    }

    private void AppendRow(int dimension)
    {
        bool isCut = IsCut(dimension);
        int shown = isCut ? 2 * _edge : (int)_shape[dimension];
        var items = new List<string>(shown + 1);
        for (int i = 0; i < shown; i++)
        {
            if (isCut && i == _edge)
                items.Add(" " + Omitted);
            items.Add(_numbers.Format(_values.Dequeue()));
        }

        int perLine = Math.Max(1, (LineWidth - dimension) / (_numbers.Width + 2));
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0 && i % perLine == 0)
                NextLine(1, dimension);
            else if (i > 0)
                _text.Append(", ");
            _text.Append(items[i]);
        }
    }

    private void NextLine(int lines, int dimension) => _text.Append(',').Append('\n', lines).Append(' ', dimension + 1);
}
