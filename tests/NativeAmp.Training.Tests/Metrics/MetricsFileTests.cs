using System.Globalization;
using NativeAmp.Training.Data;
using NativeAmp.Training.Metrics;
using NativeAmp.Training.Tests.Trainers;

namespace NativeAmp.Training.Tests.Metrics;

/// <summary>Metrics in files that others read: TensorBoard's events, and CSV.</summary>
internal sealed class MetricsFileTests : FolderTests
{
    // RFC 3720, B.4; the CRCs there are in the order of their bytes.
    private static readonly TestCaseData[] Vectors =
    [
        new(new byte[32], 0x8A9136AAu),
        new(Enumerable.Repeat((byte)0xFF, 32).ToArray(), 0x62A8AB43u),
        new(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray(), 0x46DD794Eu),
        new(Enumerable.Range(0, 32).Select(i => (byte)(31 - i)).ToArray(), 0x113FDB5Cu),
        new(
            Convert.FromHexString(
                "01C00000000000000000000000000000140000000000040000000014000000182800000000000000" + "0200000000000000"
            ),
            0xD9963A56u
        ),
        new("123456789"u8.ToArray(), 0xE3069283u), // the check value of catalogues
    ];

    [TestCaseSource(nameof(Vectors))]
    public void Crc32C_is_that_of_the_standard(byte[] bytes, uint crc) =>
        Assert.That(TensorBoardEvent.Crc32C(bytes), Is.EqualTo(crc));

    [Test]
    public void TensorBoard_gets_every_scalar_at_its_step()
    {
        string file;
        using (var board = new TensorBoardWriter(Folder))
        {
            board.Write("a/b", 1.5, 1);
            board.Write("a/b", double.NaN, 2);
            board.Write("größe", float.MaxValue, 1L << 40);
            file = board.File;
        }

        Assert.That(Path.GetFileName(file), Does.Match(@"^events\.out\.tfevents\.\d{10}\..+\.\d+\.\d{6}$"));
        EventFile.Event[] events = [.. EventFile.Read(file)];
        Assert.That(events[0].Version, Is.EqualTo("brain.Event:2"));
        Assert.That(
            events.Skip(1).Select(e => (e.Step, e.Scalars.Single())),
            Is.EqualTo(new[] { (1L, ("a/b", 1.5f)), (2L, ("a/b", float.NaN)), (1L << 40, ("größe", float.MaxValue)) })
        );
        double now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Assert.That(events.Select(e => e.WallTime), Is.All.InRange(now - 600, now + 600));
    }

    [Test]
    public void A_run_is_in_both_files()
    {
        using Device device = Device.Cpu(1);
        List<StepReport> steps = [];
        List<EpochReport> epochs = [];
        string csv = Path.Combine(Folder, "new", "metrics.csv");
        string file = Train(device, csv, append: false, new TrainerOptions { Epochs = 2 }, steps, epochs);

        EventFile.Event[] events = [.. EventFile.Read(file)];
        Assert.That(Series(events, "train/loss"), Is.EqualTo(steps.Select(step => (step.Step, step.Loss))));
        Assert.That(
            Series(events, "train/learning_rate"),
            Is.EqualTo(steps.Select(step => (step.Step, (float)step.LearningRate)))
        );
        Assert.That(
            Series(events, "test/loss"),
            Is.EqualTo(epochs.Select(epoch => (epoch.Step, (float)epoch.TestLoss!.Value)))
        );
        Assert.That(
            Series(events, "test/largest, error"),
            Is.EqualTo(epochs.Select(epoch => (epoch.Step, (float)epoch.Metrics["largest, error"])))
        );
        Assert.That(Series(events, "test/accuracy"), Is.Empty);

        string[] lines = File.ReadAllLines(csv);
        Assert.That(
            lines[0],
            Is.EqualTo(
                "step,epoch,train/loss,train/loss_scale,train/gradient_norm,train/learning_rate,train/skipped_steps,"
                    + "train/step_seconds,train/epoch_loss,test/accuracy,test/loss,\"test/largest, error\""
            )
        );
        string[][] rows = [.. lines.Skip(1).Select(line => line.Split(','))];
        Assert.That(rows.Select(row => row.Length), Is.All.EqualTo(12));
        Assert.That(
            rows.Where(row => row[2].Length > 0).Select(row => float.Parse(row[2], CultureInfo.InvariantCulture)),
            Is.EqualTo(steps.Select(step => step.Loss))
        );
        Assert.That(
            rows.Where(row => row[10].Length > 0)
                .Select(row => (row[0], double.Parse(row[10], CultureInfo.InvariantCulture))),
            Is.EqualTo(epochs.Select(epoch => ($"{epoch.Step}", epoch.TestLoss!.Value)))
        );
    }

    [Test]
    public void A_resumed_run_goes_on_in_both_files()
    {
        using Device device = Device.Cpu(1);
        string csv = Path.Combine(Folder, "metrics.csv");
        var options = new TrainerOptions
        {
            Steps = 4,
            CheckpointFolder = Path.Combine(Folder, "checkpoints"),
            CheckpointEvery = 3,
        };
        Train(device, csv, append: true, options, [], []);
        // As after a crash in step 6: the checkpoint is of step 4, rows of later steps are there, and half a row.
        File.AppendAllText(csv, "5,1.25,9,,,,,,,,,\n6,1.5,9,,,,,,,,,\n7,1.7");
        string file = Train(device, csv, append: true, options with { Steps = 8, Resume = true }, [], []);

        string[][] rows = [.. File.ReadAllLines(csv).Skip(1).Select(line => line.Split(','))];
        Assert.That(
            rows.Where(row => row[2].Length > 0).Select(row => row[0]),
            Is.EqualTo(Enumerable.Range(1, 8).Select(step => $"{step}"))
        );
        Assert.That(rows.Select(row => row[2]), Has.None.EqualTo("9"));
        EventFile.Event restart = EventFile.Read(file).Single(e => e.IsSessionStart);
        Assert.That(restart.Step, Is.EqualTo(5), "the first step to forget");
    }

    [Test]
    public void A_foreign_file_is_not_cut()
    {
        using Device device = Device.Cpu(1);
        string csv = Path.Combine(Folder, "metrics.csv");
        File.WriteAllText(csv, "name,price\nbread,3\n");
        Assert.That(
            () => Train(device, csv, append: true, new TrainerOptions { Steps = 1 }, [], []),
            Throws.TypeOf<DataFormatException>().With.Message.Contains("other columns")
        );
        Assert.That(File.ReadAllText(csv), Is.EqualTo("name,price\nbread,3\n"));
    }

    private string Train(
        Device device,
        string csv,
        bool append,
        TrainerOptions options,
        List<StepReport> steps,
        List<EpochReport> epochs
    )
    {
        using Trainer trainer = Lines.Trainer(
            device,
            Lines.Data(16),
            options with
            {
                Batch = 4,
                Metrics = new Dictionary<string, BatchMetric>
                {
                    ["largest, error"] = (model, fields) =>
                        model.Call(fields[0]).ToFloats().Zip(fields[1].ToFloats(), (p, y) => Math.Abs(p - y)).Max(),
                },
            }
        );
        using var board = new TensorBoardWriter(Path.Combine(Folder, "board"));
        board.Attach(trainer);
        using var rows = new CsvMetricsWriter(csv, trainer, append);
        trainer.StepCompleted += (_, step) => steps.Add(step);
        trainer.EpochCompleted += (_, epoch) => epochs.Add(epoch);
        trainer.Run();
        return board.File;
    }

    private static IEnumerable<(long Step, float Value)> Series(IEnumerable<EventFile.Event> events, string tag) =>
        events.SelectMany(e => e.Scalars.Where(s => s.Tag == tag).Select(s => (e.Step, s.Value)));
}
