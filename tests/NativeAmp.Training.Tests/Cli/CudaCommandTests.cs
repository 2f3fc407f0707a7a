using System.Runtime.InteropServices;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Data;
using NativeAmp.Training.Tests.Telemetry;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>
/// The command's output with and without GPUs. Each run is its own process, because a process looks for a driver only
/// once.
/// </summary>
public class CudaCommandTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        Idx.WriteTinyMnist(_folder, train: 32, test: 10, seed: 7);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("train --model mlp --steps 1 --data FOLDER --device cuda")]
    [TestCase("verify FOLDER --device cuda")]
    public void A_device_that_is_not_there_says_why(string arguments)
    {
        (int code, string output, string error) = CliProcess.Run(
            CliProcess.NoDriver,
            arguments.Replace("FOLDER", _folder, StringComparison.Ordinal).Split(' ')
        );
        Assert.That((code, output), Is.EqualTo((ExitCode.Failure, "")));
        Assert.That(
            error,
            Does.StartWith("nativeamp: No CUDA driver was found").And.Contain("no-driver.so").And.Not.Contain("   at ")
        );
    }

    [Test]
    public void Auto_falls_back_to_the_CPU_and_says_so_once()
    {
        (int code, string output, string error) = CliProcess.Run(
            CliProcess.NoDriver,
            "train",
            "--model",
            "mlp",
            "--steps",
            "2",
            "--batch",
            "16",
            "--data",
            _folder,
            "--json"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            error.TrimEnd(),
            Is.EqualTo("nativeamp: no GPU here, computing on the CPU ('nativeamp doctor' says why)")
        );
        using JsonDocument summary = JsonDocument.Parse(output);
        Assert.That(summary.RootElement.GetProperty("device").GetString(), Is.EqualTo("cpu"));
    }

    [Test]
    public void Auto_takes_a_GPU_and_says_nothing()
    {
        EmulatedGpu.Require();
        (int code, string output, string error) = CliProcess.Run(
            CliProcess.Gpus(1, EmulatedGpu.Cublas),
            "train",
            "--model",
            "mlp",
            "--steps",
            "1",
            "--batch",
            "16",
            "--data",
            _folder
        );
        Assert.That((code, error), Is.EqualTo((ExitCode.Success, "")));
        Assert.That(
            output.Split('\n')[0],
            Does.StartWith("mlp, 203,530 parameters, fp16, ").And.Contain("CUDA driver").And.Not.Contain("threads")
        );
    }

    // A GPU's steps are otherwise reported one late, which would count a part of a step's calls.
    [Test]
    public void A_profile_on_a_GPU_is_of_whole_steps()
    {
        EmulatedGpu.Require();
        string text = Path.Combine(_folder, "text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("To be, or not to be. ", 20)));
        (int code, string output, string error) = CliProcess.Run(
            CliProcess.Gpus(1, EmulatedGpu.Cublas),
            "train --model gpt --context 8 --width 16 --heads 2 --blocks 3 --batch 2 --steps 4 --sample 0 --profile "
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Concat(["--device", "cuda", "--json", "--data", text])
                .ToArray()
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(output);
        Dictionary<string, double> calls = summary
            .RootElement.GetProperty("profile")
            .EnumerateArray()
            .ToDictionary(
                row => row.GetProperty("function").GetString()!,
                row => row.GetProperty("calls_per_step").GetDouble()
            );
        Assert.That(calls["namp_attention_forward"], Is.EqualTo(3), "one a block");
        Assert.That(calls["namp_attention_backward"], Is.EqualTo(3));
        Assert.That(calls["namp_optimizer_step"], Is.EqualTo(1));
        Assert.That(calls["namp_gemm"], Is.EqualTo(3 * (3 * 4 + 1)), "a product, and two in the backward pass");
    }

    // The gradient of a loss times a thousand million overflows in half precision.
    [Test]
    public void A_step_that_overflowed_on_a_GPU_is_kept_and_replayed_with_the_same_first_tensor()
    {
        EmulatedGpu.Require();
        Dictionary<string, string> gpu = CliProcess.Gpus(1, EmulatedGpu.Cublas);
        string log = Path.Combine(_folder, "run.jsonl");
        (int code, _, string error) = CliProcess.Run(
            gpu,
            "train",
            "--model",
            "mlp",
            "--steps",
            "1",
            "--batch",
            "8",
            "--data",
            _folder,
            "--device",
            "cuda",
            "--inspect",
            "10",
            "--inspect-out",
            log,
            "--init-scale",
            "1e9"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument failed = JsonDocument.Parse(File.ReadLines(log).Last());
        Assert.That(failed.RootElement.GetProperty("first_overflow").GetString(), Is.EqualTo("gradient of 3 (linear)"));
        (code, string output, error) = CliProcess.Run(
            gpu,
            "train",
            "--replay",
            failed.RootElement.GetProperty("replay").GetString()!,
            "--device",
            "cuda",
            "--json"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument replayed = JsonDocument.Parse(output);
        Assert.That(replayed.RootElement.GetProperty("same").GetBoolean());
        JsonElement step = replayed.RootElement.GetProperty("step");
        Assert.That(step.GetProperty("first_overflow").GetString(), Is.EqualTo("gradient of 3 (linear)"));
        Assert.That(
            step.GetProperty("tensors").GetRawText(),
            Is.EqualTo(failed.RootElement.GetProperty("tensors").GetRawText()),
            "every figure of every tensor"
        );
    }

    [Test]
    public void Doctor_says_what_was_tried_where_there_is_no_driver()
    {
        Dictionary<string, JsonElement> findings = Doctor(CliProcess.NoDriver);
        Assert.That(findings.Keys, Has.None.StartsWith("cuda ").And.None.EqualTo("cuBLAS"));
        Assert.That(findings["cuda"].GetProperty("found").GetBoolean(), Is.False);
        Assert.That(
            Detail(findings, "cuda"),
            Does.Contain("Tried: ").And.Contain("no-driver.so (").And.Contain("install NVIDIA's driver")
        );
    }

    [Test]
    public void Doctor_tells_a_driver_without_a_GPU_from_no_driver()
    {
        EmulatedGpu.Require();
        Dictionary<string, JsonElement> findings = Doctor(CliProcess.Gpus(0, "none"));
        Assert.That(findings["cuda"].GetProperty("found").GetBoolean(), Is.False);
        Assert.That(Detail(findings, "cuda"), Does.Contain("CUDA_VISIBLE_DEVICES"));
    }

    /// <summary>NVIDIA's own library starts without a GPU: every function that is asked for is there.</summary>
    [Test]
    public void Doctor_says_why_NVIDIAs_own_driver_gives_no_GPU()
    {
        string driver = NvidiaFiles.FindLibrary("libcuda.so.1");
        var environment = new Dictionary<string, string>
        {
            ["NATIVEAMP_CUDA_LIBRARY"] = driver,
            ["CUDA_VISIBLE_DEVICES"] = "",
        };
        Dictionary<string, JsonElement> findings = Doctor(environment);
        Assert.That(findings["cuda"].GetProperty("found").GetBoolean(), Is.False);
        Assert.That(Detail(findings, "cuda"), Does.Contain(driver).And.Contains("cuInit gave CUDA_ERROR_"));
    }

    [Test]
    public void Doctor_names_every_GPU_the_driver_the_kernels_and_cuBLAS()
    {
        EmulatedGpu.Require();
        Dictionary<string, JsonElement> findings = Doctor(CliProcess.Gpus(2, EmulatedGpu.Cublas));
        Assert.That(Detail(findings, "cuda"), Is.EqualTo("2 device(s)"));
        Assert.That(
            Detail(findings, "cuda device 0"),
            Does.Match(@"^.+, compute capability 8\.0, 4 multiprocessors, \d\.\d GiB of 8\.0 GiB memory free$")
        );
        Assert.That(Detail(findings, "cuda device 1"), Does.Contain("compute capability 8.0"));
        Assert.That(
            Detail(findings, "cuda driver"),
            Does.Match(
                $@"^CUDA driver \d+\.\d \({EmulatedGpu.Driver}\), kernels as PTX of clang.* for 7\.5, translated for 8\.0"
            )
        );
        Assert.That(Detail(findings, "cuBLAS"), Is.EqualTo("cuBLAS " + EmulatedGpu.Cublas));
    }

    [Test]
    public void Doctor_says_what_stands_in_for_a_missing_cuBLAS()
    {
        EmulatedGpu.Require();
        Dictionary<string, JsonElement> findings = Doctor(CliProcess.Gpus(1, "no-cublas.so"));
        Assert.That(findings["cuBLAS"].GetProperty("found").GetBoolean(), Is.False);
        Assert.That(Detail(findings, "cuBLAS"), Does.StartWith("no cuBLAS, own GEMM (tried no-cublas.so ("));
    }

    [Test]
    public void Doctor_lists_every_place_where_a_library_was_looked_for_and_what_came_of_it()
    {
        EmulatedGpu.Require();
        foreach (int version in new[] { 13, 12, 11 })
            if (NativeLibrary.TryLoad($"libcublas.so.{version}", out _))
                Assert.Ignore($"This machine's own cuBLAS {version} would be found first.");
        string toolkit = Path.Combine(_folder, "toolkit");
        Directory.CreateDirectory(Path.Combine(toolkit, "lib64"));
        Dictionary<string, string> environment = CliProcess.Gpus(1, "");
        environment["CUDA_PATH"] = toolkit;
        Dictionary<string, string> places = Doctor(environment)["cuBLAS"]
            .GetProperty("tried")
            .EnumerateArray()
            .Select(place => (Where: Text(place, "location"), Why: Text(place, "failure")))
            .DistinctBy(place => place.Where)
            .ToDictionary(place => place.Where, place => place.Why);

        Assert.That(places["this process"], Does.StartWith("it has loaded none of libcublas.so.13"));
        Assert.That(places["libcublas.so.12"], Does.Contain("cannot open shared object file"));
        Assert.That(places[Path.Combine(toolkit, "lib64")], Does.StartWith("it has none of libcublas.so.13"));
        // .NET's own folders, handed down.
        Assert.That(
            places.Keys,
            Has.Some.Contains("Microsoft.NETCore.App").Or.Some.EqualTo(TestContext.CurrentContext.TestDirectory + "/")
        );

        (_, string output, _) = CliProcess.Run(environment, "doctor");
        Assert.That(output, Does.Contain($"    tried {Path.Combine(toolkit, "lib64")}: it has none of "));
        Assert.That(output, Does.Contain($"    tried {EmulatedGpu.Driver}: taken"));

        static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? "";
    }

    [Test]
    public void Auto_passes_over_a_GPU_that_does_not_open_and_says_why()
    {
        EmulatedGpu.Require();
        Dictionary<string, string> environment = CliProcess.Gpus(1, EmulatedGpu.Cublas);
        environment["NAMPEMU_COMPUTE"] = "6.1";
        (int code, string output, string error) = CliProcess.Run(
            environment,
            ["train", "--model", "mlp", "--steps", "2", "--batch", "16", "--data", _folder, "--json"]
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            error,
            Does.StartWith("nativeamp: no GPU that works here, computing on the CPU. CUDA device 0: ")
                .And.Contain("compute capability 6.1")
        );
        using JsonDocument summary = JsonDocument.Parse(output);
        Assert.That(summary.RootElement.GetProperty("device").GetString(), Is.EqualTo("cpu"));
    }

    [TestCase("", 4)]
    [TestCase(" --no-graph", 0)]
    [TestCase(" --profile", 0)] // which shows the functions of a step
    public void Steps_after_the_first_two_are_launches_of_a_graph_unless_calls_are_asked_for(
        string option,
        int launches
    )
    {
        EmulatedGpu.Require();
        EmulatedGpu.ResetCounters();
        (int code, _, string error) = CliHost.Run(
            $"train --model mlp --device cuda --steps 6 --batch 4 --json{option} --data {_folder}".Split(' ')
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(EmulatedGpu.Calls().GetValueOrDefault("cuGraphLaunch"), Is.EqualTo(launches));
    }

    private static Dictionary<string, JsonElement> Doctor(IReadOnlyDictionary<string, string> environment)
    {
        (int code, string output, string error) = CliProcess.Run(environment, "doctor", "--json");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument document = JsonDocument.Parse(output);
        return document
            .RootElement.GetProperty("findings")
            .EnumerateArray()
            .ToDictionary(finding => finding.GetProperty("name").GetString()!, finding => finding.Clone());
    }

    private static string Detail(Dictionary<string, JsonElement> findings, string name) =>
        findings[name].GetProperty("detail").GetString()!;
}
