using NativeAmp.Interop;

namespace NativeAmp.Tests;

/// <summary>Finding the native library: the order of the search, and the message if it is not there.</summary>
public sealed class NativeLibraryTests
{
    [Test]
    public void It_is_loaded_here_and_says_from_where()
    {
        Assert.That(NativeAmpRuntime.Status.IsLoaded, NativeAmpRuntime.Status.ToString());
        Assert.That(NativeAmpRuntime.Status.Version, Does.Match(@"^\d+\.\d+\.\d+"));
        Assert.That(NativeAmpRuntime.EnsureLoaded, Throws.Nothing);
    }

    [Test]
    public void Every_struct_has_the_size_that_the_library_was_built_with()
    {
        Assert.That(NativeMethods.StructSizes(), Has.Length.GreaterThan(20));
        foreach (var (name, size) in NativeMethods.StructSizes())
            Assert.That(StructSize(name), Is.EqualTo(size), name);
        Assert.That(StructSize("namp_nonsense"), Is.EqualTo(-1));
        Assert.That(NativeMethods.AbiVersion(), Is.EqualTo(NativeConstants.AbiVersion));
    }

    [Test]
    public void It_is_looked_for_beside_the_application_then_by_the_system_and_nowhere_above()
    {
        string application = TestContext.CurrentContext.TestDirectory,
            system = OperatingSystem.IsWindows() ? "win-x64" : "linux-x64";
        Assert.That(
            NativeLibrarySearch.Candidates(null, application, system),
            Is.EqualTo(
                new[]
                {
                    Path.Combine(application, "runtimes", system, "native", NativeLibrarySearch.FileName),
                    Path.Combine(application, NativeLibrarySearch.FileName),
                    NativeLibrarySearch.FileName,
                }
            )
        );
    }

    // A .NET that a distribution built names the distribution; packages do not.
    [TestCase("ubuntu.24.04-x64", "linux-x64")]
    [TestCase("debian.13-arm64", "linux-arm64")]
    [TestCase("alpine.3.20-x64", "linux-musl-x64")]
    [Platform("Linux")]
    public void A_runtime_of_the_distribution_is_looked_for_by_the_portable_name_as_well(string own, string portable) =>
        Assert.That(
            NativeLibrarySearch.Candidates(null, "/app", own).Take(2),
            Is.EqualTo(
                new[]
                {
                    Path.Combine("/app", "runtimes", own, "native", NativeLibrarySearch.FileName),
                    Path.Combine("/app", "runtimes", portable, "native", NativeLibrarySearch.FileName),
                }
            )
        );

    [Test]
    public void It_lies_beside_every_application_of_the_source_tree() =>
        Assert.That(
            NativeAmpRuntime.Status.Path,
            Is.EqualTo(Path.Combine(TestContext.CurrentContext.TestDirectory, NativeLibrarySearch.FileName))
        );

    [Test]
    public void A_path_that_is_given_is_the_only_one_tried() =>
        Assert.That(
            NativeLibrarySearch.Candidates("/somewhere/lib.so", "/app", "linux-x64"),
            Is.EqualTo(new[] { "/somewhere/lib.so" })
        );

    [Test]
    public void A_failure_lists_everything_that_was_tried_and_why_it_was_not_taken()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            string missing = Path.Combine(folder, "missing.so"),
                text = Path.Combine(folder, "text.so");
            File.WriteAllText(text, "no library");

            var (handle, status) = NativeLibraryLoader.Load([missing, text, "nativeamp-that-is-nowhere"]);
            var failure = new NativeAmpLibraryException(status);

            Assert.That((handle, status.IsLoaded), Is.EqualTo(((nint)0, false)));
            Assert.That(
                status.Attempts.Select(a => a.Location),
                Is.EqualTo(new[] { missing, text, "nativeamp-that-is-nowhere" })
            );
            Assert.That(status.Attempts.Select(a => a.Failure), Is.All.Not.Empty);
            Assert.That(
                failure.Message,
                Does.Contain(missing + ": there is no such file").And.Contains(text).And.Contains("NATIVEAMP_LIBRARY")
            );
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void A_failure_gives_the_systems_reason_and_leaves_out_how_to_trace_a_process()
    {
        var (_, status) = NativeLibraryLoader.Load(["nativeamp-that-is-nowhere"]);

        Assert.That(
            status.Attempts.Single().Failure,
            Does.Contain("nativeamp-that-is-nowhere").And.Not.Contain("strace").And.Not.Contain('\n')
        );
    }

    [TestCase("linux-x64", "dotnet add package NativeAmp.Native.linux-x64")]
    [TestCase("win-x64", "dotnet add package NativeAmp.Native.win-x64")]
    [TestCase("linux-musl-x64", "There is no package for linux-musl-x64")]
    public void A_failure_names_the_package_that_brings_the_library_to_this_system(string system, string advice) =>
        Assert.That(
            NativeLibraryStatus.Advice(system, isThere: false),
            Does.Contain(advice).And.Contain(NativeLibrarySearch.EnvironmentVariable)
        );

    [Test]
    public void A_file_that_is_there_and_does_not_load_needs_no_package()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            string missing = Path.Combine(folder, "missing.so"),
                text = Path.Combine(folder, "text.so");
            File.WriteAllText(text, "no library");

            Assert.That(Message(missing), Does.Not.Contain("does not load"));
            Assert.That(Message(missing, text), Does.Contain("does not load").And.Not.Contain("add package"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static string Message(params string[] candidates) => NativeLibraryLoader.Load(candidates).Status.ToString();
    }

    [Test]
    public void Another_library_is_not_taken_for_it()
    {
        string another =
            OperatingSystem.IsWindows() ? "kernel32.dll"
            : OperatingSystem.IsMacOS() ? "libSystem.dylib"
            : "libc.so.6";

        var (handle, status) = NativeLibraryLoader.Load([another]);

        Assert.That(handle, Is.EqualTo((nint)0));
        Assert.That(status.Attempts.Single().Failure, Does.Contain("not NativeAmp's library"));
    }

    private static unsafe long StructSize(string name)
    {
        fixed (byte* text = System.Text.Encoding.UTF8.GetBytes(name + '\0'))
            return NativeMethods.StructSize(text);
    }
}
