namespace ManagedCuda.BasicTypes;

/// <summary>size_t.</summary>
public struct SizeT
{
    private readonly nuint _value;

    public SizeT(int value) => _value = (uint)value;

    public SizeT(uint value) => _value = value;

    public SizeT(long value) => _value = (nuint)value;

    public SizeT(ulong value) => _value = (nuint)value;

    public SizeT(nuint value) => _value = value;

    public SizeT(nint value) => _value = (nuint)value;

    public static implicit operator int(SizeT t) => (int)t._value;

    public static implicit operator uint(SizeT t) => (uint)t._value;

    public static implicit operator long(SizeT t) => (long)t._value;

    public static implicit operator ulong(SizeT t) => t._value;

    public static implicit operator nuint(SizeT t) => t._value;

    public static implicit operator nint(SizeT t) => (nint)t._value;

    public static implicit operator SizeT(int value) => new(value);

    public static implicit operator SizeT(uint value) => new(value);

    public static implicit operator SizeT(long value) => new(value);

    public static implicit operator SizeT(ulong value) => new(value);

    public static implicit operator SizeT(nint value) => new(value);

    public static implicit operator SizeT(nuint value) => new(value);

    public override string ToString() => _value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
