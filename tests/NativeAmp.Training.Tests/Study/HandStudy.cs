using System.Globalization;
using System.Text.Json;

namespace NativeAmp.Training.Tests.Study;

/// <summary>A study's folder written by hand, so that its figures are known independently of our code.</summary>
internal sealed class HandStudy
{
    private readonly string _folder;

    /// <summary>Creates a study.</summary>
    /// <param name="folder">Its folder, which is created anew.</param>
    /// <param name="model">The model that it trains.</param>
    /// <param name="batches">Batch sizes, in FP32.</param>
    /// <param name="repeats">Number of runs of each configuration.</param>
    /// <param name="options">The options of every run.</param>
    public HandStudy(
        string folder,
        string model,
        int[] batches,
        int repeats,
        params (string Name, string Value)[] options
    )
    {
        _folder = folder;
        Directory.CreateDirectory(folder);
        string train = string.Join(',', options.Select(option => $"\"{option.Name}\":\"{option.Value}\""));
        File.WriteAllText(
            Path.Combine(folder, "study.json"),
            $$$"""{"model":"{{{model}}}","precision":["fp32"],"batch":[{{{string.Join(',', batches)}}}],"repeat":{{{repeats}}},"seed":1,"warmup":0,"train":{{{{train}}}}}"""
        );
    }

    /// <summary>Adds a run.</summary>
    /// <param name="batch">Its batch size.</param>
    /// <param name="repeat">Its number.</param>
    /// <param name="milliseconds">The time of each step.</param>
    /// <param name="summary">The output of train --json, without the device.</param>
    /// <param name="machine">The device's name.</param>
    public HandStudy Run(
        int batch,
        int repeat,
        double[] milliseconds,
        string summary = "\"memory\":{\"peak\":1000000}",
        string machine = "a machine"
    )
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"fp32-b{batch}-r{repeat}");
        string place = Directory.CreateDirectory(Path.Combine(_folder, "runs", name)).FullName;
        File.WriteAllLines(
            Path.Combine(place, "metrics.jsonl"),
            milliseconds.Select(
                (ms, i) =>
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{{\"step\":{i + 1},\"loss\":1,\"scale\":1,\"skipped\":false,\"step_ms\":{ms}}}"
                    )
            )
        );
        File.WriteAllText(
            Path.Combine(place, "result.json"),
            $$$"""{"name":"{{{name}}}","outcome":"done","exit_code":0,"order":{{{repeat}}},"started":"2026-11-26T00:00:00Z","seconds":5,"summary":{"device":"cpu","device_name":{{{JsonSerializer.Serialize(machine)}}},{{{summary}}}}}"""
        );
        return this;
    }
}
