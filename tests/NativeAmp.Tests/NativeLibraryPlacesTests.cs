using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using NativeAmp.Interop;

namespace NativeAmp.Tests;

/// <summary>
/// The places where a program has its packages' native libraries, other than beside it. What no test process can be (a
/// single file, a script) is tried with the packages: ./build.sh pack --try.
/// </summary>
[Platform(Exclude = "Win", Reason = "a loaded file cannot be deleted there")]
public sealed class NativeLibraryPlacesTests
{
    private string folder = null!;

    [SetUp]
    public void SetUp() => folder = Directory.CreateTempSubdirectory("nativeamp-places-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(folder, recursive: true);

    [Test]
    [Platform("Linux")]
    public void A_distributions_runtime_finds_the_packages_file()
    {
        string processor = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        string placed = Place(Path.Combine(folder, "runtimes", $"linux-{processor}", "native"));

        var (handle, status) = NativeLibraryLoader.Load(
            NativeLibrarySearch.Candidates(null, folder, $"ubuntu.24.04-{processor}")
        );

        Assert.That(status.Path, Is.EqualTo(placed), status.ToString());
        NativeLibrary.Free(handle);
    }

    [Test]
    public void A_plugins_load_context_is_asked_where_it_is()
    {
        string placed = Place(Path.Combine(folder, "where only the context looks"));
        var plugin = new Plugin(typeof(Device).Assembly.Location, placed);
        try
        {
            // The plugin's own NativeAmp, not the one of this test.
            var loader = plugin.Core.GetType(typeof(NativeLibraryLoader).FullName!)!;
            Assert.That(loader.Assembly, Is.Not.SameAs(typeof(NativeLibraryLoader).Assembly));

            object result = loader
                .GetMethod(nameof(NativeLibraryLoader.Load))!
                .Invoke(null, [(IReadOnlyList<string>)[NativeLibrarySearch.FileName]])!;

            Assert.That(plugin.Asked, Is.EqualTo(new[] { NativeLibrarySearch.FileName }));
            Assert.That(((ITuple)result)[1]!.ToString(), Does.Contain("native library").And.Not.Contain("Tried"));
        }
        finally
        {
            plugin.Unload();
        }
    }

    private static string Place(string place)
    {
        Directory.CreateDirectory(place);
        string file = Path.Combine(place, NativeLibrarySearch.FileName);
        File.Copy(NativeAmpRuntime.Status.Path!, file);
        return file;
    }

    private sealed class Plugin : AssemblyLoadContext
    {
        private readonly string library;

        public Plugin(string core, string library)
            : base(isCollectible: true)
        {
            this.library = library;
            // A copy elsewhere: the library lies beside this one, and is found without a question.
            string copy = Path.Combine(Path.GetDirectoryName(library)!, "..", Path.GetFileName(core));
            File.Copy(core, copy);
            Core = LoadFromAssemblyPath(Path.GetFullPath(copy));
        }

        public Assembly Core { get; }

        public List<string> Asked { get; } = [];

        protected override nint LoadUnmanagedDll(string unmanagedDllName)
        {
            Asked.Add(unmanagedDllName);
            return LoadUnmanagedDllFromPath(library);
        }
    }
}
