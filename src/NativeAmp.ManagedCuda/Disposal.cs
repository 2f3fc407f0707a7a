using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace NativeAmp.ManagedCuda;

/// <summary>Whether an object of ManagedCuda was disposed.</summary>
/// <remarks>
/// Of the driver that cannot be known: an address that was freed is soon that of other memory, and a handle that was
/// destroyed may still be answered for. ManagedCuda knows it, in a field that its public members look at before they
/// call the driver. Where a version has no such field, the driver's answer is all there is.
/// </remarks>
/// <typeparam name="T">The class that has the field.</typeparam>
internal static class Disposal<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.NonPublicFields)] T>
    where T : class
{
    private static readonly FieldInfo? s_field = Array.Find(
        typeof(T).GetFields(BindingFlags.Instance | BindingFlags.NonPublic),
        field =>
            field.FieldType == typeof(bool)
            && field.Name.TrimStart('_').Equals("disposed", StringComparison.OrdinalIgnoreCase)
    );

    /// <summary>Refuses an object that was disposed.</summary>
    /// <param name="owner">The object.</param>
    /// <param name="what">What it is, for the message.</param>
    /// <param name="parameter">The parameter that it is.</param>
    /// <exception cref="ArgumentException">It was disposed.</exception>
    public static void Refuse(T owner, string what, string parameter)
    {
        if (s_field?.GetValue(owner) is true)
            throw new ArgumentException($"The {what} was disposed.", parameter);
    }
}
