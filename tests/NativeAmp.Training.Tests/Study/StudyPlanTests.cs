using NativeAmp.Cli.Output;
using NativeAmp.Cli.Study;
using NativeAmp.Training.Tests.Cli;

namespace NativeAmp.Training.Tests.Study;

/// <summary>The runs of a study and their order.</summary>
internal sealed class StudyPlanTests
{
    private static readonly Configuration[] Nine =
    [
        .. from p in (string[])["fp32", "fp16", "bf16"] from b in (int[])[64, 128, 256] select new Configuration(p, b),
    ];

    [Test]
    public void Each_repeat_has_every_configuration_once_in_an_order_of_its_own()
    {
        PlannedRun[] runs = [.. StudyPlan.Of(Settings(seed: 7), Nine)];
        Assert.That(runs, Has.Length.EqualTo(4 * 9), "three repeats and the profiles");
        var blocks = runs.Chunk(9).Select(block => block.Select(run => run.Configuration).ToArray()).ToArray();
        Assert.That(blocks, Is.All.EquivalentTo(Nine));
        Assert.That(blocks[0], Is.Not.EqualTo(blocks[1]));
        Assert.That(
            runs.Chunk(9).Select(block => block.Select(run => (run.Repeat, run.Seed, run.Kind)).Distinct().Single()),
            Is.EqualTo(
                new[]
                {
                    (1, 7ul, RunKind.Measured),
                    (2, 8ul, RunKind.Measured),
                    (3, 9ul, RunKind.Measured),
                    (0, 7ul, RunKind.Profile),
                }
            )
        );
        Assert.That(runs.Select(run => run.Name), Is.Unique);
    }

    [Test]
    public void The_seed_decides_the_order()
    {
        Configuration[] once = Order(7),
            again = Order(7);
        Assert.That(again, Is.EqualTo(once));
        Assert.That(Order(8), Is.Not.EqualTo(once));

        static Configuration[] Order(ulong seed) =>
            [.. StudyPlan.Of(Settings(seed), Nine).Select(run => run.Configuration)];
    }

    [Test]
    public void The_largest_batch_is_found_to_an_eighth_whatever_fits()
    {
        foreach (int capacity in (int[])[1, 2, 7, 8, 31, 32, 33, 100, 1000, 4097, 1_000_000])
        {
            (int fits, int fails, int runs) = (0, 0, 0);
            for (int batch = BatchSearch.Next(0, 0); batch != 0; batch = BatchSearch.Next(fits, fails), runs++)
            {
                if (batch <= capacity)
                    fits = batch;
                else
                    fails = batch;
            }

            Assert.That(fits, Is.LessThanOrEqualTo(capacity));
            Assert.That(
                fits,
                Is.GreaterThanOrEqualTo(capacity < 16 ? capacity : capacity - Math.Max(8, capacity / 8)),
                $"of {capacity}"
            );
            Assert.That(runs, Is.LessThan(30));
        }
    }

    [Test]
    public void Largest_batches_are_measured_and_the_one_that_fits_everywhere()
    {
        StudySettings settings = Settings(1) with { Batches = [], Precisions = ["fp32", "fp16", "bf16"] };
        BatchLimit[] limits =
        [
            new("fp32", 64, 72, "no memory"),
            new("fp16", 120, 128, "no memory"),
            new("bf16", 0, 1, "no memory"),
        ];
        Assert.That(
            BatchSearch.Configurations(settings, limits),
            Is.EqualTo(new Configuration[] { new("fp32", 64), new("fp16", 64), new("fp16", 120) })
        );
    }

    [Test]
    public void A_warm_GPU_is_waited_for_until_it_is_as_cool_as_at_the_start()
    {
        var degrees = new Queue<double?>([40, 70, 55, 44, 43, 90]);
        var coolDown = new CoolDown(() => degrees.Dequeue(), TimeSpan.FromMinutes(1), TimeSpan.FromMilliseconds(1));
        Assert.That(
            coolDown.Wait(CancellationToken.None).Temperature,
            Is.EqualTo(40),
            "the first run finds it as it is"
        );
        Assert.That(coolDown.Wait(CancellationToken.None).Temperature, Is.EqualTo(43), "three degrees are near enough");
        Assert.That(degrees, Is.EqualTo(new double?[] { 90 }));
        Assert.That(
            new CoolDown(() => null).Wait(CancellationToken.None).Temperature,
            Is.Null,
            "where no temperature is known nothing is waited for"
        );
        var never = new CoolDown(
            new Queue<double?>([40, .. Enumerable.Repeat<double?>(80, 1_000_000)]).Dequeue,
            TimeSpan.FromMilliseconds(20),
            TimeSpan.FromMilliseconds(1)
        );
        never.Wait(CancellationToken.None);
        Assert.That(never.Wait(CancellationToken.None).Temperature, Is.EqualTo(80), "and it is not waited for ever");
    }

    [TestCase("--steps 4", "--out")]
    [TestCase("--out x", "--steps N, --epochs N or --to-accuracy X")]
    [TestCase("--out x --steps 4 --precision fp8", "--precision is 'fp8'")]
    [TestCase("--out x --steps 4 --precision fp16,fp16", "--precision names one twice")]
    [TestCase("--out x --steps 4 --precision 1", "--precision is '1'")]
    [TestCase("--out x --steps 4 --batch 0", "--batch is '0'")]
    [TestCase("--out x --steps 4 --batch 8,-8", "--batch is '8,-8'")]
    [TestCase("--out x --steps 4 --batch 99999999999999", "--batch is '99999999999999'")]
    [TestCase("--out x --steps 4 --batch 8,8", "--batch names one twice")]
    [TestCase("--out x --steps 4 --repeat 0", "--repeat is 0")]
    [TestCase("--out x --steps 4 --epochs 2", "--epochs and --steps")]
    [TestCase("--out x --steps 4 --to-accuracy 0.9", "--to-accuracy and --steps")]
    [TestCase("--out x --to-accuracy NaN", "--to-accuracy is NaN")]
    [TestCase("--out x --model gpt --steps 4", "--data FILE")]
    [TestCase("--out x --model gpt --steps 4 --data -", "--data - can be read once only")]
    [TestCase(
        "--out x --model gpt --steps 4 --data a --width 30 --heads 4",
        "--width 30 is not a multiple of --heads 4"
    )]
    [TestCase("report", "nativeamp study report --help")]
    public void What_no_study_can_be_is_refused_before_anything_runs(string arguments, string expected)
    {
        (int code, string output, string error) = CliHost.Run(["study", .. arguments.Split(' ')]);
        Assert.That((code, output), Is.EqualTo((ExitCode.Usage, "")));
        Assert.That(error, Does.Contain(expected).And.Not.Contain("   at "));
    }

    private static StudySettings Settings(ulong seed) =>
        new()
        {
            Model = "cnn",
            Precisions = ["fp32"],
            Batches = [64],
            Repeats = 3,
            Seed = seed,
            Warmup = 5,
            TrainOptions = new Dictionary<string, string> { ["--steps"] = "10" },
        };
}
