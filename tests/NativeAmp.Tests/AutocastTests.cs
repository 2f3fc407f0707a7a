namespace NativeAmp.Tests;

public sealed class AutocastTests
{
    [Test]
    public void Outside_of_a_scope_operators_take_their_inputs_type()
    {
        Assert.That(Autocast.IsEnabled, Is.False);
        Assert.That(Autocast.TypeOf("linear", DType.BFloat16), Is.EqualTo(DType.BFloat16));
    }

    [Test]
    public void Scopes_nest_and_the_innermost_counts()
    {
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            Assert.That(Autocast.TypeOf("linear", DType.Float32), Is.EqualTo(DType.Float16));
            Assert.That(Autocast.TypeOf("softmax", DType.Float16), Is.EqualTo(DType.Float32));
            Assert.That(Autocast.TypeOf("relu", DType.Float16), Is.EqualTo(DType.Float16));
            using (Autocast.Enter(PrecisionPolicy.BFloat16))
                Assert.That(Autocast.Current, Is.EqualTo(PrecisionPolicy.BFloat16));
            using (Autocast.Disable())
                Assert.That(Autocast.TypeOf("linear", DType.Float32), Is.EqualTo(DType.Float32));
            Assert.That(Autocast.Current, Is.EqualTo(PrecisionPolicy.Float16));
        }
        Assert.That(Autocast.Current, Is.Null);
    }

    [Test]
    public void Leaving_a_scope_twice_or_out_of_order_does_no_harm()
    {
        var outer = Autocast.Enter(PrecisionPolicy.Float16);
        var inner = Autocast.Enter(PrecisionPolicy.BFloat16);
        outer.Dispose();
        inner.Dispose();
        Assert.That(Autocast.Current, Is.Null);

        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            inner.Dispose();
            default(AutocastScope).Dispose();
            Assert.That(Autocast.Current, Is.EqualTo(PrecisionPolicy.Float16));
        }
        outer.Dispose();
        Assert.That(Autocast.Current, Is.Null);
    }

    [Test]
    public void A_scope_goes_along_into_a_thread_that_is_started_within_and_cannot_be_left_there()
    {
        using var scope = Autocast.Enter(PrecisionPolicy.Float16);
        PrecisionPolicy? seen = null;
        var thread = new Thread(() =>
        {
            seen = Autocast.Current;
            scope.Dispose();
        });
        thread.Start();
        thread.Join();

        Assert.That(seen, Is.EqualTo(PrecisionPolicy.Float16));
        Assert.That(Autocast.Current, Is.EqualTo(PrecisionPolicy.Float16));
    }

    [Test]
    public void A_thread_that_was_started_elsewhere_knows_nothing_of_a_scope()
    {
        using var scope = Autocast.Enter(PrecisionPolicy.Float16);
        PrecisionPolicy? seen = PrecisionPolicy.BFloat16;
        var thread = new Thread(() => seen = Autocast.Current);
        thread.UnsafeStart();
        thread.Join();
        Assert.That(seen, Is.Null);
    }

    [Test]
    public void Asking_for_the_type_of_an_operator_allocates_nothing()
    {
        using var scope = Autocast.Enter(PrecisionPolicy.Float16);
        _ = Autocast.TypeOf("linear", DType.Float32);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            _ = Autocast.TypeOf("linear", DType.Float32);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void Entering_and_leaving_allocates_a_few_small_objects()
    {
        Autocast.Enter(PrecisionPolicy.Float16).Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            using var scope = Autocast.Enter(PrecisionPolicy.Float16);
            _ = Autocast.TypeOf("linear", DType.Float32);
        }
        // A flow's state is immutable: a change makes a new one.
        Assert.That((GC.GetAllocatedBytesForCurrentThread() - before) / 100, Is.LessThan(512));
    }
}
