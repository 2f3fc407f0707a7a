namespace NativeAmp;

/// <summary>Reads policies from text.</summary>
internal static class PrecisionPolicyParser
{
    public static string NameOf(OperatorPrecision precision) =>
        precision switch
        {
            OperatorPrecision.Compute => "compute",
            OperatorPrecision.Float32 => "float32",
            _ => "widest",
        };

    public static PrecisionPolicy Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        switch (text.Trim().ToUpperInvariant())
        {
            case "":
                throw new FormatException(
                    "A precision policy is empty; write such as params=float32,compute=float16,loss=float32."
                );
            case "O0":
                return PrecisionPolicy.O0;
            case "O1":
                return PrecisionPolicy.O1;
            case "O2":
                return PrecisionPolicy.O2;
            case "O3":
                return PrecisionPolicy.O3;
            default:
                // A type alone is the one to compute in.
                return DTypes.TryParse(text.Trim(), out var dtype) && dtype.IsComputeType()
                    ? PrecisionPolicy.Float32.WithCompute(dtype)
                    : ParseEntries(text);
        }
    }

    private static PrecisionPolicy ParseEntries(string text)
    {
        var policy = PrecisionPolicy.Float32;
        var seen = new HashSet<string>();
        foreach (string entry in text.Split(','))
        {
            string[] sides = entry.Split('=');
            if (sides.Length != 2)
                throw new FormatException(
                    $"'{entry.Trim()}' in the precision policy '{text}' is not of the form name=type."
                );
            string key = sides[0].Trim().ToLowerInvariant(),
                value = sides[1].Trim();
            if (!seen.Add(key))
                throw new FormatException($"The precision policy '{text}' says {key} twice.");
            policy = key switch
            {
                "params" => Fixed(
                    policy,
                    value,
                    "keeps parameters in float32, and compute copies beside them, unless To(DType) converted the model"
                ),
                "loss" => Fixed(policy, value, "computes losses in float32"),
                "compute" => policy.WithCompute(FloatingPoint(value)),
                _ => WithOperator(policy, key, value),
            };
        }
        return seen.Contains("compute")
            ? policy
            : throw new FormatException(
                $"The precision policy '{text}' does not say compute=float32, float16 or bfloat16."
            );
    }

    private static PrecisionPolicy Fixed(PrecisionPolicy policy, string value, string what) =>
        FloatingPoint(value) == DType.Float32
            ? policy
            : throw new FormatException($"NativeAmp {what}: '{value}' cannot be chosen there.");

    private static DType FloatingPoint(string value) =>
        DTypes.TryParse(value, out var dtype) && dtype.IsComputeType()
            ? dtype
            : throw new FormatException(
                $"'{value}' is no type to compute in; these are float32, float16 and bfloat16."
            );

    private static PrecisionPolicy WithOperator(PrecisionPolicy policy, string key, string value)
    {
        OperatorPrecision[] matches =
        [
            .. Enum.GetValues<OperatorPrecision>()
                .Where(p => NameOf(p).Equals(value, StringComparison.OrdinalIgnoreCase)),
        ];
        if (OperatorLists.Default.ContainsKey(key) && matches is not [_])
            throw new FormatException(
                $"'{value}' is no precision of the operator {key}; these are compute, float32 and widest."
            );
        try
        {
            return policy.WithOperator(key, matches.FirstOrDefault());
        }
        catch (ArgumentException failure)
        {
            throw new FormatException(
                $"'{key}={value}' is none of params, compute, loss and the operators. "
                    + $"{failure.Message.Split(" (Parameter", 2)[0]}",
                failure
            );
        }
    }
}
