using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Plan;

/// <summary>nativeamp plan: its options, and the choice of its output.</summary>
internal sealed class PlanCommand
{
    private const int MostGpus = 1 << 20;

    // GPT-3's.
    private const double SweepTokens = 3e11;

    private readonly Option<string?> _model = CommonOptions.Path(
        "--model",
        "NAME|FILE.json",
        "Model to train: a known model (--list), a JSON file of its sizes, or cnn, mlp and gpt of nativeamp train."
    );
    private readonly Option<string?> _gpu = CommonOptions.Path(
        "--gpu",
        "NAME|FILE.json",
        "GPU to train on: a known GPU (--list), or a JSON file of its data sheet [default: a100-80g]."
    );
    private readonly Option<string?> _catalog = CommonOptions.Path(
        "--catalog",
        "DIR|FILE.json",
        "More models and GPUs: a file {\"models\": […], \"gpus\": […]}, or a folder of them."
    );
    private readonly Option<int?> _gpus = NumberOption.Whole(
        "--gpus",
        1,
        MostGpus,
        "Number of GPUs [default: as many as the split needs, or the smallest number that fits]."
    );

    private readonly Option<string> _precision = CommonOptions.OneOf(
        "--precision",
        "bf16",
        "Precision of matrix products.",
        "fp32",
        "tf32",
        "fp16",
        "bf16"
    );
    private readonly Option<string> _optimizer = CommonOptions.OneOf(
        "--optimizer",
        "adamw",
        "Optimizer, for its state.",
        [.. StateLayout.Optimizers]
    );
    private readonly Option<string> _layout = CommonOptions.OneOf(
        "--layout",
        "megatron",
        "Layout of state; bytes per parameter in mixed precision with AdamW: megatron 18, deepspeed 20, nativeamp 16.",
        [.. StateLayout.Names]
    );

    private readonly Option<int?> _tensor = NumberOption.Whole(
        "--tensor",
        1,
        1024,
        "GPUs that share each layer's products."
    );
    private readonly Option<int?> _pipeline = NumberOption.Whole("--pipeline", 1, 100_000, "Pipeline stages.");
    private readonly Option<int?> _microBatch = NumberOption.Whole(
        "--micro-batch",
        1,
        1 << 20,
        "Samples of a micro-batch."
    );
    private readonly Option<int?> _interleave = NumberOption.Whole(
        "--interleave",
        1,
        1024,
        "Groups of layers per stage, in the interleaved schedule."
    );
    private readonly Option<int?> _zero = NumberOption.Whole(
        "--zero",
        0,
        3,
        "ZeRO stage: copies of the model shard 1 optimizer state, 2 gradients too, 3 parameters too."
    );
    private readonly Option<string> _recompute = CommonOptions.OneOf(
        "--recompute",
        "none",
        "Activations that the backward pass recomputes instead of keeping them.",
        "none",
        "selective",
        "full"
    );
    private readonly Option<bool> _sequenceParallel = new("--sequence-parallel")
    {
        Description = "Split norms and dropouts over the tensor group too.",
    };
    private readonly Option<string> _attention = CommonOptions.OneOf(
        "--attention",
        "flash",
        "flash keeps no scores and skips masked positions; standard does neither.",
        "flash",
        "standard"
    );
    private readonly Option<string> _offload = CommonOptions.OneOf(
        "--offload",
        "none",
        "State to keep in the host's memory.",
        "none",
        "optimizer",
        "all"
    );
    private readonly Option<string> _gradients = CommonOptions.OneOf(
        "--gradients",
        "overlap",
        "When gradients are reduced: while the backward pass goes on, or after it.",
        "overlap",
        "after"
    );

    private readonly Option<int> _batch = NumberOption.Whole(
        "--batch",
        1024,
        1,
        1 << 24,
        "Samples of a step, over all GPUs."
    );
    private readonly Option<double?> _tokens = NumberOption.Real(
        "--tokens",
        new RealRange(1, 1e18, "a number from 1 to 1e18"),
        "Tokens of the whole training [default: the model's own, or 20 per parameter]."
    );

    private readonly Option<bool> _fit = new("--fit")
    {
        Description = "Find the smallest number of GPUs, and the best split, that train it within --days.",
    };
    private readonly Option<double> _days = NumberOption.Real(
        "--days",
        double.PositiveInfinity,
        new RealRange(1e-6, 1e6, "a number from 1e-6 to 1e6, or inf", Infinity: true),
        "--fit: longest time of the training in days."
    );

    private readonly Option<string?> _sweep = new("--sweep")
    {
        Description =
            "Charts of parameters against compute, memory and days, for models of GPT-3's proportions on --gpus "
            + "[default: 1024].",
        HelpName = "params=1e9:1e13",
    };

    private readonly Option<string?> _out = CommonOptions.Path(
        "--out",
        "DIR",
        "--sweep: folder for charts, page and table [default: plan-sweep]."
    );

    private readonly GptSizeOptions _gpt = new("--model gpt");
    private readonly Option<bool> _validate = new("--validate")
    {
        Description = "Show the planner's figures beside published ones, and fit its efficiencies anew.",
    };
    private readonly Option<bool> _rules = new("--rules")
    {
        Description = "Check rules of thumb about parameters, compute and GPUs.",
    };
    private readonly Option<bool> _list = new("--list") { Description = "Show the known models and GPUs." };
    private readonly Option<bool> _explain = new("--explain")
    {
        Description = "Show every figure with its formula and source.",
    };
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new("plan", "Say what a model takes to train: memory, compute, GPUs, days, energy.")
        {
            _model,
            _gpus,
            _gpu,
            _catalog,
            _precision,
            _optimizer,
            _layout,
            _batch,
            _tokens,
            _tensor,
            _pipeline,
            _microBatch,
            _interleave,
            _zero,
            _recompute,
            _sequenceParallel,
            _attention,
            _offload,
            _gradients,
            _fit,
            _days,
            _sweep,
            _out,
            _validate,
            _rules,
            _list,
            _explain,
            _json,
            _gpt.Context,
            _gpt.Width,
            _gpt.Heads,
            _gpt.Blocks,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        PlanCatalog catalog = parsed.GetValue(_catalog) is { } path
            ? PlanCatalog.Standard.With(path)
            : PlanCatalog.Standard;
        bool json = parsed.GetValue(_json);
        Option[] answers = [.. new Option[] { _fit, _sweep, _validate, _rules, _list }.Where(Given)];
        if (answers.Length > 1)
            throw new UsageException($"{answers[0].Name} and {answers[1].Name} exclude each other: give one.");
        if (Given(_days) && !Given(_fit))
            throw new UsageException("--days needs --fit.");
        if (Given(_out) && !Given(_sweep))
            throw new UsageException("--out needs --sweep.");
        if (Given(_list))
            return PlanTables.List(catalog, terminal, json);
        if (Given(_validate))
            return PlanTables.Validate(terminal, json);
        Gpu gpu = catalog.Gpu(parsed.GetValue(_gpu) ?? "a100-80g");
        if (Given(_rules))
            return PlanTables.Rules(gpu, terminal, json);
        if (Given(_sweep))
            return Sweep(parsed, gpu, terminal, json);
        if (parsed.GetValue(_model) is not { } name)
            throw new UsageException(
                "--model is missing: a name ('nativeamp plan --list' shows them), or a JSON file."
            );
        if (OwnNetworkRun.Names.Contains(name))
            return OwnNetwork(parsed, name, terminal, json);
        PlanRequest request = Request(parsed, catalog.Model(name), gpu);
        return Write(Planned(parsed, request), parsed.GetValue(_explain), json, terminal);

        bool Given(Option option) => parsed.GetResult(option) is { Implicit: false };
    }

    private int Sweep(ParseResult parsed, Gpu gpu, Terminal terminal, bool json)
    {
        SweepRange range = SweepRange.Parse(parsed.GetValue(_sweep)!);
        if (parsed.GetValue(_model) is not null)
            throw new UsageException("--sweep makes up its models: leave --model out.");
        PlanRequest request = Request(parsed, ModelFamily.Of(range.Least), gpu);
        return SweepRun.Run(
            request,
            range,
            parsed.GetValue(_gpus) ?? 1024,
            parsed.GetValue(_tokens) ?? SweepTokens,
            parsed.GetValue(_out) ?? "plan-sweep",
            terminal,
            json
        );
    }

    private int OwnNetwork(ParseResult parsed, string name, Terminal terminal, bool json)
    {
        var precision = Enum.Parse<TrainingPrecision>(parsed.GetValue(_precision)!, ignoreCase: true);
        int batch =
            parsed.GetResult(_batch) is { Implicit: false } ? parsed.GetValue(_batch)
            : name == "gpt" ? 16
            : 128;
        NetworkMemory memory = name switch
        {
            "cnn" => OwnNetworks.Cnn(precision, batch),
            "mlp" => OwnNetworks.Mlp(precision, batch),
            _ => Gpt(_gpt.Of(parsed)),
        };
        return OwnNetworkRun.Run(name, memory, precision, batch, terminal, json);

        NetworkMemory Gpt(GptSize size) =>
            OwnNetworks.Gpt(precision, batch, size.Context, size.Width, size.Heads, size.Blocks);
    }

    /// <summary>The plan of the given split, or the best plan if no split is given.</summary>
    private TrainingPlan Planned(ParseResult parsed, PlanRequest request)
    {
        Option[] ofSplit = [_tensor, _pipeline, _microBatch, _interleave, _zero, _recompute, _sequenceParallel];
        Option? given = ofSplit.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false });
        bool fit = parsed.GetValue(_fit);
        if (fit && given is not null)
            throw new UsageException($"--fit chooses the split: leave {given.Name} out.");
        int? gpus = parsed.GetValue(_gpus);
        if (fit || (given is null && gpus is null))
        {
            double days = parsed.GetValue(_days);
            int most = gpus ?? MostGpus >> 4;
            return SplitSearch.Fit(request, days, most)
                ?? throw new PlanException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"No split over up to {most} {request.Gpu.Name} trains {request.Model.Name} in batches of "
                            + $"{request.Batch} within {days} days: allow more days, a larger --batch, or a larger "
                            + $"--gpus."
                    )
                );
        }

        if (given is null)
            return SplitSearch.Best(request, gpus!.Value)
                ?? Planner.Plan(request with { Split = Full(request, gpus.Value) });
        ParallelSplit split = request.Split;
        int group = split.Tensor * split.Pipeline;
        int all = gpus ?? group;
        if (all % group != 0)
            throw new UsageException(
                $"--gpus is {all}, which is not a multiple of --tensor {split.Tensor} × --pipeline {split.Pipeline}."
            );
        return Planner.Plan(request with { Split = split with { Data = all / group } });
    }

    /// <summary>The split that saves the most memory, to show a plan that no split makes fit.</summary>
    private static ParallelSplit Full(PlanRequest request, int gpus)
    {
        int tensor = Enumerable
            .Range(1, Math.Min(gpus, request.Gpu.GpusPerNode))
            .Last(t => gpus % t == 0 && request.Model.Heads % t == 0);
        int pipeline = Enumerable
            .Range(1, request.Model.Layers)
            .Last(p => request.Model.Layers % p == 0 && gpus / tensor % p == 0);
        int data = gpus / tensor / pipeline;
        if (request.Batch % data != 0)
            throw new UsageException(
                $"--batch {request.Batch} is not a multiple of the {data} copies of the model that {gpus} GPUs hold."
            );
        return request.Split with
        {
            Tensor = tensor,
            Pipeline = pipeline,
            Data = data,
            SequenceParallel = tensor > 1,
            Recompute = Recomputation.Full,
            ZeroStage = data > 1 ? 1 : 0,
        };
    }

    private PlanRequest Request(ParseResult parsed, TransformerModel model, Gpu gpu)
    {
        var precision = Enum.Parse<TrainingPrecision>(parsed.GetValue(_precision)!, ignoreCase: true);
        string offload = parsed.GetValue(_offload)!;
        _ = gpu.Peak(precision);
        return new PlanRequest
        {
            Model = model,
            Gpu = gpu,
            Precision = precision,
            Layout = StateLayout.Of(parsed.GetValue(_layout)!, precision, parsed.GetValue(_optimizer)!),
            Batch = parsed.GetValue(_batch),
            Tokens = parsed.GetValue(_tokens),
            Split = new ParallelSplit
            {
                Tensor = parsed.GetValue(_tensor) ?? 1,
                Pipeline = parsed.GetValue(_pipeline) ?? 1,
                MicroBatch = parsed.GetValue(_microBatch) ?? 1,
                Interleave = parsed.GetValue(_interleave) ?? 1,
                ZeroStage = parsed.GetValue(_zero) ?? 0,
                Recompute = Enum.Parse<Recomputation>(parsed.GetValue(_recompute)!, ignoreCase: true),
                SequenceParallel = parsed.GetValue(_sequenceParallel),
                FlashAttention = parsed.GetValue(_attention) == "flash",
                OffloadOptimizer = offload is "optimizer" or "all",
                OffloadParameters = offload == "all",
                OverlapGradients = parsed.GetValue(_gradients) == "overlap",
            },
        };
    }

    /// <summary>A plan that does not fit is shown, and is a failure.</summary>
    private static int Write(TrainingPlan plan, bool explain, bool json, Terminal terminal)
    {
        if (json)
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(PlanReport.Of(plan, explain), PlanJson.Default.PlanReport)
            );
        else
            PlanText.Write(plan, explain, terminal);
        return plan.Fits ? ExitCode.Success : ExitCode.Failure;
    }
}
