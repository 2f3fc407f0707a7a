using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Checkpoints;
using Spectre.Console;

namespace NativeAmp.Training.Tests.Cli;

public class InspectCommandTests : FolderTests
{
    [Test]
    public void What_overflows_underflows_and_is_subnormal_is_counted()
    {
        // fp16: 65520 overflows; 2^-25 is half of the smallest value, a tie to zero; 2^-20 is subnormal; bf16 holds all
        // but the bits of 65519.
        string file = Write(
            "a.safetensors",
            (
                "weight",
                SafetensorsDType.F32,
                [9],
                Bytes<float>(
                    0,
                    -0.0f,
                    float.NaN,
                    float.NegativeInfinity,
                    1,
                    65520,
                    MathF.ScaleB(1, -25),
                    MathF.ScaleB(1, -20),
                    -65519
                )
            )
        );

        JsonElement tensor = Inspect(file)[0];

        Assert.Multiple(() =>
        {
            Assert.That(Long(tensor, "count", "zeros", "nan", "inf"), Is.EqualTo(new long[] { 9, 2, 1, 1 }));
            Assert.That(tensor.GetProperty("largest").GetDouble(), Is.EqualTo(65520));
            Assert.That(tensor.GetProperty("first_exponent").GetInt32(), Is.EqualTo(-25));
            Assert.That(tensor.GetProperty("exponents").GetArrayLength(), Is.EqualTo(25 + 15 + 1));
            Assert.That(
                Long(Format(tensor, "fp16"), "overflow", "underflow", "subnormal", "best_scale_power"),
                Is.EqualTo(new long[] { 1, 1, 1, -1 })
            );
            Assert.That(
                Long(Format(tensor, "bf16"), "overflow", "underflow", "subnormal", "best_scale_power"),
                Is.EqualTo(new long[] { 0, 0, 0, 0 })
            );
            Assert.That(
                Format(tensor, "fp16").GetProperty("snr_db").ValueKind,
                Is.EqualTo(JsonValueKind.Null),
                "an infinity has no error"
            );
            Assert.That(Format(tensor, "bf16").GetProperty("snr_db").GetDouble(), Is.GreaterThan(40));
        });
    }

    // Little-endian, as in the format; two 4-bit elements per byte, and four 6-bit ones in three bytes.
    [Test]
    public void Every_type_of_the_format_is_read()
    {
        (SafetensorsDType DType, byte[] Bytes, double Largest, long Count, long NaNs)[] cases =
        [
            (SafetensorsDType.F64, Bytes(-3.5, 1e300), 1e300, 2, 0),
            (SafetensorsDType.F32, Bytes(-3.5f, 1), 3.5, 2, 0),
            (SafetensorsDType.F16, Bytes((Half)(-3.5), Half.NaN), 3.5, 2, 1),
            (SafetensorsDType.BF16, Bytes<ushort>(0x4060, 0x3F80), 3.5, 2, 0),
            (SafetensorsDType.C64, Bytes(1f, -3.5f), 3.5, 2, 0),
            (SafetensorsDType.I64, Bytes(-7L, 5), 7, 2, 0),
            (SafetensorsDType.U64, Bytes(ulong.MaxValue), 18446744073709551615.0, 1, 0),
            (SafetensorsDType.I32, Bytes(int.MinValue), 2147483648.0, 1, 0),
            (SafetensorsDType.U32, Bytes(uint.MaxValue), uint.MaxValue, 1, 0),
            (SafetensorsDType.I16, Bytes<short>(-7, 5), 7, 2, 0),
            (SafetensorsDType.U16, Bytes<ushort>(65535, 5), 65535, 2, 0),
            (SafetensorsDType.I8, Bytes<sbyte>(-7, 5), 7, 2, 0),
            (SafetensorsDType.U8, Bytes<byte>(255, 5), 255, 2, 0),
            (SafetensorsDType.BOOL, Bytes<byte>(1, 0), 1, 2, 0),
            (SafetensorsDType.F8_E4M3, Bytes<byte>(0x7E, 0x7F), 448, 2, 1),
            (SafetensorsDType.F8_E5M2, Bytes<byte>(0x7B, 0x7E), 57344, 2, 1),
            (SafetensorsDType.F8_E8M0, Bytes<byte>(130, 255), 8, 2, 1),
            (SafetensorsDType.F8_E4M3FNUZ, Bytes<byte>(0x7F, 0x80), 240, 2, 1),
            (SafetensorsDType.F8_E5M2FNUZ, Bytes<byte>(0x7F, 0x80), 57344, 2, 1),
            (SafetensorsDType.F6_E2M3, Bytes<byte>(0x1F, 0, 0), 7.5, 4, 0),
            (SafetensorsDType.F6_E3M2, Bytes<byte>(0, 0, 0b0111_1100), 28, 4, 0),
            (SafetensorsDType.F4, Bytes<byte>(0x27, 0), 6, 4, 0),
        ];
        Assert.That(
            cases.Select(entry => entry.DType).Order(),
            Is.EqualTo(Enum.GetValues<SafetensorsDType>()),
            "every type"
        );
        string file = Write(
            "types.safetensors",
            [
                .. cases.Select(entry =>
                    (
                        entry.DType.ToString(),
                        entry.DType,
                        (long[])[entry.Bytes.Length * 8 / Bits(entry.DType)],
                        entry.Bytes
                    )
                ),
            ]
        );

        JsonElement[] tensors = [.. Inspect(file)];

        Assert.Multiple(() =>
        {
            foreach (var entry in cases)
            {
                JsonElement tensor = tensors.Single(tensor =>
                    tensor.GetProperty("name").GetString() == entry.DType.ToString()
                );
                Assert.That(tensor.GetProperty("largest").GetDouble(), Is.EqualTo(entry.Largest), $"{entry.DType}");
                Assert.That(
                    Long(tensor, "count", "nan"),
                    Is.EqualTo(new[] { entry.Count, entry.NaNs }),
                    $"{entry.DType}"
                );
            }
        });
    }

    [Test]
    public void Tensors_of_no_elements_or_a_single_one_are_shown()
    {
        string file = Write(
            "a.safetensors",
            ("empty", SafetensorsDType.F32, [0, 3], []),
            ("scalar", SafetensorsDType.F16, [], Bytes((Half)2))
        );

        (int code, string output, _) = CliHost.Run("inspect", file);

        Assert.That(code, Is.EqualTo(ExitCode.Success));
        Assert.That(output, Does.Contain("empty").And.Contain("scalar").And.Contain("2^1").And.Contain("exact"));
    }

    // More than the buffer, and in pieces that end within it.
    [TestCase(SafetensorsDType.F32, 4)]
    [TestCase(SafetensorsDType.F16, 2)]
    [TestCase(SafetensorsDType.F6_E3M2, 0)]
    public void A_tensor_larger_than_the_buffer_is_read_whole(SafetensorsDType dtype, int size)
    {
        long count = size == 0 ? (1 << 21) + 4 : ((5 << 20) / size) + 1;
        var bytes = new byte[count * Bits(dtype) / 8];
        bytes[^1] = 0x3C; // at the very end: the only number that is not zero
        string file = Write("a.safetensors", ("big", dtype, [count], bytes));

        JsonElement tensor = Inspect(file)[0];

        Assert.That(Long(tensor, "count", "zeros"), Is.EqualTo(new[] { count, count - 1 }));
    }

    [Test]
    public void AFolder_of_checkpoints_means_its_newest_and_an_index_its_shards()
    {
        Write("step-0000000001.safetensors", ("old", SafetensorsDType.F32, [1], Bytes(1f)));
        Write("step-0000000012.safetensors", ("new", SafetensorsDType.F32, [1], Bytes(1f)));
        Assert.That(Names(Folder), Is.EqualTo(new[] { "new" }));

        Write("model-1.safetensors", ("a", SafetensorsDType.F32, [1], Bytes(1f)));
        Write("model-2.safetensors", ("b", SafetensorsDType.F32, [1], Bytes(1f)));
        string index = Path.Combine(Folder, "model.safetensors.index.json");
        File.WriteAllText(
            index,
            """{"metadata": {"total_size": 8}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"""
        );
        Assert.That(Names(Folder), Is.EqualTo(new[] { "a", "b" }));
        Assert.That(Names(index), Is.EqualTo(new[] { "a", "b" }));
        Assert.That(Names(index, "--tensor", "b"), Is.EqualTo(new[] { "b" }));
    }

    [TestCase("""{"weight_map": {"a": "../b.safetensors"}}""", "same folder")]
    [TestCase("""{"weight_map": {"a": 3}}""", "same folder")]
    [TestCase("""{"weight_map": {}}""", "empty weight_map")]
    [TestCase("""{"weight_map": []}""", "without a weight_map")]
    [TestCase("""{"weight_map": {"a": "absent.safetensors"}}""", "absent.safetensors")]
    [TestCase("{", "not JSON")]
    [TestCase("", "not JSON")]
    public void A_damaged_index_gets_one_sentence(string text, string message)
    {
        string index = Path.Combine(Folder, "model.safetensors.index.json");
        File.WriteAllText(index, text);

        AssertFails(message, index);
    }

    [Test]
    public void Damaged_files_get_one_sentence()
    {
        string file = Write("a.safetensors", ("a", SafetensorsDType.F32, [4], Bytes(1f, 2, 3, 4)));
        byte[] bytes = File.ReadAllBytes(file);
        File.WriteAllBytes(file, bytes[..^1]);
        AssertFails("'a'", file);
        File.WriteAllBytes(file, bytes[..5]);
        AssertFails("header", file);
        File.WriteAllBytes(file, [.. Enumerable.Repeat((byte)0xFF, 64)]);
        AssertFails("header", file);
        AssertFails("absent", Path.Combine(Folder, "absent.safetensors"));
        File.Delete(file);
        AssertFails("without safetensors files", Folder);
        Assert.That(CliHost.Run("inspect").Code, Is.EqualTo(ExitCode.Usage));
        Assert.That(CliHost.Run("inspect", "").Code, Is.EqualTo(ExitCode.Usage));
    }

    [Test]
    public void A_narrow_terminal_gets_lines_that_fit()
    {
        string file = Write(
            "a.safetensors",
            ("block0.attention.projection.weight", SafetensorsDType.F32, [3], Bytes(1e6f, 1e-6f, 1e-9f))
        );
        using var output = new StringWriter();
        IAnsiConsole live = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Ansi = AnsiSupport.No }
        );
        live.Profile.Width = 40;
        var terminal = new Terminal(output, output, live);

        CommandRunner.Run(NativeAmp.Cli.CommandTree.Build(terminal), ["inspect", file], terminal);

        Assert.That(output.ToString(), Does.Contain("fp16: over 33.3 %, zero 33.3 %"));
        Assert.That(output.ToString().Split('\n').Max(line => line.TrimEnd().Length), Is.LessThanOrEqualTo(80));
    }

    [Test]
    public void Gradients_get_the_loss_scale_that_keeps_them()
    {
        // 2^-30 needs 2^16 to be normal in fp16; 2^-3 then is 2^13.
        string file = Write(
            "a.safetensors",
            ("layer.weight.grad", SafetensorsDType.F32, [2], Bytes(MathF.ScaleB(1, -30), MathF.ScaleB(1, -3)))
        );

        Assert.That(
            CliHost.Run("inspect", file).Output,
            Does.Contain(
                "In fp16 a loss scale of 2^16 (65536) keeps most of these gradients: 0 become zero and 0 subnormal, "
                    + "against 50 % and 0 with none."
            )
        );
    }

    [Test]
    public void A_name_cannot_steer_the_terminal()
    {
        string file = Write("a.safetensors", (@"\u001b[2Jevil\nname", SafetensorsDType.F32, [1], Bytes(1f)));

        foreach (
            string[] arguments in (string[][])
                [
                    ["inspect", file],
                    ["inspect", file, "--detail"],
                ]
        )
            Assert.That(
                CliHost.Run(arguments).Output,
                Does.Contain("\uFFFD[2Jevil\uFFFDname").And.Not.Contain("\u001b")
            );
        Assert.That(Names(file), Is.EqualTo(new[] { "\u001b[2Jevil\nname" }), "programs get it as it is");
    }

    private static void AssertFails(string message, string path)
    {
        (int code, string output, string error) = CliHost.Run("inspect", path);
        Assert.That((code, output), Is.EqualTo((ExitCode.Failure, "")), error);
        Assert.That(error, Does.StartWith("nativeamp: ").And.Contain(message));
        Assert.That(error.TrimEnd().Split('\n'), Has.Length.EqualTo(1), error);
    }

    private static string[] Names(params string[] arguments)
    {
        (int code, string output, string error) = CliHost.Run(["inspect", .. arguments, "--json"]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        return
        [
            .. JsonDocument
                .Parse(output)
                .RootElement.GetProperty("tensors")
                .EnumerateArray()
                .Select(tensor => tensor.GetProperty("name").GetString()!),
        ];
    }

    private static JsonElement.ArrayEnumerator Enumerate(string path)
    {
        (int code, string output, string error) = CliHost.Run("inspect", path, "--json");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        return JsonDocument.Parse(output).RootElement.GetProperty("tensors").EnumerateArray();
    }

    private static List<JsonElement> Inspect(string path) => [.. Enumerate(path)];

    private static JsonElement Format(JsonElement tensor, string name) =>
        tensor
            .GetProperty("formats")
            .EnumerateArray()
            .Single(format => format.GetProperty("format").GetString() == name);

    private static long[] Long(JsonElement element, params string[] names) =>
        [.. names.Select(name => element.GetProperty(name).GetInt64())];

    private static byte[] Bytes<T>(params T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes<T>(values).ToArray();

    private static int Bits(SafetensorsDType dtype) =>
        dtype switch
        {
            SafetensorsDType.F4 => 4,
            SafetensorsDType.F6_E2M3 or SafetensorsDType.F6_E3M2 => 6,
            SafetensorsDType.C64 or SafetensorsDType.F64 or SafetensorsDType.I64 or SafetensorsDType.U64 => 64,
            SafetensorsDType.F32 or SafetensorsDType.I32 or SafetensorsDType.U32 => 32,
            SafetensorsDType.F16 or SafetensorsDType.BF16 or SafetensorsDType.I16 or SafetensorsDType.U16 => 16,
            _ => 8,
        };

    // Written by hand, after the format's own description: a length, JSON, bytes.
    private string Write(
        string name,
        params (string Name, SafetensorsDType DType, long[] Shape, byte[] Bytes)[] tensors
    )
    {
        var header = new StringBuilder("{");
        long offset = 0;
        foreach ((string tensor, SafetensorsDType dtype, long[] shape, byte[] bytes) in tensors)
        {
            header
                .Append(header.Length > 1 ? "," : "")
                .Append(
                    $$"""
                    "{{tensor}}":{"dtype":"{{dtype}}","shape":[{{string.Join(
                        ',',
                        shape
                    )}}],"data_offsets":[{{offset}},{{offset + bytes.Length}}]}
                    """
                );
            offset += bytes.Length;
        }

        byte[] json = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        string path = Path.Combine(Folder, name);
        File.WriteAllBytes(
            path,
            [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. tensors.SelectMany(tensor => tensor.Bytes)]
        );
        return path;
    }
}
