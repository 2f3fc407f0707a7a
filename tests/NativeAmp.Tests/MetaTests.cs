using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace NativeAmp.Tests;

/// <summary>The house rules of the public surface.</summary>
public sealed class MetaTests
{
    private static readonly Assembly Core = typeof(Device).Assembly;

    [Test]
    public void Nothing_native_is_public()
    {
        var wrong = Core.GetTypes()
            .SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Where(m => m.IsPublic && m.Attributes.HasFlag(MethodAttributes.PinvokeImpl))
            .Select(m => m.ToString());
        Assert.That(wrong, Is.Empty);
        Assert.That(
            Core.GetExportedTypes().Where(t => t.Namespace is not ("NativeAmp" or "NativeAmp.Instruments")),
            Is.Empty
        );
    }

    [Test]
    public void Public_members_show_no_pointers_but_as_nint()
    {
        var wrong =
            from type in Core.GetExportedTypes()
            from method in type.GetMethods(
                BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly
            )
            where method.ReturnType.IsPointer || method.GetParameters().Any(p => p.ParameterType.IsPointer)
            select $"{type.Name}.{method.Name}";
        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Classes_are_sealed_static_abstract_or_exceptions_to_derive_from()
    {
        var wrong = Core.GetExportedTypes()
            .Where(t => t.IsClass && !t.IsSealed && !t.IsAbstract && !typeof(NativeAmpException).IsAssignableFrom(t))
            .Select(t => t.Name);
        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Structs_are_readonly() =>
        Assert.That(
            Core.GetExportedTypes()
                .Where(t => t.IsValueType && !t.IsEnum && !t.IsDefined(typeof(IsReadOnlyAttribute)))
                .Select(t => t.Name),
            Is.Empty
        );

    [Test]
    public void No_field_is_public_but_constants() =>
        Assert.That(
            Core.GetExportedTypes()
                .Where(t => !t.IsEnum)
                .SelectMany(t => t.GetFields())
                .Where(f => !f.IsLiteral)
                .Select(f => $"{f.DeclaringType!.Name}.{f.Name}"),
            Is.Empty
        );

    [Test]
    public void Every_public_type_is_documented()
    {
        var documented = XDocument
            .Load(Path.ChangeExtension(Core.Location, ".xml"))
            .Descendants("member")
            .Where(m => m.Element("summary") is { Value.Length: > 0 })
            .Select(m => m.Attribute("name")!.Value)
            .ToHashSet();
        Assert.That(
            Core.GetExportedTypes()
                .Where(t => !documented.Contains("T:" + t.FullName!.Replace('+', '.')))
                .Select(t => t.Name),
            Is.Empty
        );
    }

    [Test]
    public void Marshalling_is_off() => Assert.That(Core.IsDefined(typeof(DisableRuntimeMarshallingAttribute)));

    [Test]
    public void Enums_agree_with_the_C_interface()
    {
        (Type Managed, Type Native)[] pairs =
        [
            (typeof(DeviceKind), typeof(Interop.NampDeviceKind)),
            (typeof(SimdTarget), typeof(Interop.NampSimd)),
            (typeof(Rounding), typeof(Interop.NampRounding)),
        ];
        foreach (var (managed, native) in pairs)
            Assert.That(
                Enum.GetValues(managed).Cast<int>(),
                Is.EquivalentTo(Enum.GetValues(native).Cast<int>()),
                managed.Name
            );
        Assert.That(Enum.GetValues<MemoryKind>().Length, Is.EqualTo((int)Interop.NampMemoryKind.KindCount));
        Assert.That(DeviceMemoryStatistics.Kinds, Is.EquivalentTo(Enum.GetValues<MemoryKind>()));
        Assert.That(Enum.GetValues<DType>().Length, Is.EqualTo(Enum.GetValues<Interop.NampDtype>().Length));
    }
}
