using System.Globalization;

namespace NativeAmp.Training;

/// <content>Text for people.</content>
public partial class Tensor
{
    private const int ElementsOfOneLine = 6;

    /// <summary>
    /// Dtype, shape, device and values, as PyTorch prints them. Of more than 1,000 elements it shows three at the
    /// beginning and the end of each dimension. On a GPU it waits for the work on the current stream. It never throws:
    /// a disposed tensor, or one whose device fails, says so in place of its values.
    /// </summary>
    public override string ToString() =>
        Try(out string values, () => new TensorText(this).ToString()) ? $"{Heading()}\n{values}" : values;

    /// <summary>One line for a debugger, with the first values.</summary>
    internal string DebuggerText =>
        Try(
            out string values,
            () =>
            {
                double[] first = TensorText.Read(this, 0, (int)Math.Min(Count, ElementsOfOneLine));
                return string.Join(", ", first.Select(value => value.ToString("G5", CultureInfo.InvariantCulture)));
            }
        )
            ? $"{Heading()} {{ {values}{(Count > ElementsOfOneLine ? ", …" : "")} }}"
            : values;

    private bool HasValues => IsAlive || this is Parameter { IsOnHost: true };

    private string Heading()
    {
        string name = this is Parameter ? $"{DType.Name()} {Describe()}" : Describe();
        string place =
            _device is null ? "no device yet"
            : _device.IsHostMemory ? "cpu"
            : string.Create(CultureInfo.InvariantCulture, $"cuda:{_device.Ordinal}");
        return $"{name} on {place}{(RequiresGrad ? ", requires grad" : "")}";
    }

    // The text of the values, or the whole text where there are none.
    private bool Try(out string text, Func<string> values)
    {
        if (!HasValues)
        {
            text = $"{Heading()}, without values: {_absence}";
            return false;
        }

        try
        {
            text = values();
            return true;
        }
        catch (Exception e) when (e is NativeAmpException or ObjectDisposedException)
        {
            // Disposed by another thread meanwhile, or a device that failed.
            text = $"{Heading()}, without values: {e.Message}";
            return false;
        }
    }
}
