using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace NativeAmp.Extensions.Tests;

/// <summary>samples/WebService trains, and answers many requests at once meanwhile.</summary>
internal sealed class WebServiceTests
{
    private const string Listening = "Now listening on: ";

    [Test]
    public async Task It_answers_while_it_trains_and_has_learned_in_the_end()
    {
        using Process service = Process.Start(
            new ProcessStartInfo(
                "dotnet",
                [
                    Path.Combine(TestContext.CurrentContext.TestDirectory, "WebService.dll"),
                    "--urls=http://127.0.0.1:0",
                    "--NativeAmp:Device=cpu",
                    "--NativeAmp:Precision=float16",
                    "--Training:Steps=300",
                ]
            )
            {
                WorkingDirectory = TestContext.CurrentContext.TestDirectory,
                RedirectStandardOutput = true,
            }
        )!;
        try
        {
            using var client = new HttpClient { BaseAddress = await Address(service.StandardOutput) };
            Task<string> rest = service.StandardOutput.ReadToEndAsync();
            using HttpResponseMessage bad = await client.PostAsJsonAsync(
                "/predict",
                new { points = new[] { new[] { 1f } } }
            );
            Assert.That(bad.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));

            float[][] points =
            [
                .. Enumerable.Range(0, 400).Select(i => new[] { i % 20 / 10f - 0.95f, i / 20 / 10f - 0.95f }),
            ];
            Task[] clients = [.. Enumerable.Range(0, 8).Select(_ => AskUntilTrained(client, points))];
            await Task.WhenAll(clients);

            // Trained: the same request has the same answer, however many ask at once.
            int[][] answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Ask(client, points)));
            Assert.That(answers, Is.All.EqualTo(answers[0]));
            double right = points
                .Zip(answers[0], (p, answer) => answer == (p[0] * p[0] + p[1] * p[1] < 0.6f ? 1 : 0) ? 1.0 : 0)
                .Average();
            Assert.That(right, Is.GreaterThan(0.93), "share of right answers");
            Assert.That(await client.GetStringAsync("/health"), Is.EqualTo("Healthy"));
        }
        finally
        {
            service.Kill();
            await service.WaitForExitAsync();
        }
    }

    private static async Task AskUntilTrained(HttpClient client, float[][] points)
    {
        JsonElement status;
        do
        {
            int[] classes = await Ask(client, points);
            Assert.That(classes, Has.Length.EqualTo(points.Length).And.All.InRange(0, 1));
            status = await client.GetFromJsonAsync<JsonElement>("/status");
        } while (status.GetProperty("training").GetBoolean() || status.GetProperty("step").GetInt64() < 300);
        Assert.That(status.GetProperty("updates").GetInt64(), Is.EqualTo(6));
    }

    private static async Task<int[]> Ask(HttpClient client, float[][] points)
    {
        using HttpResponseMessage response = await client.PostAsJsonAsync("/predict", new { points });
        return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<int[]>())!;
    }

    private static async Task<Uri> Address(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            if (line.IndexOf(Listening, StringComparison.Ordinal) is >= 0 and var at)
                return new Uri(line[(at + Listening.Length)..].Trim());
        }

        throw new InvalidOperationException("The service ended before it listened.");
    }
}
