using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Cli;
using NativeAmp.Training.Tests.Pages;

namespace NativeAmp.Training.Tests.Study;

/// <summary>The comparison of two different studies.</summary>
internal sealed class ComparisonTests : FolderTests
{
    private static readonly int[] Batches = [8, 16, 32, 64];

    private string Page => Path.Combine(Folder, "page.html");

    private string In(string name) => Path.Combine(Folder, name);

    // Steps of 10 ms become steps of 5 ms in the batches up to 32, and steps of 20 ms in that of 64; the second study
    // has no batch of 128.
    [Test]
    public async Task Speeds_are_compared_where_both_have_them()
    {
        Write("before", [.. Batches, 128], _ => 10, ("--steps", "4"));
        Write("now", Batches, batch => batch < 64 ? 5 : 20, ("--steps", "4"), ("--lr", "0.1"));
        (int code, _, string error) = CliHost.Run("study", "report", In("before"), In("now"), "--out", Page);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        string page = File.ReadAllText(Page);
        Assert.That(
            page,
            Does.Contain("Of 4 configurations that both have, now is measurably faster in 3 and slower in 1.")
        );
        Assert.That(
            page,
            Does.Contain(">2.00 (")
                .And.Contain(">0.500 (")
                .And.Contain("--lr was not given, now 0.1")
                .And.Contain("--batch was 8,16,32,64,128, now 8,16,32,64")
        );
        Assert.That(page, Does.Not.Contain("different machines").And.Not.Contain("not the same"));
        await using Browser browser = await Browser.Start();
        await PageCheck.Check(browser, Page, charts: 16);
    }

    [Test]
    public void What_else_differs_is_said_at_the_top()
    {
        Write("a/study", [8], _ => 10, ("--steps", "4"), ("--context", "32"));
        Write("b/study", [8], _ => 10, ("--steps", "4"), ("--context", "64"));
        new HandStudy(In("c"), "cnn", [8], 1, ("--steps", "4")).Run(8, 1, [10, 10], machine: "another machine");
        CliHost.Run("study", "report", In("a/study"), In("b/study"), "--out", Page);
        string page = File.ReadAllText(Page);
        Assert.That(
            page,
            Does.Contain("The work is not the same (--context)")
                .And.Contain($"The first is {In("a/study")}, the second {In("b/study")}.")
        );
        CliHost.Run("study", "report", In("a/study"), In("c"), "--out", Page);
        Assert.That(
            File.ReadAllText(Page),
            Does.Contain("They ran on different machines: a machine, and another machine.")
                .And.Contain("no difference can be told from chance")
        );
    }

    [Test]
    public void Studies_of_two_models_are_refused()
    {
        Write("one", [8], _ => 10, ("--steps", "4"));
        new HandStudy(In("other"), "mlp", [8], 1, ("--steps", "4")).Run(8, 1, [10, 10]);
        (int code, string output, string error) = CliHost.Run("study", "report", In("one"), In("other"), "--out", Page);
        Assert.That((code, output), Is.EqualTo((ExitCode.Usage, "")));
        Assert.That(
            error,
            Is.EqualTo(
                $"nativeamp: {In("one")} is a study of cnn and {In("other")} of mlp: only studies of one model can be "
                    + "compared.\n"
            )
        );
        Assert.That(File.Exists(Page), Is.False);
    }

    // Three repeats whose speeds differ by a thousandth.
    private void Write(string name, int[] batches, Func<int, double> milliseconds, params (string, string)[] options)
    {
        var study = new HandStudy(In(name), "cnn", batches, 3, options);
        foreach (int batch in batches)
        {
            for (int repeat = 1; repeat <= 3; repeat++)
                study.Run(batch, repeat, [.. Enumerable.Repeat(milliseconds(batch) * (1 + repeat * 0.001), 4)]);
        }
    }
}
