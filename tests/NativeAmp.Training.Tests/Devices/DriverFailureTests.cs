using System.Runtime.CompilerServices;

namespace NativeAmp.Training.Tests.Devices;

/// <summary>
/// Each function of the driver and of cuBLAS that training calls fails once, in every position (a sample of them,
/// unless NATIVEAMP_EXHAUSTIVE is 1): a typed error that names the call, no leak, parameters as they were, and a run
/// resumed from the last checkpoint that ends with the bits of an undisturbed one.
/// </summary>
[NonParallelizable]
internal sealed class DriverFailureTests
{
    private const int Steps = 3;

    // CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, which leaves the context valid, and CUBLAS_STATUS_EXECUTION_FAILED.
    private const int DriverError = 701;
    private const int CublasError = 13;

    /// <summary>
    /// Functions whose failure has no consequence but this: a context stays current; a cuBLAS that does not start
    /// leaves products to a kernel of our own.
    /// </summary>
    private static readonly string[] Harmless =
    [
        "cuCtxPopCurrent",
        "cuDriverGetVersion",
        "cublasCreate",
        "cublasSetMathMode",
    ];

    /// <summary>
    /// Functions by which a capture or a product gives back what it no longer needs, in the middle of training. What
    /// the driver refuses to take back stays with it, and training goes on.
    /// </summary>
    private static readonly string[] Releases =
    [
        "cuGraphDestroy",
        "cuStreamDestroy",
        "cublasLtMatmulDescDestroy",
        "cublasLtMatmulPreferenceDestroy",
        "cublasLtMatrixLayoutDestroy",
    ];

    private string _folder = "";
    private Outcome _undisturbed = null!;
    private List<float[]> _parametersAfter = [];

    /// <summary>The functions that training calls; <see cref="Nothing_else_is_called"/> checks the list.</summary>
    public static string[] Functions { get; } =
    [
        "cuDriverGetVersion",
        "cuDeviceGetCount",
        "cuDeviceGet",
        "cuDevicePrimaryCtxRetain",
        "cuDevicePrimaryCtxRelease",
        "cuDeviceGetAttribute",
        "cuCtxPushCurrent",
        "cuCtxPopCurrent",
        "cuMemAlloc",
        "cuMemFree",
        "cuMemHostAlloc",
        "cuMemFreeHost",
        "cuMemcpyHtoDAsync",
        "cuMemcpyDtoHAsync",
        "cuMemcpyDtoDAsync",
        "cuMemsetD8Async",
        "cuCtxSynchronize",
        "cuStreamCreate",
        "cuStreamDestroy",
        "cuStreamSynchronize",
        "cuEventSynchronize",
        "cuEventCreate",
        "cuEventRecord",
        "cuEventQuery",
        "cuEventDestroy",
        "cuModuleLoadDataEx",
        "cuModuleUnload",
        "cuModuleGetFunction",
        "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        "cuLaunchKernel",
        "cuStreamBeginCapture",
        "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags",
        "cuGraphLaunch",
        "cuGraphExecDestroy",
        "cuGraphDestroy",
        "cublasCreate",
        "cublasDestroy",
        "cublasSetStream",
        "cublasSetMathMode",
        "cublasSetWorkspace",
        "cublasGemmStridedBatchedEx",
        "cublasLtMatmul",
        "cublasLtMatmulAlgoGetHeuristic",
        "cublasLtMatmulDescCreate",
        "cublasLtMatmulDescDestroy",
        "cublasLtMatmulDescSetAttribute",
        "cublasLtMatmulPreferenceCreate",
        "cublasLtMatmulPreferenceDestroy",
        "cublasLtMatmulPreferenceSetAttribute",
        "cublasLtMatrixLayoutCreate",
        "cublasLtMatrixLayoutDestroy",
    ];

    [OneTimeSetUp]
    public void RunUndisturbed()
    {
        EmulatedGpu.Require();
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        List<float[]> parameters = [];
        Run(Path.Combine(_folder, "watched"), parameters.Add);
        _parametersAfter = parameters;
        EmulatedGpu.ResetCounters();
        _undisturbed = Run(Path.Combine(_folder, "undisturbed"));
        Assert.That(_undisturbed.Failure, Is.Null);
        Assert.That(_undisturbed.Parameters, Is.EqualTo(_parametersAfter[Steps]));
    }

    [OneTimeTearDown]
    public void RemoveFolder()
    {
        if (_folder.Length > 0)
            Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void Nothing_else_is_called() => Assert.That(_undisturbed.Calls.Keys, Is.EquivalentTo(Functions));

    [TestCaseSource(nameof(Functions))]
    public void It_fails_once_and_training_goes_on_from_the_last_checkpoint(string function)
    {
        long calls = _undisturbed.Calls[function],
            whileOpen = _undisturbed.CallsWhileOpen.GetValueOrDefault(function);
        int errors = 0;
        foreach (long nth in Positions(whileOpen, calls))
        {
            string at = $"{function}, call {nth} of {calls}";
            string folder = Path.Combine(_folder, $"{function}-{nth}");
            EmulatedGpu.Fail(
                function,
                nth,
                function.StartsWith("cublas", StringComparison.Ordinal) ? CublasError : DriverError
            );
            Outcome failed = Run(folder);
            bool releases = Releases.Contains(function);
            bool failedWhileOpen = nth <= whileOpen && !Harmless.Contains(function) && !releases;
            if (failedWhileOpen)
                errors++;
            AssertTyped(failed, function, failedWhileOpen, at);
            AssertParametersAreThoseOfAStep(failed, at);
            AssertNothingIsLeft(refusedToTakeBack: nth > whileOpen || releases, at);
            if (failed.Failure is not null)
                Assert.That(Run(folder, resume: true).Failure, Is.Null, at);
            Assert.That(LastCheckpoint(folder), Is.EqualTo(LastCheckpoint(Path.Combine(_folder, "undisturbed"))), at);
            Directory.Delete(folder, recursive: true);
        }

        TestContext.Out.WriteLine($"{function}: {calls} calls, {errors} typed errors");
    }

    [Test]
    public void Memory_that_runs_out_in_training_is_told_with_what_holds_the_rest()
    {
        // The allocator tries again after freeing its cache, so that a failure needs two refusals in a row.
        const int OutOfMemory = 2;
        List<string> messages = [];
        for (long nth = 1; nth <= _undisturbed.Calls["cuMemAlloc"]; nth++)
        {
            string folder = Path.Combine(_folder, $"memory-{nth}");
            EmulatedGpu.Fail("cuMemAlloc", nth, OutOfMemory);
            EmulatedGpu.Fail("cuMemAlloc", nth + 1, OutOfMemory);
            Outcome failed = Run(folder);
            Assert.That(failed.Failure, Is.InstanceOf<DeviceOutOfMemoryException>());
            Assert.That(
                failed.Failure!.Message,
                Does.Contain("cuMemAlloc")
                    .And.Contain("CUDA_ERROR_OUT_OF_MEMORY")
                    .And.Match(@"cannot give \d+ bytes")
                    .And.Match(@"\d+ MiB of the device's \d+ MiB are free")
                    .And.Contain("Use a smaller batch")
            );
            messages.Add(failed.Failure.Message);
            AssertNothingIsLeft(refusedToTakeBack: false, $"allocation {nth}");
            Assert.That(Run(folder, resume: true).Parameters, Is.EqualTo(_parametersAfter[Steps]));
        }

        // All memory but the counters of last blocks comes from the allocator, which knows its purpose.
        Assert.That(messages, Has.Exactly(messages.Count - 1).Contains("In use here, in bytes: "));
        Assert.That(messages, Has.Some.Match(@"In use here, in bytes: parameters \d+.*optimizer state \d+"));
    }

    private static IEnumerable<long> Positions(long whileOpen, long all)
    {
        if (TestDevices.Exhaustive)
            return Enumerable.Range(1, (int)all).Select(nth => (long)nth);
        // The first and a middle call of training, and the first call after it.
        long[] sample = [1, whileOpen / 2, whileOpen + 1];
        return sample.Where(nth => nth >= 1 && nth <= all).Distinct();
    }

    private static void AssertTyped(Outcome outcome, string function, bool expected, string at)
    {
        if (!expected)
        {
            Assert.That(outcome.Failure, Is.Null, at);
            return;
        }

        Assert.That(
            outcome.Failure,
            Is.InstanceOf<NativeAmpDeviceException>().Or.InstanceOf<NativeAmpUnavailableException>(),
            at
        );
        string error = function.StartsWith("cublas", StringComparison.Ordinal)
            ? "CUBLAS_STATUS_EXECUTION_FAILED"
            : "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES";
        Assert.That(outcome.Failure!.Message, Does.Contain(function).And.Contain(error), at);
        Assert.That(
            outcome.Failure.Message,
            Does.Match("[Cc]heck |Use |Free |set |end the process|update"),
            "what to do"
        );
    }

    private void AssertParametersAreThoseOfAStep(Outcome outcome, string at)
    {
        // A step that failed after its Adam kernel was launched counts as taken; half a step is never taken.
        int done = (int)outcome.Steps;
        float[][] possible = [_parametersAfter[done], _parametersAfter[Math.Min(done + 1, Steps)]];
        Assert.That(possible.Any(outcome.Parameters.SequenceEqual), $"{at}: the parameters are those of no step");
    }

    private static void AssertNothingIsLeft(bool refusedToTakeBack, string at)
    {
        EmulatedGpu.FailNone();
        // The collector releases the parts of a failed constructor.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        if (!refusedToTakeBack)
            Assert.That(EmulatedGpu.Alive(), Is.EqualTo((0, 0, 0, 0)), $"{at}: allocations, modules, streams, events");
        // Resources that the driver itself refuses to release stay with it.
        EmulatedGpu.ResetDevice();
        Assert.That(EmulatedGpu.TakeFindings(leaks: !refusedToTakeBack), Is.Empty, at);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome Run(string folder, Action<float[]>? afterStep = null, bool resume = false)
    {
        var outcome = new Outcome();
        var random = new RandomGenerator(5);
        using var model = new Sequential(
            new Linear(6, 8, random: random),
            new Gelu(),
            new Dropout(0.1f, random),
            new Linear(8, 3, random: random)
        );
        Device? device = null;
        Trainer? trainer = null;
        try
        {
            device = Device.Cuda();
            trainer = new Trainer(
                model,
                new Points(32, 6, 3),
                test: null,
                device,
                new TrainerOptions
                {
                    Steps = Steps,
                    Batch = 8,
                    Precision = PrecisionPolicy.Float16,
                    ClipNorm = 1,
                    CheckpointFolder = folder,
                    CheckpointEvery = 1,
                    Resume = resume,
                    Random = random,
                }
            );
            afterStep?.Invoke(Parameters(model));
            trainer.StepCompleted += (_, step) =>
            {
                outcome.Steps = step.Step;
                afterStep?.Invoke(Parameters(model));
            };
            trainer.Run();
            outcome.Parameters = Parameters(model);
        }
        catch (NativeAmpException e)
        {
            outcome.Failure = e;
            EmulatedGpu.FailNone();
            outcome.Parameters = Parameters(model);
        }

        outcome.CallsWhileOpen = EmulatedGpu.Calls();
        trainer?.Dispose();
        model.Dispose();
        device?.Dispose();
        outcome.Calls = EmulatedGpu.Calls();
        return outcome;
    }

    private static float[] Parameters(Module model) =>
        [.. model.Parameters().SelectMany(parameter => parameter.ToFloats())];

    private static byte[] LastCheckpoint(string folder) => File.ReadAllBytes(Directory.EnumerateFiles(folder).Max()!);

    private sealed class Outcome
    {
        public NativeAmpException? Failure { get; set; }

        public long Steps { get; set; }

        public float[] Parameters { get; set; } = [];

        public IReadOnlyDictionary<string, long> CallsWhileOpen { get; set; } = new Dictionary<string, long>();

        public IReadOnlyDictionary<string, long> Calls { get; set; } = new Dictionary<string, long>();
    }
}
