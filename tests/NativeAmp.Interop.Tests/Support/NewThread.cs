using System.Runtime.ExceptionServices;

namespace NativeAmp.Interop.Tests;

/// <summary>A thread on which no context of CUDA is current, and none stays so afterwards.</summary>
internal static class NewThread
{
    /// <summary>Runs an action on it, and throws what that throws.</summary>
    public static void Run(Action action)
    {
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
#pragma warning disable CA1031 // Not only some exceptions: it is thrown again below.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }
}
