using System.Reflection;
using CsCheck;
using NativeAmp.Interop;

namespace NativeAmp.Tests;

/// <summary>
/// The C interface called wrongly through the bindings: a status and a message, never a crash, and nothing is changed.
/// </summary>
public sealed unsafe class MisuseTests
{
    private const int Invalid = (int)NampStatus.ErrorInvalidArgument;

    private static readonly MethodInfo[] Functions =
    [
        .. typeof(NativeMethods)
            .GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
            .Where(m =>
                m.ReturnType == typeof(int)
                && m.GetParameters().Length > 0
                && m.Name is not nameof(NativeMethods.StructSize)
                && !m.Name.StartsWith('<')
            ),
    ];

    public static IEnumerable<string> FunctionNames => Functions.Select(m => m.Name);

    public static IEnumerable<string> FunctionsOfNumbers =>
        Functions.Where(m => m.GetParameters().Any(p => !p.ParameterType.IsPointer)).Select(m => m.Name);

    [TestCaseSource(nameof(FunctionNames))]
    public void Nothing_but_nulls_and_zeros_is_refused_with_a_message_or_harmless(string name)
    {
        int status = Call(Functions.Single(f => f.Name == name), integers: 0);

        // Destroying nothing is allowed, as free is, and having no folders.
        bool harmless =
            name
            is nameof(NativeMethods.DeviceClose)
                or nameof(NativeMethods.TableDestroy)
                or nameof(NativeMethods.EventDestroy)
                or nameof(NativeMethods.GraphDestroy)
                or nameof(NativeMethods.LibrarySetFolders);
        Assert.That(status, Is.EqualTo(harmless ? 0 : Invalid));
        if (!harmless)
            Assert.That(Ensure.LastMessage(), Is.Not.Empty);
    }

    [TestCaseSource(nameof(FunctionsOfNumbers))]
    public void Nulls_with_any_numbers_are_refused(string name)
    {
        var function = Functions.Single(f => f.Name == name);
        Gen.OneOf(Gen.Long, Gen.Const(long.MinValue), Gen.Const(-1L), Gen.Const(1L), Gen.Const(long.MaxValue))
            .Sample(numbers => Call(function, numbers) != 0, iter: 200, seed: "0000KDGOoLD5");
    }

    private static int Call(MethodInfo function, long integers)
    {
        object?[] arguments =
        [
            .. function
                .GetParameters()
                .Select(p =>
                    p.ParameterType switch
                    {
                        { IsPointer: true } type => Pointer.Box(null, type),
                        var type when type == typeof(int) => (int)integers,
                        var type when type == typeof(long) => integers,
                        var type when type == typeof(ulong) => (object)(ulong)integers,
                        var type when type == typeof(float) => (float)integers,
                        _ => throw new InvalidOperationException($"{function.Name} takes a {p.ParameterType}"),
                    }
                ),
        ];
        return (int)function.Invoke(null, arguments)!;
    }
}
