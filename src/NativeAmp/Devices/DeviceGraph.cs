using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Work of a device that is captured once and then launched as a whole. Objects of the host that take part in it
/// (optimizers, scalers, generators, gradients) join the graph when their work is captured. Memory that the work uses
/// stays alive as long as the graph.
/// </summary>
internal sealed unsafe class DeviceGraph : IDisposable
{
    [ThreadStatic]
    private static DeviceGraph? t_current;

    // While no thread prepares or captures one, there is nothing to look up.
    private static int s_open;

    private readonly Dictionary<object, IGraphPart> _prepared = new(ReferenceEqualityComparer.Instance);
    private readonly List<IGraphPart> _parts = [];
    private readonly HashSet<IGraphPart> _joined = [];
    private readonly HashSet<SafeHandle> _held = [];
    private GraphHandle? _handle;
    private bool _isCapturing;

    public DeviceGraph(Device device) => Device = device;

    public Device Device { get; }

    /// <summary>Whether it can be launched.</summary>
    public bool IsCaptured => _handle is not null;

    /// <summary>Whether the calling thread captures on any device.</summary>
    public static bool IsCapturing => Volatile.Read(ref s_open) != 0 && t_current is { _isCapturing: true };

    /// <summary>The graph that the calling thread captures, or prepares to capture, on a device; null for
    /// none.</summary>
    public static DeviceGraph? Near(Device device) =>
        Volatile.Read(ref s_open) != 0 && t_current is { } graph && graph.Device == device ? graph : null;

    /// <summary>The graph that the calling thread captures on a device; null for none.</summary>
    public static DeviceGraph? CapturedOn(Device device) => Near(device) is { _isCapturing: true } graph ? graph : null;

    /// <summary>
    /// Does the work as it is, once, so that its memory is in the cache, its kernels are loaded, and its parts have
    /// what they need.
    /// </summary>
    public void Prepare(Action work) => Run(work);

    /// <summary>Captures the work on the device's current stream; it is not done.</summary>
    /// <exception cref="GraphCaptureException">It cannot be captured. There is no graph then, and the parts are as
    /// before.</exception>
    public void Capture(Action work)
    {
        Release();
        Ensure.Success(NativeMethods.GraphBegin(Device.Native, DeviceStream.NativeOf(Device, null)));
        _isCapturing = true;
        try
        {
            Run(work);
            NampGraph* graph;
            // In any case the native capture is over.
            _isCapturing = false;
            Ensure.Success(NativeMethods.GraphEnd(&graph, Device.Native));
            _handle = new GraphHandle(Device.Handle, (nint)graph);
        }
        catch
        {
            if (_isCapturing)
                _ = NativeMethods.GraphCancel(Device.Native);
            _isCapturing = false;
            foreach (IGraphPart part in _parts)
                part.Abandoned();
            Release();
            throw;
        }

        foreach (IGraphPart part in _parts)
            part.Captured();
    }

    /// <summary>Puts the work on the stream that it was captured on.</summary>
    /// <exception cref="InvalidOperationException">A part is not as it was for the capture; nothing was
    /// launched.</exception>
    public void Launch()
    {
        ObjectDisposedException.ThrowIf(_handle is null, this);
        lock (Device.Gate)
        {
            if (Outdated() is { } reason)
                throw new InvalidOperationException(reason);
            foreach (IGraphPart part in _parts)
                part.BeforeLaunch();
            Ensure.Success(NativeMethods.GraphLaunch((NampGraph*)_handle.DangerousGetHandle()));
            Exception? first = null;
            foreach (IGraphPart part in _parts)
            {
                try
                {
                    part.AfterLaunch();
                }
                catch (Exception exception)
                {
                    // Such as a scaler that gives up: the step is done, and so are the others' books.
                    first ??= exception;
                }
            }

            if (first is not null)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }
    }

    /// <summary>Why a launch would not do what the calls would do now; null if it would.</summary>
    public string? Outdated()
    {
        foreach (IGraphPart part in _parts)
        {
            if (part.Outdated() is { } reason)
                return reason;
        }

        return null;
    }

    /// <summary>The part of an object, which is made at first; during a capture it joins the graph.</summary>
    public T Part<T>(object owner, Func<T> make)
        where T : class, IGraphPart
    {
        if (!_prepared.TryGetValue(owner, out IGraphPart? part))
            _prepared.Add(owner, part = make());
        if (_isCapturing && _joined.Add(part))
        {
            _parts.Add(part);
            part.Joins();
        }

        return (T)part;
    }

    /// <summary>Keeps a resource from before the capture alive as long as the graph.</summary>
    public void Hold(SafeHandle resource)
    {
        if (!_isCapturing || !_held.Add(resource))
            return;
        bool added = false;
        resource.DangerousAddRef(ref added);
    }

    /// <summary>Destroys the graph; what its parts have stays for another capture.</summary>
    public void Release()
    {
        _handle?.Dispose();
        _handle = null;
        _parts.Clear();
        _joined.Clear();
        foreach (SafeHandle resource in _held)
            resource.DangerousRelease();
        _held.Clear();
    }

    public void Dispose()
    {
        Release();
        foreach (IGraphPart part in _prepared.Values)
            part.Dispose();
        _prepared.Clear();
    }

    private void Run(Action work)
    {
        DeviceGraph? outer = t_current;
        t_current = this;
        Interlocked.Increment(ref s_open);
        try
        {
            work();
        }
        finally
        {
            Interlocked.Decrement(ref s_open);
            t_current = outer;
        }
    }

    private sealed class GraphHandle(DeviceHandle device, nint graph) : DeviceResourceHandle(device, graph)
    {
        protected override int Release() => NativeMethods.GraphDestroy((NampGraph*)handle);

        protected override void Abandon() => Device.Abandon(handle, DeviceResource.Graph);
    }
}
