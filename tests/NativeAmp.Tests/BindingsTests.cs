using NativeAmp.Bindings;

namespace NativeAmp.Tests;

/// <summary>The generator of NativeMethods.g.cs, and of the bindings of the tests' emulated GPU.</summary>
public sealed class BindingsTests
{
    private const string Header = """
        #include <stdint.h>
        #define NAMP_ANSWER 42
        /* Colours. */
        typedef enum namp_colour { NAMP_COLOUR_RED = 1, /* warm
           and bright */ NAMP_COLOUR_BLUE = 2 } namp_colour;
        typedef struct namp_thing namp_thing;
        typedef struct namp_part { uint32_t struct_size; char name[8]; const float* in; } namp_part;
        /* clang-format off: a table */
        /* Counts a < b. */
        int32_t namp_part_count(int64_t* out, const namp_thing* thing, namp_part* const* parts);
        """;

    [TestCase("namp_")]
    [TestCase("nampemu_")]
    public void The_committed_file_agrees_with_the_header(string prefix)
    {
        RequireClang();
        CInterface face = CInterface.All.Single(one => one.Prefix == prefix);
        string generated = CSharpWriter.Write(
            ClangHeaderReader.Read(Path.Combine(Repository.Root, face.Header), prefix),
            face
        );
        Assert.That(
            Repository.Read(face.Output).ReplaceLineEndings("\n"),
            Is.EqualTo(generated),
            "run ./build.sh bindings"
        );
    }

    [Test]
    public void A_header_becomes_blittable_declarations()
    {
        RequireClang();
        string text = Generate(Header);

        Assert.That(text, Does.Contain("public const int Answer = 42;"));
        Assert.That(
            text,
            Does.Contain("internal enum NampColour").And.Contains("    Red = 1,").And.Contains("    Blue = 2,")
        );
        Assert.That(text, Does.Contain("internal struct NampThing;"));
        Assert.That(text, Does.Contain("public fixed byte Name[8];").And.Contains("public float* In;"));
        Assert.That(text, Does.Contain("(\"namp_part\", sizeof(NampPart)),").And.Not.Contains("sizeof(NampThing)"));
        Assert.That(text, Does.Contain("/// <summary>Counts a &lt; b.</summary>"));
        Assert.That(
            text,
            Does.Contain("internal static partial int PartCount(long* @out, NampThing* thing, NampPart** parts);")
        );
        Assert.That(text, Does.Not.Contain("DllImport"));
    }

    [TestCase("long namp_a(void);", "fixed-width")]
    [TestCase("#include <stdint.h>\nint32_t namp_a(int32_t (*callback)(void));", "no C# counterpart")]
    [TestCase("int32_t namp_a(void);", "refused the header")]
    public void What_has_no_counterpart_is_refused(string header, string reason)
    {
        RequireClang();
        Assert.That(() => Generate(header), Throws.InstanceOf<BindingsException>().With.Message.Contains(reason));
    }

    [Test]
    public void The_emulated_GPU_s_header_may_have_types_of_the_system_and_callbacks()
    {
        RequireClang();
        string text = Generate(
            "#include <stddef.h>\nint nampemu_put(size_t count, int (*work)(void* data, size_t bytes));",
            CInterface.EmulatedGpu
        );

        Assert.That(
            text,
            Does.Contain("internal static partial int Put(nuint count, delegate* unmanaged<void*, nuint, int> work);")
        );
    }

    private static string Generate(string header, CInterface? face = null)
    {
        face ??= CInterface.NativeAmp;
        string file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.h");
        try
        {
            File.WriteAllText(file, header);
            return CSharpWriter.Write(ClangHeaderReader.Read(file, face.Prefix), face);
        }
        finally
        {
            File.Delete(file);
        }
    }

    // Without clang nothing can be generated; machines with clang find the drift.
    private static void RequireClang()
    {
        if (!ClangHeaderReader.IsAvailable)
            Assert.Ignore("no clang is on the PATH");
    }
}
