using System.Threading.Channels;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>A trainer takes samples of a stream once, in their order.</summary>
internal sealed class SampleStreamTests : FolderTests
{
    private readonly List<int> _written = [];

    [SetUp]
    public void Forget() => _written.Clear();

    [Test]
    public void Samples_are_taken_in_order_until_the_steps_are_done()
    {
        TrainingResult result = Run(Samples(int.MaxValue), new TrainerOptions { Steps = 5, Batch = 4 });
        Assert.That((result.Steps, result.Interrupted, result.StopReason), Is.EqualTo((5L, false, (string?)null)));
        Assert.That(_written.Take(20), Is.EqualTo(Enumerable.Range(0, 20)));
    }

    [TestCase(true, 2)]
    [TestCase(false, 3)]
    public void The_end_of_the_stream_ends_the_run(bool dropLast, int steps)
    {
        TrainingResult result = Run(
            Samples(10),
            new TrainerOptions
            {
                Steps = 100,
                Batch = 4,
                DropLast = dropLast,
            }
        );
        Assert.That((result.Steps, result.Interrupted), Is.EqualTo(((long)steps, false)));
        Assert.That(result.StopReason, Is.EqualTo("The stream of samples has ended."));
    }

    [Test]
    public void A_resumed_run_goes_on_after_the_samples_that_it_had()
    {
        var options = new TrainerOptions
        {
            Steps = 3,
            Batch = 4,
            CheckpointFolder = Folder,
        };
        Run(Samples(100), options);
        _written.Clear();
        long first = -1;
        Run(from => Samples(100)(first = from), options with { Steps = 5, Resume = true });
        Assert.That(first, Is.EqualTo(12));
        Assert.That(_written.Take(8), Is.EqualTo(Enumerable.Range(12, 8)));
    }

    [Test]
    public void A_queue_feeds_a_run_and_its_end_ends_it()
    {
        Channel<int> queue = Channel.CreateBounded<int>(2);
        Task<TrainingResult> run = Task.Run(() =>
            Run(_ => queue.Reader.ReadAllAsync(), new TrainerOptions { Steps = 100, Batch = 4 })
        );
        for (int i = 0; i < 8; i++)
            queue.Writer.WriteAsync(i).AsTask().Wait();
        queue.Writer.Complete();
        Assert.That(run.Result.Steps, Is.EqualTo(2));
    }

    [Test]
    public void A_stream_that_fails_fails_the_run_with_its_error() =>
        Assert.That(
            () => Run(Samples(100, failAt: 6), new TrainerOptions { Steps = 10, Batch = 4 }),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("Row 6 is damaged.")
        );

    [Test]
    public async Task A_run_that_waits_for_a_stream_returns_when_cancelled()
    {
        using var stop = new CancellationTokenSource();
        using var third = new SemaphoreSlim(0);
        Channel<int> queue = Channel.CreateUnbounded<int>();
        for (int i = 0; i < 9; i++)
            queue.Writer.TryWrite(i);
        using Device device = Device.Cpu(1);
        using Trainer trainer = Trainer(
            device,
            _ => queue.Reader.ReadAllAsync(),
            new TrainerOptions { Steps = 100, Batch = 3 }
        );
        trainer.StepCompleted += (_, step) =>
        {
            if (step.Step == 3)
                third.Release();
        };
        Task<TrainingResult> run = trainer.RunAsync(stop.Token);
        await third.WaitAsync();
        await stop.CancelAsync();
        TrainingResult result = await run;
        Assert.That((result.Steps, result.Interrupted), Is.EqualTo((3L, true)));
    }

    [Test]
    public void What_a_stream_cannot_do_is_refused()
    {
        using Device device = Device.Cpu(1);
        Assert.That(
            () => Trainer(device, Samples(10), new TrainerOptions { Epochs = 1, Batch = 4 }),
            Throws.ArgumentException.With.Message.Contains("A stream has no passes: give Steps instead of Epochs")
        );
        Assert.That(
            () => Trainer(device, Samples(10), new TrainerOptions { Steps = 1, Inspector = new NoInspector() }),
            Throws.ArgumentException.With.Message.Contains("names samples by their index")
        );
        Assert.That(
            () => SampleStream.Create<int>([], Samples(1), (_, _) => { }),
            Throws.ArgumentException.With.Message.Contains("at least one field")
        );
    }

    private TrainingResult Run(Func<long, IAsyncEnumerable<int>> open, TrainerOptions options)
    {
        using Device device = Device.Cpu(1);
        using Trainer trainer = Trainer(device, open, options);
        return trainer.Run();
    }

    private Trainer Trainer(Device device, Func<long, IAsyncEnumerable<int>> open, TrainerOptions options) =>
        new(
            Lines.Model(),
            SampleStream.Create(Lines.Fields, open, Write),
            null,
            device,
            options with
            {
                Loss = Lines.SquaredError,
            }
        );

    private void Write(int index, Sample sample)
    {
        _written.Add(index);
        Lines.Input(index).CopyTo(sample.Floats(0));
        sample.Floats(1)[0] = Lines.Output(sample.Floats(0));
    }

    private static Func<long, IAsyncEnumerable<int>> Samples(int count, int failAt = -1)
    {
        return From;

        async IAsyncEnumerable<int> From(long first)
        {
            for (int i = (int)first; i < count; i++)
            {
                await Task.Yield();
                yield return i != failAt ? i : throw new InvalidDataException($"Row {i} is damaged.");
            }
        }
    }

    private sealed class NoInspector : StepInspector;
}
