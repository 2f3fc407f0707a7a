using NativeAmp.Planning;

namespace NativeAmp.Training.Tests.Planning;

/// <summary>Models and GPUs from files: a user's own, and hostile ones.</summary>
internal sealed class PlanCatalogTests : FolderTests
{
    private const string Model =
        """{"name": "m", "layers": 2, "width": 64, "heads": 4, "vocabulary": 256, "context": 32}""";

    [Test]
    public void A_users_model_and_GPU_are_known_beside_the_others()
    {
        Write(
            "mine.json",
            $$"""
            {"models": [{{Model}}], "gpus": [{"name": "Mine", "memory_gib": 24, "memory_gb_per_s": 900, "tflops": {"fp16": 100}, "link_gb_per_s": 30,
            "network_gb_per_s": 1, "host_gb_per_s": 30, "gpus_per_node": 4, "watts": 300}]}
            """
        );
        PlanCatalog catalog = PlanCatalog.Standard.With(Folder);
        // 2 (12 · 64² + 13 · 64) + (256 + 32) 64 + 2 · 64
        Assert.That(catalog.Model("m").Parameters, Is.EqualTo(2 * (12 * 64 * 64 + 13 * 64) + (256 + 32) * 64 + 2 * 64));
        Assert.That(catalog.Gpu("mine").Peak(TrainingPrecision.Fp16), Is.EqualTo(1e14));
        Assert.That(catalog.Model("gpt3-175b").Layers, Is.EqualTo(96));
        Assert.That(PlanCatalog.Standard.Models.Select(m => m.Name), Has.None.EqualTo("m"));
    }

    [Test]
    public void A_file_names_one_model() =>
        Assert.That(PlanCatalog.Standard.Model(Write("one.json", Model)).Name, Is.EqualTo("m"));

    [TestCase("\"layers\": 2", "\"layers\": -2", "'layers' of model 'm' in .* is -2; it is a whole number from 1 to ")]
    [TestCase("\"width\": 64", "\"width\": -64", "'width' of model 'm' in .* is -64; it is a whole number from 1 to ")]
    [TestCase("\"width\": 64", "\"width\": 1e400", "'width' of model 'm' in .* is 1e400; it is a whole number")]
    [TestCase("\"width\": 64", "\"width\": 64.5", "'width' of model 'm' in .* is 64.5; it is a whole number")]
    [TestCase("\"width\": 64", "\"width\": \"64\"", "is \"64\"; it is a whole number")]
    [TestCase("\"width\": 64", "\"width\": 99999999999999999999", "is 99999999999999999999; it is a whole number")]
    [TestCase("\"heads\": 4", "\"heads\": 5", "5 heads, which do not divide its width of 64")]
    [TestCase(
        "\"heads\": 4",
        "\"heads\": 4, \"key_value_heads\": 3",
        "3 key-value heads, which do not divide its 4 heads"
    )]
    [TestCase("\"heads\": 4,", "", "does not say 'heads'")]
    [TestCase("\"layers\": 2", "\"layers\": 2, \"layers\": 3", "has 'layers' twice")]
    [TestCase("\"layers\": 2", "\"layers\": 2, \"layer\": 3", "has 'layer', which is unknown \\(near: layers\\)")]
    [TestCase(
        "\"layers\": 2, \"width\": 64",
        "\"layers\": 1000000, \"width\": 10000000",
        "more than 1e\\+15 cannot be planned"
    )]
    [TestCase("\"context\": 32", "\"context\": 32, \"tokens\": -5", "'tokens' of model 'm' in .* is -5")]
    [TestCase("\"name\": \"m\"", "\"name\": \"\"", "'name' of .* is \"\"; it is a text")]
    public void What_is_wrong_in_a_file_is_said_in_one_sentence(string right, string wrong, string message)
    {
        string path = Write("bad.json", Model.Replace(right, wrong, StringComparison.Ordinal));
        var e = Assert.Throws<PlanException>(() => PlanCatalog.Standard.Model(path));
        Assert.That(e!.Message, Does.Match(message).And.Not.Contain("\n"));
    }

    [TestCase("")]
    [TestCase("[]")]
    [TestCase("nonsense")]
    [TestCase("\0\0\0")]
    public void What_is_no_description_is_refused(string text)
    {
        string path = Write("bad.json", text);
        Assert.That(() => PlanCatalog.Standard.Model(path), Throws.TypeOf<PlanException>().With.Message.Contains(path));
        Assert.That(() => PlanCatalog.Standard.With(path), Throws.TypeOf<PlanException>().With.Message.Contains(path));
    }

    [Test]
    public void A_file_that_is_cut_off_anywhere_is_refused()
    {
        for (int length = 0; length < Model.Length; length++)
        {
            string path = Write("cut.json", Model[..length]);
            Assert.That(() => PlanCatalog.Standard.Model(path), Throws.TypeOf<PlanException>(), Model[..length]);
        }
    }

    [Test]
    public void Deep_and_large_files_are_refused()
    {
        Assert.That(
            () => PlanCatalog.Standard.Model(Write("deep.json", new string('[', 100_000))),
            Throws.TypeOf<PlanException>()
        );
        Assert.That(
            () => PlanCatalog.Standard.Model(Write("large.json", new string(' ', 5 << 20))),
            Throws.TypeOf<PlanException>().With.Message.Contains("at most")
        );
    }

    [TestCase("gpt3-174b", "gpt3-175b")]
    [TestCase("lama-7b", "llama-7b")]
    [TestCase("gpt3", "gpt3-125m")]
    public void An_unknown_name_is_answered_with_the_nearest(string name, string near) =>
        Assert.That(
            () => PlanCatalog.Standard.Model(name),
            Throws.TypeOf<PlanException>().With.Message.Contains($"'{name}'").And.Message.Contains(near)
        );

    [Test]
    public void An_unknown_GPU_and_a_precision_that_it_lacks_are_refused()
    {
        Assert.That(
            () => PlanCatalog.Standard.Gpu("a100"),
            Throws.TypeOf<PlanException>().With.Message.Contains("a100-80g")
        );
        Assert.That(
            () => PlanCatalog.Standard.Gpu("v100-32g").Peak(TrainingPrecision.Bf16),
            Throws.TypeOf<PlanException>().With.Message.Contains("does not compute in bf16")
        );
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
