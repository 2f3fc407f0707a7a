namespace NativeAmp.Cli.Bench;

/// <summary>
/// The tensors of an optimizer step in one table, with the other state that its kernels need. Every measurement works
/// on them.
/// </summary>
internal sealed class StepTensors : IDisposable
{
    /// <summary>Columns of the table.</summary>
    public const int Gradient = 0,
        Parameter = 1,
        FirstMoment = 2,
        SecondMoment = 3,
        Copy = 4,
        LossGradient = 5,
        Remainder = 6,
        ColumnCount = 7;

    // The alignment that the allocator gives a tensor of its own.
    private const long Alignment = 256;

    private readonly List<DeviceBuffer> _buffers = [];

    public StepTensors(Device device, StepShape shape)
    {
        Device = device;
        Shape = shape;
        Counts = shape.Counts();
        try
        {
            Cells = [.. Enumerable.Range(0, ColumnCount).Select(column => Allocate(column))];
            Table = TensorTable.Create(device, Counts, Cells);
            Scaler = new LossScaleState(device, new GradScalerState { Scale = 65536, HysteresisLeft = 1 });
            State = new OptimizerState(device);
            Steps = new StepCounts(device, Counts.Length);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Device Device { get; }

    public StepShape Shape { get; }

    /// <summary>Elements of each tensor.</summary>
    public long[] Counts { get; }

    /// <summary>Cells by column, then by tensor.</summary>
    public TensorCell[][] Cells { get; } = [];

    public TensorTable Table { get; } = null!;

    public LossScaleState Scaler { get; } = null!;

    public OptimizerState State { get; } = null!;

    public StepCounts Steps { get; } = null!;

    public void Dispose()
    {
        Steps?.Dispose();
        State?.Dispose();
        Scaler?.Dispose();
        Table?.Dispose();
        foreach (DeviceBuffer buffer in _buffers)
            buffer.Dispose();
    }

    // One buffer for each column. Values are between -1/2 and 1/2, except moments and remainders, which begin at zero.
    private TensorCell[] Allocate(int column)
    {
        int size = Shape.TypeOf(column).SizeInBytes();
        var cells = new TensorCell[Counts.Length];
        var starts = new long[Counts.Length];
        long bytes = 0;
        for (int t = 0; t < cells.Length; t++)
        {
            starts[t] = bytes + Shape.Shift * size;
            bytes = (starts[t] + Counts[t] * size + Alignment - 1) / Alignment * Alignment;
        }
        DeviceBuffer buffer = Device.Allocate(Shape.TypeOf(column), bytes / size);
        _buffers.Add(buffer);
        if (column is FirstMoment or SecondMoment or Remainder)
            buffer.Clear();
        else
            Fill(buffer, column);
        for (int t = 0; t < cells.Length; t++)
            cells[t] = new TensorCell(
                buffer.Pointer + (nint)starts[t],
                Shape.TypeOf(column),
                Shape.TypeOf(column).IsBlockCode() ? Scales(Counts[t]) : 0
            );
        return cells;
    }

    private nint Scales(long count)
    {
        DeviceBuffer scales = Device.Allocate(DType.Float32, DTypes.Blocks(count));
        _buffers.Add(scales);
        scales.Clear();
        return scales.Pointer;
    }

    // The first values of a generator, repeated.
    private void Fill(DeviceBuffer buffer, int seed)
    {
        int count = (int)Math.Min(buffer.Count, 1 << 16);
        if (count == 0)
            return;
        var random = new Random(seed);
        var values = new float[count];
        foreach (ref float value in values.AsSpan())
            value = random.NextSingle() - 0.5f;
        using DeviceBuffer floats = Device.Allocate<float>(values);
        AmpKernels.Cast(Device, buffer.ToCell(), floats.ToCell(), count);
        int size = buffer.DType.SizeInBytes();
        for (long done = count; done < buffer.Count; done += Math.Min(done, buffer.Count - done))
            Device.CopyOnDevice(
                buffer.Pointer + (nint)(done * size),
                buffer.Pointer,
                Math.Min(done, buffer.Count - done) * size
            );
    }
}
