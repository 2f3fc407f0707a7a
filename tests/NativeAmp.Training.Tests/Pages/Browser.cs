using Microsoft.Playwright;

namespace NativeAmp.Training.Tests.Pages;

/// <summary>The system's Chromium, without a window and without network access.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];
    private static readonly string[] Arguments =
    [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private Browser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

    /// <summary>Starts it. Without Chromium the test is skipped with the reason.</summary>
    public static async Task<Browser> Start()
    {
        string? path = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .SelectMany(folder => Names.Select(name => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);
        if (path is null)
            Assert.Ignore("No Chromium here, which shows the reports: sudo apt-get install chromium.");
        IPlaywright playwright = await Playwright.CreateAsync();
        return new Browser(
            playwright,
            await playwright.Chromium.LaunchAsync(
                new BrowserTypeLaunchOptions { ExecutablePath = path, Args = Arguments }
            )
        );
    }

    /// <summary>Opens a page with a width, light or dark.</summary>
    /// <param name="width">In pixels.</param>
    /// <param name="dark">Whether the reader prefers dark pages.</param>
    /// <param name="bypassPolicy">Whether scripts may be injected, against the page's own policy.</param>
    public async Task<IPage> Open(int width, bool dark, bool bypassPolicy = false)
    {
        IBrowserContext context = await _browser.NewContextAsync(
            new BrowserNewContextOptions
            {
                ViewportSize = new ViewportSize { Width = width, Height = 1000 },
                ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
                BypassCSP = bypassPolicy,
            }
        );
        return await context.NewPageAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
    }
}
