using System.Globalization;
using NativeAmp.Training;

namespace NativeAmp.Cli.Inspect;

/// <summary>Finds the first tensor of a step that is not finite.</summary>
internal static class Overflow
{
    /// <summary>
    /// The first such activation in forward order, else the first such gradient in backward order; null if all are
    /// finite.
    /// </summary>
    public static TensorReport? First(IReadOnlyList<TensorReport> reports) =>
        reports.FirstOrDefault(report => report.Kind == TensorKinds.Activation && IsBad(report))
        ?? reports.FirstOrDefault(report =>
            report.Kind is TensorKinds.Gradient or TensorKinds.ParameterGradient && IsBad(report)
        );

    /// <summary>The name of the first tensor, in a few words.</summary>
    public static string Name(TensorReport report) => $"{report.Kind} of {report.Name}";

    /// <summary>Describes the overflow in a few sentences.</summary>
    /// <param name="first">The first tensor that is not finite; null for none.</param>
    /// <param name="reports">All tensors in order.</param>
    /// <param name="model">The model; its parameters may be too large.</param>
    /// <param name="compute">The dtype that operators compute in.</param>
    /// <param name="scale">The loss scale.</param>
    public static string Describe(
        TensorReport? first,
        IReadOnlyList<TensorReport> reports,
        Module model,
        NumberFormat compute,
        double scale
    )
    {
        if (first is null)
            return "No activation or gradient is infinite or nan.";
        string count = $"{FigureText.NotFinite(first)} of {FigureText.Number(first.Count)}";
        string text = $"The first that is not finite is the {Name(first)}: {count}.";
        if (first.Kind != TensorKinds.Activation)
            return text
                + string.Create(
                    CultureInfo.InvariantCulture,
                    $" Every activation is finite, so the loss scale of {scale:G6} is too high for this batch."
                );
        if (Before(first, reports) is { } before)
            text += string.Create(
                CultureInfo.InvariantCulture,
                $" Before it, {before.Name} reached {before.Largest:G4}."
            );
        foreach (Parameter parameter in model.Parameters().Where(parameter => OwnerIs(parameter, first)))
        {
            double largest = parameter.ToFloats().Max(Math.Abs);
            if (!(largest <= compute.Largest.ToDouble()))
                text += string.Create(
                    CultureInfo.InvariantCulture,
                    $" {parameter.Name} reaches {largest:G4} itself, past {compute.Name}'s "
                        + $"{compute.Largest.ToString(6)}."
                );
        }

        return text;
    }

    private static bool IsBad(TensorReport report) => report.NaN > 0 || report.Inf > 0;

    private static TensorReport? Before(TensorReport first, IReadOnlyList<TensorReport> reports) =>
        reports.TakeWhile(report => report != first).LastOrDefault(report => report.Kind == TensorKinds.Activation);

    private static bool OwnerIs(Parameter parameter, TensorReport activation) =>
        parameter.Name.LastIndexOf('.') is var dot
        && dot > 0
        && activation.Name.StartsWith(parameter.Name[..dot] + " (", StringComparison.Ordinal);
}
