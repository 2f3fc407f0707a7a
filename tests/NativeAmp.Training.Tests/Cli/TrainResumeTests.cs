using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>Runs that resume from a checkpoint, and runs that are refused.</summary>
public class TrainResumeTests : FolderTests
{
    private string Data => Path.Combine(Folder, "data");

    [SetUp]
    public void WriteData() => Idx.WriteTinyMnist(Data, train: 96, test: 40, seed: 7);

    [Test]
    public void AFolder_with_checkpoints_is_not_overwritten_by_chance()
    {
        string checkpoints = Path.Combine(Folder, "checkpoints");
        Assert.That(Train("--steps", "3", "--checkpoint", checkpoints).Code, Is.EqualTo(ExitCode.Success));
        (int code, _, string error) = Train("--steps", "3", "--checkpoint", checkpoints);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain(checkpoints).And.Contain("resume"));
        (code, _, error) = Train("--steps", "6", "--seed", "2", "--checkpoint", checkpoints, "--resume");
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain("seed was 1 and is now 2"));
        (code, string output, error) = Train("--steps", "6", "--checkpoint", checkpoints, "--resume");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output, Does.Contain("Going on after step 3"));
    }

    [Test]
    public void What_differs_from_the_run_before_is_taken_where_it_is_given_and_refused_where_it_is_not()
    {
        string checkpoints = Path.Combine(Folder, "checkpoints");
        string[] before =
        [
            "--checkpoint",
            checkpoints,
            "--lr",
            "2e-3",
            "--clip",
            "0.5",
            "--weight-decay",
            "0.1",
            "--steps",
        ];
        Assert.That(Train([.. before, "3"]).Code, Is.EqualTo(ExitCode.Success));

        (int code, _, string error) = Train("--checkpoint", checkpoints, "--resume", "--steps", "6");
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(
            error,
            Does.Contain("learning_rate was 0.002 and is now 0.001")
                .And.Contain("clip_norm was 0.5 and is now 1")
                .And.Contain("weight_decay was 0.1 and is now 0.01")
        );
        Assert.That(error, Does.Not.Contain("steps was"));

        (code, _, error) = Train([.. before, "6", "--init-scale", "8", "--resume"]);
        Assert.That(code, Is.EqualTo(ExitCode.Failure), "a resumed run has the scale of its checkpoint");
        Assert.That(error, Does.Contain("loss_scale was from 65536 and is now from 8"));

        (code, string output, error) = Train([.. before, "6", "--resume", "--lr", "4e-3"]);
        Assert.That(code, Is.EqualTo(ExitCode.Usage), "an option twice");
        (code, output, error) = Train(
            "--checkpoint",
            checkpoints,
            "--lr",
            "4e-3",
            "--clip",
            "0.5",
            "--weight-decay",
            "0.1",
            "--steps",
            "6",
            "--resume"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            output,
            Does.Contain("Going on after step 3")
                .And.Contain("learning_rate was 0.002 and is now 0.004")
                .And.Contain("steps was 3 and is now 6")
        );
        Assert.That(output, Does.Not.Contain("clip_norm"));
    }

    [Test]
    public void Every_optimizer_trains_and_no_run_goes_on_with_another_rule(
        [Values("adamw", "adam", "sgd", "lion", "rmsprop")] string optimizer
    )
    {
        string[] run = ["--checkpoint", Path.Combine(Folder, "checkpoints"), "--resume", "--steps"];
        (int code, string json, string error) = Train([.. run, "8", "--optimizer", optimizer, "--json"]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(json);
        // Ten classes: the loss of a model that has learned nothing is ln 10 or more.
        Assert.That(summary.RootElement.GetProperty("final_loss").GetDouble(), Is.LessThan(2.25));

        string other = optimizer == "sgd" ? "lion" : "sgd";
        (code, _, error) = Train([.. run, "9", "--optimizer", other]);

        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain($"rule was {(optimizer == "adamw" ? "adam" : optimizer)} and is now {other}"));
    }

    [Test]
    public void Another_division_into_heads_is_another_model_though_its_parameters_have_the_same_shapes()
    {
        string text = Path.Combine(Folder, "text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("the quick brown fox jumps over the lazy dog. ", 60)));
        (int Code, string Output, string Error) Gpt(string heads, string steps) =>
            CliHost.Run(
                "train",
                "--model",
                "gpt",
                "--data",
                text,
                "--context",
                "8",
                "--width",
                "8",
                "--heads",
                heads,
                "--blocks",
                "1",
                "--batch",
                "2",
                "--steps",
                steps,
                "--sample",
                "0",
                "--device",
                "cpu",
                "--checkpoint",
                Path.Combine(Folder, "c"),
                "--resume"
            );
        Assert.That(Gpt("2", "2").Code, Is.EqualTo(ExitCode.Success));
        (int code, _, string error) = Gpt("4", "4");
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain("heads 2, blocks 1 and is now gpt, context 8, width 8, heads 4"));
    }

    private (int Code, string Output, string Error) Train(params string[] arguments) =>
        CliHost.Run(["train", "--model", "mlp", "--data", Data, "--batch", "16", "--device", "cpu", .. arguments]);
}
