namespace NativeAmp;

/// <summary>
/// The duties of an object of the host whose work is in a <see cref="DeviceGraph"/>: it writes the numbers that the
/// next launch reads, and keeps its own books as if its calls had been made.
/// </summary>
internal interface IGraphPart : IDisposable
{
    /// <summary>Called when a capture first meets the object.</summary>
    void Joins();

    /// <summary>Called at the end of the capture.</summary>
    void Captured();

    /// <summary>Called instead, where there will be no graph: undoes what the capture did to the object.</summary>
    void Abandoned();

    /// <summary>
    /// Why the next launch would not do what the calls would do now, in a sentence; null if it would. Throws if the
    /// object was disposed.
    /// </summary>
    string? Outdated();

    /// <summary>Called before each launch, when all parts have been checked.</summary>
    void BeforeLaunch();

    /// <summary>Called after each launch was put on the stream.</summary>
    void AfterLaunch();
}
