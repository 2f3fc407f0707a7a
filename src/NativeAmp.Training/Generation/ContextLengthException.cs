using System.Globalization;

namespace NativeAmp.Training;

/// <summary>
/// A model that has no positions for more tokens was given more. Nothing was computed or changed.
/// </summary>
public sealed class ContextLengthException : Exception
{
    internal ContextLengthException(int context, long held, long asked, string remedy)
        : base(
            string.Create(
                CultureInfo.InvariantCulture,
                $"The context has {context} tokens: {held} of them are taken, and {asked} more do not fit. {remedy}"
            )
        )
    {
        Context = context;
        Held = held;
        Asked = asked;
    }

    /// <summary>Tokens that fit.</summary>
    public int Context { get; }

    /// <summary>Tokens that were there before.</summary>
    public long Held { get; }

    /// <summary>Tokens that were to follow them.</summary>
    public long Asked { get; }
}
