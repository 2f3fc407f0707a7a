using System.Reflection;
using NativeAmp.Interop;

namespace NativeAmp.Tests;

/// <summary>
/// The facts of packages that the sources tell. tests/packages/try.sh looks into the packages, and uses them.
/// </summary>
public sealed class PackageTests
{
    [Test]
    public void Assemblies_and_native_library_have_one_version()
    {
        string version = typeof(Device)
            .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion.Split('+')[0];

        Assert.That(version, Is.EqualTo(NativeAmpRuntime.Status.Version));
    }

    [Test]
    public void The_loader_names_the_packages_that_there_are() =>
        Assert.That(
            Repository
                .Files("src/NativeAmp.Native", ".csproj")
                .Select(file => Path.GetFileNameWithoutExtension(file)["NativeAmp.Native.".Length..]),
            Is.EqualTo(NativeLibrarySearch.Packaged)
        );
}
