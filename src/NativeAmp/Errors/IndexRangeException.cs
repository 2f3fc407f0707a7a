using System.Globalization;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// A label is not a class, or an index is not a row of an embedding's table. On the CPU the operator throws this, and
/// nothing was changed. On a GPU nothing waits for the operator: reading the loss or the step's result throws it later,
/// and so does the trainer. The step was skipped, and the loss scale did not fall for it.
/// </summary>
public sealed class IndexRangeException : NativeAmpException
{
    internal IndexRangeException(in NampIndexFact fact)
        : base(Describe(fact))
    {
        Value = fact.Value;
        Position = fact.Position;
        Range = fact.Range;
        IsLabel = fact.Kind == (int)NampIndexKind.Label;
    }

    /// <summary>The label or index.</summary>
    public long Value { get; }

    /// <summary>
    /// The row of the logits, or the position among the indices, from 0. It is the first one out of range.
    /// </summary>
    public long Position { get; }

    /// <summary>
    /// The number of classes, or of the table's rows. A valid value is 0 or more, and less than this.
    /// </summary>
    public long Range { get; }

    /// <summary>Whether the value is a label of a loss; false for an index of an embedding.</summary>
    public bool IsLabel { get; }

    private static string Describe(in NampIndexFact fact) =>
        fact.Kind == (int)NampIndexKind.Label
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"The label {fact.Value} of row {fact.Position} is out of range: there are {fact.Range} classes, 0 to "
                    + $"{fact.Range - 1}. "
            )
                + "Check the labels and the number of classes; rows that are not to count have the ignored label, "
                + "-100 as a rule."
            : string.Create(
                CultureInfo.InvariantCulture,
                $"The index {fact.Value} at position {fact.Position} is out of range: the embedding's table has "
                    + $"{fact.Range} rows, 0 to {fact.Range - 1}. "
            ) + "Check the indices and the size of the vocabulary.";
}
