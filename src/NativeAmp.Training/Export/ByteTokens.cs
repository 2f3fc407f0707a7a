namespace NativeAmp.Training.Export;

/// <summary>
/// Bytes as the tokens of GPT-2's byte-level tokenizers: printable characters of Latin-1 stand for themselves, and each
/// other byte for the next character from U+0100 on (Radford et al. 2019, 2.2).
/// </summary>
internal static class ByteTokens
{
    /// <summary>The 256 tokens in the order of the bytes.</summary>
    public static IReadOnlyList<string> All { get; } = Create();

    private static string[] Create()
    {
        string[] tokens = new string[byte.MaxValue + 1];
        char next = '\u0100';
        for (int value = 0; value < tokens.Length; value++)
        {
            // '!' to '~', and U+00A1 to U+00FF without the soft hyphen.
            bool isPrintable = value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and not 0xAD);
            tokens[value] = (isPrintable ? (char)value : next++).ToString();
        }

        return tokens;
    }
}
