using System.Management.Automation.Language;
using System.Text.RegularExpressions;

namespace NativeAmp.Tests;

/// <summary>Reads both build scripts without running them: no machine runs both Windows and Debian.</summary>
public partial class BuildScriptTests
{
    // A line of the help text: two spaces, the verb, its arguments, and at a distance what it does.
    [GeneratedRegex(@"^  ([a-z-]+)(?: \[[^\]]+\])? {2,}\S", RegexOptions.Multiline)]
    private static partial Regex HelpLine();

    [GeneratedRegex(@"^  ([a-z-]+)\) ", RegexOptions.Multiline)]
    private static partial Regex ShellCase();

    private static string[] HelpVerbs(string script) => [.. HelpLine().Matches(script).Select(m => m.Groups[1].Value)];

    [Test]
    public void PowerShell_script_parses_without_an_error()
    {
        Parser.ParseInput(Repository.Read("build.ps1"), out _, out var errors);

        Assert.That(errors.Select(e => $"{e.Extent.StartLineNumber}: {e.Message}"), Is.Empty);
    }

    [Test]
    public void Both_scripts_offer_the_same_verbs()
    {
        string[] shell = HelpVerbs(Repository.Read("build.sh"));

        Assert.That(
            shell,
            Is.SupersetOf(
                new[] { "build", "train", "test", "bench", "gpu-report", "bindings", "format", "pack", "clean", "help" }
            )
        );
        Assert.That(HelpVerbs(Repository.Read("build.ps1")), Is.EqualTo(shell));
    }

    [Test]
    public void Every_verb_that_the_shell_script_names_is_carried_out()
    {
        string script = Repository.Read("build.sh");
        string[] cases = [.. ShellCase().Matches(script).Select(m => m.Groups[1].Value)];

        Assert.That(cases, Is.EquivalentTo(HelpVerbs(script)));
    }

    [Test]
    public void Every_verb_that_the_PowerShell_script_names_is_carried_out()
    {
        string script = Repository.Read("build.ps1");
        var tree = Parser.ParseInput(script, out _, out _);
        var choice = (SwitchStatementAst)tree.Find(node => node is SwitchStatementAst, searchNestedScriptBlocks: false);
        var cases = choice.Clauses.Select(clause => ((StringConstantExpressionAst)clause.Item1).Value);

        Assert.That(cases, Is.EquivalentTo(HelpVerbs(script)));
    }
}
