using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Quantize;
using NativeAmp.Cli.Train;
using NativeAmp.Training;

namespace NativeAmp.Cli.Generate;

/// <summary>nativeamp generate.</summary>
internal sealed class GenerateCommand
{
    private readonly Argument<string> _path = new("FILE")
    {
        Description = "A gpt: a folder of checkpoints of train, a checkpoint, a safetensors file, or one of quantize.",
    };
    private readonly Option<string> _prompt = new("--prompt")
    {
        HelpName = "TEXT",
        Description = "The text to go on from, at least a byte.",
        DefaultValueFactory = _ => "\n",
    };
    private readonly Option<int?> _tokens = NumberOption.Whole(
        "--tokens",
        1,
        int.MaxValue,
        "Bytes to generate [default: as many as the model's context has room for]."
    );
    private readonly Option<double> _temperature = NumberOption.Real(
        "--temperature",
        0.8,
        new RealRange(1e-6, 1e6, "a number from 1e-6 to 1e6, or 0 for the likeliest byte", Zero: true),
        "Lower values prefer likely bytes; 0 takes the likeliest."
    );
    private readonly Option<int> _topK = NumberOption.Whole(
        "--top-k",
        0,
        0,
        int.MaxValue,
        "Draw only from the N likeliest bytes; 0 for all.",
        ", 0 for all"
    );
    private readonly Option<double> _topP = NumberOption.Real(
        "--top-p",
        1,
        new RealRange(1e-6, 1, "a number from 1e-6 to 1"),
        "Draw only from the fewest likeliest bytes that have this probability together."
    );
    private readonly Option<ulong> _seed = NumberOption.Whole("--seed", 0UL, 0UL, ulong.MaxValue, "Seed of the draws.");
    private readonly Option<string> _precision = CommonOptions.OneOf(
        "--precision",
        "fp32",
        "What to compute in; integers of a quantised file stay.",
        "fp32",
        "fp16",
        "bf16"
    );
    private readonly QuantizeOptions _gpt = new();
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<int> _threads = CommonOptions.Threads();
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new("generate", "Write text with a trained gpt, and say how many bytes a second it made.")
        {
            _path,
            _prompt,
            _tokens,
            _temperature,
            _topK,
            _topP,
            _seed,
            _precision,
            _gpt.Heads,
            _gpt.Gelu,
            _device,
            _threads,
            _json,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        byte[] prompt = Encoding.UTF8.GetBytes(parsed.GetValue(_prompt)!);
        if (prompt.Length == 0)
            throw new UsageException("--prompt is empty; it is a text of at least a byte.");
        string path = NetworkFile.Resolve(parsed.GetValue(_path)!);
        using Device device = CommonOptions.Open(parsed.GetValue(_device)!, terminal, parsed.GetValue(_threads));
        using NetworkFile file = _gpt.Open(path, device, parsed);
        if (file.Model is not Gpt { Options.Vocabulary: 256 } model)
            throw new UsageException($"{file.Path} is no gpt over bytes, which generate needs.");
        var options = new GenerationOptions
        {
            Tokens = parsed.GetValue(_tokens),
            Temperature = parsed.GetValue(_temperature),
            TopK = parsed.GetValue(_topK),
            TopP = parsed.GetValue(_topP),
            Random = new RandomGenerator(parsed.GetValue(_seed)),
            Precision = Enum.Parse<PrecisionKind>(parsed.GetValue(_precision)!, ignoreCase: true).Policy(),
        };
        bool json = parsed.GetValue(_json);
        using var stop = new CancellationTokenSource();
        using var signals = new StopSignals(stop);
        GenerateSummary summary = Generate(model, prompt, options, json ? null : terminal, stop.Token);
        if (json)
            terminal.Output.WriteLine(JsonSerializer.Serialize(summary, GenerateJson.Default.GenerateSummary));
        else
            terminal.Output.WriteLine(Text(summary));
        return summary.Interrupted ? ExitCode.Interrupted : ExitCode.Success;
    }

    private static GenerateSummary Generate(
        Gpt model,
        byte[] prompt,
        GenerationOptions options,
        Terminal? shown,
        CancellationToken stop
    )
    {
        // Characters of several bytes appear when their last byte does.
        Decoder decoder = Encoding.UTF8.GetDecoder();
        IEnumerable<int> tokens = Start();
        Show(prompt, flush: false);
        List<byte> text = [];
        bool interrupted = false;
        TimeSpan first = default;
        var watch = Stopwatch.StartNew();
        try
        {
            foreach (int token in tokens)
            {
                if (text.Count == 0)
                    first = watch.Elapsed;
                text.Add((byte)token);
                Show([(byte)token], flush: false);
            }
        }
        catch (OperationCanceledException)
        {
            interrupted = true;
        }

        TimeSpan all = watch.Elapsed;
        Show([], flush: true);
        shown?.Output.WriteLine();
        return new GenerateSummary(
            Encoding.UTF8.GetString([.. text]),
            prompt.Length,
            text.Count,
            Rate(prompt.Length, first),
            Rate(text.Count - 1, all - first),
            interrupted
        );

        IEnumerable<int> Start()
        {
            try
            {
                return model.Generate([.. prompt.Select(value => (int)value)], options, cancellation: stop);
            }
            catch (ContextLengthException e)
            {
                throw new UsageException(e.Message);
            }
        }

        void Show(ReadOnlySpan<byte> bytes, bool flush)
        {
            if (shown is null)
                return;
            Span<char> characters = stackalloc char[Encoding.UTF8.GetMaxCharCount(prompt.Length + 4)];
            int count = decoder.GetChars(bytes, characters, flush);
            shown.Output.Write(characters[..count]);
            shown.Output.Flush();
        }
    }

    private static double? Rate(int tokens, TimeSpan time) =>
        tokens > 0 && time > TimeSpan.Zero ? Math.Round(tokens / time.TotalSeconds, 1) : null;

    private static string Text(GenerateSummary summary) =>
        $"prompt {summary.PromptTokens} tokens{Rate(summary.PromptTokensPerSecond)}; generated {summary.Tokens}"
        + $"{Rate(summary.TokensPerSecond)}{(summary.Interrupted ? "; stopped" : "")}";

    private static string Rate(double? rate) =>
        rate is { } value ? string.Create(CultureInfo.InvariantCulture, $", {value:0.0} tokens/s") : "";
}
