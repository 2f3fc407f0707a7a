using System.Runtime.InteropServices;

namespace NativeAmp.Benchmarks;

/// <summary>
/// oneDNN 2's product of 8-bit integers: A [m, k] signed or unsigned, B [n, k] signed, to float32 with one scale an
/// output. B lies as the library likes it best, which it was brought into before.
/// </summary>
internal sealed unsafe class OneDnnProduct : IDisposable
{
    // Numbers of dnnl_types.h, version 2.
    private const int CpuEngine = 1;
    private const int DefaultStream = 1;
    private const int Float32 = 3;
    private const int Int8 = 5;
    private const int UInt8 = 6;
    private const int AnyLayout = 1;
    private const int RowMajor = 3;
    private const int ColumnMajor = 22;
    private const int WeightsDescription = 131;
    private const int Source = 1;
    private const int Destination = 17;
    private const int Weights = 33;
    private const int ReorderSource = 1;
    private const int ReorderDestination = 17;

    // Of dnnl_memory_desc_t, and more than any description of an operation.
    private const int DescriptionBytes = 696;
    private const int OperationBytes = 8192;

    private static readonly nint Library = Find();

    private readonly List<(string Destroy, nint Object)> _objects = [];
    private readonly nint _stream;
    private readonly nint _primitive;
    private readonly Argument[] _arguments;
    private readonly void* _weights;

    /// <summary>A product over these matrices.</summary>
    public OneDnnProduct(
        (long M, long N, long K) size,
        bool isUnsigned,
        nint a,
        nint b,
        ReadOnlySpan<float> scales,
        nint c
    )
    {
        nint engine = Make(
            "engine",
            (made, create) => ((delegate* unmanaged<nint*, int, nuint, int>)create)(made, CpuEngine, 0)
        );
        _stream = Make(
            "stream",
            (made, create) => ((delegate* unmanaged<nint*, nint, int, int>)create)(made, engine, DefaultStream)
        );
        byte* source = stackalloc byte[DescriptionBytes];
        byte* given = stackalloc byte[DescriptionBytes];
        byte* wanted = stackalloc byte[DescriptionBytes];
        byte* destination = stackalloc byte[DescriptionBytes];
        Describe(source, size.M, size.K, isUnsigned ? UInt8 : Int8, RowMajor);
        Describe(given, size.K, size.N, Int8, ColumnMajor);
        Describe(wanted, size.K, size.N, Int8, AnyLayout);
        Describe(destination, size.M, size.N, Float32, RowMajor);
        nint attributes = Make("primitive_attr", (made, create) => ((delegate* unmanaged<nint*, int>)create)(made));
        fixed (float* first = scales)
            Check(
                ((delegate* unmanaged<nint, long, int, float*, int>)Function("primitive_attr_set_output_scales"))(
                    attributes,
                    scales.Length,
                    1 << 1,
                    first
                ),
                "primitive_attr_set_output_scales"
            );
        byte* operation = stackalloc byte[OperationBytes];
        Check(
            ((delegate* unmanaged<byte*, byte*, byte*, byte*, byte*, int>)Function("matmul_desc_init"))(
                operation,
                source,
                wanted,
                null,
                destination
            ),
            "matmul_desc_init"
        );
        nint description = 0;
        Check(
            ((delegate* unmanaged<nint*, byte*, nint, nint, nint, int>)Function("primitive_desc_create"))(
                &description,
                operation,
                attributes,
                engine,
                0
            ),
            "primitive_desc_create"
        );
        _objects.Add(("primitive_desc_destroy", description));
        _primitive = Primitive(description);
        var layout = ((delegate* unmanaged<nint, int, int, byte*>)Function("primitive_desc_query_md"))(
            description,
            WeightsDescription,
            0
        );
        nuint bytes = ((delegate* unmanaged<byte*, nuint>)Function("memory_desc_get_size"))(layout);
        _weights = NativeMemory.AlignedAlloc(bytes, 64);
        nint weights = Memory(layout, engine, (nint)_weights);
        nint reorder = 0;
        Check(
            (
                (delegate* unmanaged<nint*, byte*, nint, byte*, nint, nint, int>)Function(
                    "reorder_primitive_desc_create"
                )
            )(&reorder, given, engine, layout, engine, 0),
            "reorder_primitive_desc_create"
        );
        _objects.Add(("primitive_desc_destroy", reorder));
        Execute(Primitive(reorder), [new(ReorderSource, Memory(given, engine, b)), new(ReorderDestination, weights)]);
        _arguments =
        [
            new(Source, Memory(source, engine, a)),
            new(Weights, weights),
            new(Destination, Memory(destination, engine, c)),
        ];
    }

    /// <summary>Whether there is a oneDNN of version 2.</summary>
    public static bool IsThere => Library != 0;

    /// <summary>Name and version.</summary>
    public static string Name
    {
        get
        {
            int* version = ((delegate* unmanaged<int*>)Function("version"))();
            return $"oneDNN {version[0]}.{version[1]}.{version[2]}";
        }
    }

    /// <summary>Computes C.</summary>
    public void Run() => Execute(_primitive, _arguments);

    public void Dispose()
    {
        foreach ((string destroy, nint made) in Enumerable.Reverse(_objects))
            _ = ((delegate* unmanaged<nint, int>)Function(destroy))(made);
        NativeMemory.AlignedFree(_weights);
    }

    private delegate int Creation(nint* made, nint create);

    private static nint Find() =>
        NativeLibrary.TryLoad("libdnnl.so.2", out nint library) || NativeLibrary.TryLoad("dnnl.dll", out library)
            ? library
            : 0;

    private static nint Function(string name) => NativeLibrary.GetExport(Library, "dnnl_" + name);

    private static void Check(int status, string what)
    {
        if (status != 0)
            throw new InvalidOperationException($"oneDNN: {what} gave status {status}.");
    }

    private static void Describe(byte* description, long rows, long columns, int type, int layout)
    {
        long* sizes = stackalloc long[] { rows, columns };
        Check(
            ((delegate* unmanaged<byte*, int, long*, int, int, int>)Function("memory_desc_init_by_tag"))(
                description,
                2,
                sizes,
                type,
                layout
            ),
            "memory_desc_init_by_tag"
        );
    }

    private nint Make(string kind, Creation create)
    {
        nint made = 0;
        Check(create(&made, Function(kind + "_create")), kind + "_create");
        _objects.Add((kind + "_destroy", made));
        return made;
    }

    private nint Primitive(nint description) =>
        Make("primitive", (made, create) => ((delegate* unmanaged<nint*, nint, int>)create)(made, description));

    private nint Memory(byte* description, nint engine, nint data) =>
        Make(
            "memory",
            (made, create) =>
                ((delegate* unmanaged<nint*, byte*, nint, nint, int>)create)(made, description, engine, data)
        );

    private void Execute(nint primitive, ReadOnlySpan<Argument> arguments)
    {
        fixed (Argument* first = arguments)
            Check(
                ((delegate* unmanaged<nint, nint, int, Argument*, int>)Function("primitive_execute"))(
                    primitive,
                    _stream,
                    arguments.Length,
                    first
                ),
                "primitive_execute"
            );
        Check(((delegate* unmanaged<nint, int>)Function("stream_wait"))(_stream), "stream_wait");
    }

    // dnnl_exec_arg_t
    private readonly record struct Argument(int Kind, nint Memory);
}
