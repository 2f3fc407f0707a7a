using NativeAmp.Interop;

namespace NativeAmp.Instruments;

/// <summary>How <see cref="MemoryTouch.Run"/> accesses a column.</summary>
public enum ColumnAccess
{
    /// <summary>Nothing.</summary>
    None = NampAccess.None,

    /// <summary>Reads it.</summary>
    Read = NampAccess.Read,

    /// <summary>Writes zeros.</summary>
    Write = NampAccess.Write,

    /// <summary>Reads it and writes the complement of its bits.</summary>
    ReadWrite = NampAccess.ReadWrite,
}
