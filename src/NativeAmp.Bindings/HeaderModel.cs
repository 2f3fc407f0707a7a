namespace NativeAmp.Bindings;

/// <summary>The declarations of a C header that bindings need.</summary>
internal sealed record HeaderModel(
    IReadOnlyList<MacroConstant> Constants,
    IReadOnlyList<EnumType> Enums,
    IReadOnlyList<StructType> Structs,
    IReadOnlyList<Function> Functions
);

/// <summary>An integer <c>#define</c>.</summary>
internal sealed record MacroConstant(string Name, int Value);

/// <summary>A C enum with its members in order.</summary>
internal sealed record EnumType(string Name, string Comment, IReadOnlyList<EnumMember> Members);

/// <summary>One enumerator.</summary>
internal sealed record EnumMember(string Name, long Value, string Comment);

/// <summary>A C struct. Without fields it is opaque, and used only through pointers.</summary>
internal sealed record StructType(string Name, string Comment, IReadOnlyList<Variable> Fields);

/// <summary>A function with its parameters in order.</summary>
internal sealed record Function(string Name, string Comment, string ReturnType, IReadOnlyList<Variable> Parameters);

/// <summary>
/// A field or parameter; <paramref name="Type"/> is as clang spells it, such as <c>const float *</c> or
/// <c>char[128]</c>.
/// </summary>
internal sealed record Variable(string Name, string Type, string Comment);
