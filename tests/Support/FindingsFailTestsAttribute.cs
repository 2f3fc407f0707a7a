using NUnit.Framework.Interfaces;

[assembly: NativeAmp.TestSupport.FindingsFailTests]

namespace NativeAmp.TestSupport;

/// <summary>
/// Fails a test during which a checker of the emulated GPU found something: an access outside an allocation, a race, a
/// leak.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class FindingsFailTestsAttribute : Attribute, ITestAction
{
    /// <inheritdoc/>
    public ActionTargets Targets => ActionTargets.Test;

    /// <inheritdoc/>
    public void BeforeTest(ITest test) { }

    /// <inheritdoc/>
    public void AfterTest(ITest test)
    {
        IReadOnlyList<string> findings = EmulatedGpu.TakeFindings();
        if (findings.Count > 0)
            Assert.Fail($"The emulated GPU's checkers found:\n  {string.Join("\n  ", findings.Take(5))}");
    }
}
