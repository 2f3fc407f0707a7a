using System.Text.Json;

namespace NativeAmp.Tests;

/// <summary>
/// Family 3: one read of the gradients finds whether they are finite, where they are not, and how large they are; and
/// unscales them on request.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class UnscaleTests(DeviceKind kind)
{
    public static IEnumerable<int> GoldenCases => Enumerable.Range(0, Golden.Cases("unscale.json").GetArrayLength());

    [TestCaseSource(nameof(GoldenCases))]
    public void Unscaling_agrees_with_PyTorch_bit_for_bit(int index)
    {
        JsonElement golden = Golden.Cases("unscale.json")[index];
        var dtype = DTypes.Parse(golden.GetProperty("dtype").GetString()!);
        using var device = kind.Open(2);
        using var gradients = new GuardedTensor(device, dtype, golden.GetProperty("input").Floats(), misalignment: 1);
        using var expected = new GuardedTensor(null, dtype, golden.GetProperty("output").Floats());
        using var check = new Check(device, [gradients], golden.GetProperty("scale").Float());

        check.Run(write: true);

        Assert.That(check.State.Read().FoundInf, Is.EqualTo(golden.GetProperty("foundInf").Float() != 0));
        if (kind == DeviceKind.Cpu)
            Assert.That(gradients.Bytes.ToArray(), Is.EqualTo(expected.Bytes.ToArray()));
        Assert.That(Bits(gradients), Is.EqualTo(Bits(expected)));
        gradients.AssertCanariesAreAlive();
    }

    [Test]
    public void Facts_and_norm_are_those_of_a_plain_loop(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType dtype,
        [ValueSource(typeof(Sizes), nameof(Sizes.Misalignments))] int misalignment
    )
    {
        using var device = kind.Open(2);
        GuardedTensor[] tensors =
        [
            .. Sizes
                .LengthsOn(kind)
                .Select(n => new GuardedTensor(device, dtype, Sizes.Numbers(n, seed: n), misalignment)),
        ];
        float[][] values = [.. tensors.Select(t => t.ToArray())];
        using var check = new Check(device, tensors, scale: 1024);

        check.Run(write: false);

        var state = check.State.Read();
        double norm = Math.Sqrt(values.Sum(v => v.Sum(x => (double)x * x))) / 1024;
        Assert.That(state.FoundInf, Is.False);
        Assert.That(state.GradientNorm, Is.EqualTo(norm).Within(1e-6 * norm));
        Assert.That(state.FirstNonFiniteTensor, Is.EqualTo(-1));
        Assert.That(
            check.Facts.Select(f => f.LargestMagnitude),
            Is.EqualTo(values.Select(v => v.Length == 0 ? 0 : v.Max(Math.Abs)))
        );
        Assert.That(check.Facts.Select(f => f.NonFiniteCount), Is.All.Zero);
        for (int i = 0; i < tensors.Length; i++)
            Assert.That(tensors[i].ToArray(), Is.EqualTo(values[i]), "reading wrote something");
        foreach (var tensor in tensors)
            tensor.Dispose();
    }

    [Test]
    public void A_single_bad_element_is_found_wherever_it_is(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType dtype,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float bad
    )
    {
        using var device = kind.Open(2);
        int[] lengths = [1, 7, 33, 67, Sizes.Chunk + 17, 3 * Sizes.Chunk];
        GuardedTensor[] tensors =
        [
            .. lengths.Select(n => new GuardedTensor(device, dtype, Sizes.Numbers(n, seed: n), misalignment: n % 4)),
        ];
        using var check = new Check(device, tensors, scale: 1);
        for (int t = 0; t < tensors.Length; t++)
        {
            foreach (int at in (int[])[0, lengths[t] / 2, lengths[t] - 1])
            {
                float good = tensors[t][at];
                tensors[t][at] = bad;

                check.Run(write: false);

                var state = check.State.Read();
                var facts = check.Facts;
                Assert.That(state.FoundInf, $"tensor {t}, element {at}");
                Assert.That(float.IsFinite(state.GradientNorm), Is.False);
                Assert.That(state.FirstNonFiniteTensor, Is.EqualTo(t));
                Assert.That(state.NonFiniteCount, Is.EqualTo(1));
                Assert.That((facts[t].NonFiniteCount, facts[t].FirstNonFiniteIndex), Is.EqualTo((1L, (long)at)));
                tensors[t][at] = good;
            }
        }
        foreach (var tensor in tensors)
            tensor.Dispose();
    }

    [Test]
    public void Finiteness_is_that_of_the_scaled_value_and_a_scale_without_an_inverse_is_an_overflow(
        [Values(0f, 1e-45f)] float scale
    )
    {
        using var device = kind.Open(1);
        using var gradients = new GuardedTensor(device, DType.Float32, [1f, 2f, 3f]);
        using var check = new Check(device, [gradients], scale);

        check.Run(write: false);

        Assert.That(check.State.Read().FoundInf);
        Assert.That(check.State.Read().NonFiniteCount, Is.Zero);
    }

    [Test]
    public void A_second_table_of_a_step_adds_to_what_the_first_showed()
    {
        using var device = kind.Open(1);
        using var first = new GuardedTensor(device, DType.Float32, [3f]);
        using var second = new GuardedTensor(device, DType.Float32, [4f]);
        using var state = new OptimizerState(device);
        using var table1 = TensorTable.Create(device, [1], [first.Cell]);
        using var table2 = TensorTable.Create(device, [1], [second.Cell]);

        AmpKernels.UnscaleAndCheck(table1, 0, scaler: null, state);
        AmpKernels.UnscaleAndCheck(table2, 0, scaler: null, state, reset: false);

        Assert.That(state.Read().GradientNorm, Is.EqualTo(5f));
    }

    [Test]
    public void Threads_and_instruction_sets_do_not_change_a_bit(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType dtype
    )
    {
        float[][] values = [.. Sizes.LengthsOn(kind).Select(n => Sizes.Numbers(n, seed: n))];
        Everywhere.SameBits(
            kind,
            device =>
            {
                GuardedTensor[] tensors = [.. values.Select((v, i) => new GuardedTensor(device, dtype, v, i % 3))];
                using var check = new Check(device, tensors, scale: 3);
                check.Run(write: true);
                var state = check.State.Read();
                byte[] bytes =
                [
                    .. BitConverter.GetBytes(state.GradientNorm),
                    .. tensors.SelectMany(t => t.Bytes.ToArray()),
                ];
                foreach (var tensor in tensors)
                    tensor.Dispose();
                return bytes;
            }
        );
    }

    // A NaN from arithmetic has the payload of its processor: a GPU has only one.
    private static uint[] Bits(GuardedTensor tensor) =>
        Array.ConvertAll(tensor.ToArray(), x => BitConverter.SingleToUInt32Bits(float.IsNaN(x) ? float.NaN : x));

    /// <summary>The tensors and states of a check.</summary>
    private sealed class Check : IDisposable
    {
        private readonly TensorTable _table;
        private readonly LossScaleState _scale;

        public Check(Device device, GuardedTensor[] gradients, float scale)
        {
            _table = TensorTable.Create(
                device,
                [.. gradients.Select(g => (long)g.Count)],
                [.. gradients.Select(g => g.Count == 0 ? default : g.Cell)]
            );
            _scale = new LossScaleState(device, new GradScalerState { Scale = scale });
            State = new OptimizerState(device);
        }

        public OptimizerState State { get; }

        public OverflowFacts[] Facts
        {
            get
            {
                var facts = new OverflowFacts[_table.TensorCount];
                _table.ReadFacts(facts);
                return facts;
            }
        }

        public void Run(bool write) => AmpKernels.UnscaleAndCheck(_table, 0, _scale, State, write ? 0 : -1);

        public void Dispose()
        {
            _table.Dispose();
            _scale.Dispose();
            State.Dispose();
        }
    }
}
