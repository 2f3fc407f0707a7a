namespace NativeAmp.Tests;

/// <summary>Compares many numbers without an assertion object for each.</summary>
internal static class Near
{
    /// <summary>Each number within relative * |expected| + absolute; a NaN where a NaN is expected.</summary>
    public static void Assert(float[] actual, double[] expected, double relative, double absolute, string what)
    {
        NUnit.Framework.Assert.That(actual, Has.Length.EqualTo(expected.Length), what);
        for (int i = 0; i < actual.Length; i++)
        {
            bool near = double.IsNaN(expected[i])
                ? float.IsNaN(actual[i])
                : actual[i] == expected[i]
                    || Math.Abs(actual[i] - expected[i]) <= relative * Math.Abs(expected[i]) + absolute;
            if (!near)
                NUnit.Framework.Assert.Fail($"{what}: element {i} is {actual[i]:G9}, expected {expected[i]:G17}");
        }
    }
}
