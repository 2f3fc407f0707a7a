using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Data;

public class BatchLoaderTests
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    [TestCase(4)]
    [TestCase(5)]
    [TestCase(64)]
    [TestCase(1000)]
    [TestCase(4097)]
    public void A_shuffle_is_a_permutation(int count)
    {
        foreach (ulong seed in (ulong[])[0, 1, ulong.MaxValue])
        {
            var shuffle = new Shuffle(count, seed, epoch: 3);
            Assert.That(
                Enumerable.Range(0, count).Select(i => shuffle[i]).Order(),
                Is.EqualTo(Enumerable.Range(0, count))
            );
        }
    }

    [Test]
    public void Every_element_comes_about_equally_often_at_every_place()
    {
        const int Count = 7,
            Epochs = 7000;
        int[,] seen = new int[Count, Count];
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            var shuffle = new Shuffle(Count, 42, epoch);
            for (int i = 0; i < Count; i++)
                seen[i, shuffle[i]]++;
        }

        // 1,000 expected, deviation about 29: six deviations.
        Assert.That(seen.Cast<int>().Min(), Is.GreaterThan(825));
        Assert.That(seen.Cast<int>().Max(), Is.LessThan(1175));
    }

    [Test]
    public void An_epoch_shows_every_sample_once_and_the_next_another_order()
    {
        using var loader = new BatchLoader(new Counting(100), 10, seed: 5);
        int[] first = Take(loader, 10),
            second = Take(loader, 10);
        Assert.That(first.Order(), Is.EqualTo(Enumerable.Range(0, 100)));
        Assert.That(second.Order(), Is.EqualTo(Enumerable.Range(0, 100)));
        Assert.That(second, Is.Not.EqualTo(first));
    }

    [Test]
    public void What_does_not_fill_a_batch_is_left_out()
    {
        using var loader = new BatchLoader(new Counting(25), 10, seed: 5);
        Assert.That(loader.BatchesPerEpoch, Is.EqualTo(2));
        _ = loader.Next();
        Assert.That(loader.Next().Next, Is.EqualTo(new DataPosition(0, 20)));
        Assert.That(loader.Next().Next, Is.EqualTo(new DataPosition(1, 10)));
    }

    [Test]
    public void Resuming_anywhere_gives_the_same_samples()
    {
        var data = new Counting(53);
        using var whole = new BatchLoader(data, 5, seed: 9);
        List<(int[] Targets, DataPosition Next)> steps = [];
        for (int i = 0; i < 30; i++)
        {
            Batch batch = whole.Next();
            steps.Add((batch.Integers(0).ToArray(), batch.Next));
        }

        for (int at = 0; at < 29; at++)
        {
            using var resumed = new BatchLoader(data, 5, seed: 9, steps[at].Next, ahead: 1 + at % 4);
            Assert.That(resumed.Next().Integers(0).ToArray(), Is.EqualTo(steps[at + 1].Targets), $"after step {at}");
        }
    }

    [Test]
    public void The_ring_never_overwrites_the_batch_that_is_held()
    {
        using var loader = new BatchLoader(new Counting(1000), 10, seed: 5, ahead: 2);
        for (int i = 0; i < 50; i++)
        {
            Batch batch = loader.Next();
            int[] before = batch.Integers(0).ToArray();
            for (int spin = 0; spin < 20; spin++)
                Thread.Yield();
            Assert.That(batch.Integers(0).ToArray(), Is.EqualTo(before));
        }
    }

    [Test]
    public void What_the_data_set_throws_comes_where_the_batch_would()
    {
        using var loader = new BatchLoader(new Counting(100) { FailAt = 3 }, 10, seed: 5, ahead: 2);
        int good = 0;
        var e = Assert.Throws<DataFormatException>(() =>
        {
            for (; ; good++)
                loader.Next();
        });
        Assert.That((good, e.Found), Is.EqualTo((3, "nothing")));
        Assert.Throws<DataFormatException>(() => loader.Next(), "and again");
    }

    [Test]
    public void Waiting_can_be_cancelled_and_disposing_ends_the_thread()
    {
        using var gate = new ManualResetEventSlim();
        using var cancellation = new CancellationTokenSource();
        var loader = new BatchLoader(new Counting(100) { Gate = gate }, 10, seed: 5);
        cancellation.Cancel();
        Assert.That(() => loader.Next(cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        gate.Set();
        Assert.That(loader.Next().Count, Is.EqualTo(10), "cancelling lost nothing");
        loader.Dispose();
        loader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => loader.Next());
    }

    [Test]
    public void Bad_arguments_are_refused()
    {
        var data = new Counting(10);
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchLoader(data, 11, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchLoader(data, 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchLoader(data, 5, 0, new DataPosition(0, 11)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchLoader(data, 5, 0, new DataPosition(-1, 0)));
        Assert.Throws<ArgumentNullException>(() => new BatchLoader(null!, 5, 0));
    }

    [Test]
    public void Nothing_is_allocated_once_it_runs()
    {
        using var loader = new BatchLoader(new Counting(1000), 10, seed: 5);
        for (int i = 0; i < 10; i++)
            loader.Next();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 500; i++)
            loader.Next();
        // Waiting on a semaphore may allocate a node when it blocks; batches of 10 ints would be far more.
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(500 * 64));
    }

    private static int[] Take(BatchLoader loader, int batches)
    {
        List<int> targets = [];
        for (int i = 0; i < batches; i++)
            targets.AddRange(loader.Next().Integers(0));
        return [.. targets];
    }

    private sealed class Counting(int count) : IDataset
    {
        private int _filled;

        public int FailAt { get; init; } = -1;

        public ManualResetEventSlim? Gate { get; init; }

        public long Count => count;

        public IReadOnlyList<DataField> Fields { get; } = [new() { Name = "number", DType = DType.Int32 }];

        public void Fill(long index, long epoch, Sample sample)
        {
            Gate?.Wait();
            if (FailAt >= 0 && _filled++ >= FailAt * 10)
                throw new DataFormatException("counting", 0, "nothing", "something");
            sample.Integers(0)[0] = (int)index;
        }
    }
}
