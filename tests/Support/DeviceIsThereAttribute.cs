using NUnit.Framework.Interfaces;

[assembly: NativeAmp.TestSupport.DeviceIsThere]

namespace NativeAmp.TestSupport;

/// <summary>
/// Skips a test that is for a GPU, by its own arguments or its fixture's, on a machine without one. A test's SetUp
/// cannot: its TearDown would run all the same, and find nothing that it could close.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class DeviceIsThereAttribute : Attribute, ITestAction
{
    /// <inheritdoc/>
    public ActionTargets Targets => ActionTargets.Test;

    /// <inheritdoc/>
    public void BeforeTest(ITest test)
    {
        for (ITest? each = test; each is not null; each = each.Parent)
        {
            if (each.Arguments.Contains(DeviceKind.Cuda))
                TestDevices.RequireGpu();
        }
    }

    /// <inheritdoc/>
    public void AfterTest(ITest test) { }
}
