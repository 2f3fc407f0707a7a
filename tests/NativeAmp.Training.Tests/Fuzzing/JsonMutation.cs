using System.Text;
using System.Text.RegularExpressions;

namespace NativeAmp.Training.Tests.Fuzzing;

/// <summary>
/// Mutations that mostly keep JSON valid: values and keys replaced, doubled or removed, nesting, bad Unicode.
/// </summary>
internal static partial class JsonMutation
{
    private static readonly string[] Values =
    [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e400",
        "9223372036854775807",
        "18446744073709551616",
        "\"\"",
        "\"x\"",
        "\"\\ud800\"",
        "\"\u00fc\"",
        "[]",
        "{}",
        "[[[[0]]]]",
        "{\"a\":1}",
        "[null]",
        "\"F64\"",
        "\"__metadata__\"",
        "2147483648",
        "4294967296",
    ];

    public static byte[] Mutate(byte[] json, Random random)
    {
        string text = Encoding.UTF8.GetString(json);
        for (int times = random.Next(1, 4); times > 0; times--)
        {
            MatchCollection tokens = Token().Matches(text);
            if (tokens.Count == 0)
                break;
            Match token = tokens[random.Next(tokens.Count)];
            string before = text[..token.Index];
            string after = text[(token.Index + token.Length)..];
            text = random.Next(6) switch
            {
                0 => before + after,
                1 => before + token.Value + "," + token.Value + after,
                2 => before
                    + string.Concat(Enumerable.Repeat("[", 400))
                    + token.Value
                    + string.Concat(Enumerable.Repeat("]", 400))
                    + after,
                3 => before + tokens[random.Next(tokens.Count)].Value + after,
                _ => before + random.GetItems(Values, 1)[0] + after,
            };
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length > 0 && random.Next(8) == 0)
            bytes[random.Next(bytes.Length)] = (byte)random.Next(128, 256);
        return bytes;
    }

    [GeneratedRegex("\"[^\"]*\"|-?[0-9.eE+]+|true|false|null|\\[[^\\[\\]]*\\]")]
    private static partial Regex Token();
}
