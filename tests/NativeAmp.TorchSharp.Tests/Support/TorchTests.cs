using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests;

/// <summary>Tests whose tensors live until the test ends.</summary>
internal abstract class TorchTests
{
    private global::TorchSharp.DisposeScope _scope = null!;

    [SetUp]
    public void EnterScope()
    {
        _scope = NewDisposeScope();
        random.manual_seed(1);
    }

    [TearDown]
    public void LeaveScope() => _scope.Dispose();
}
