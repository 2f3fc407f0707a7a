using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace NativeAmp.Training.Tests.Pages;

/// <summary>
/// Checks a report in a browser, on a phone and on a wide screen, light and dark: every chart has marks inside its
/// frame, no texts overlap, letters are large enough, nothing scrolls sideways, there are no network requests, and
/// axe-core finds no problems.
/// </summary>
internal static class PageCheck
{
    private const int Telephone = 400;
    private const int Screen = 1600;

    // A chart that is scaled down to a phone's width still has letters of this size.
    private const double SmallestLetters = 10;

    // Charts are drawn in the light palette's colors (NativeAmp.Reports.Palette), which the style sheet replaces on a
    // dark page.
    private const string Look = """
        async smallest => {
          const wrong = [];
          const seen = box => box.width > 0 || box.height > 0;
          const about = (a, b) => [a, b].map(t => `'${t.text}'`).join(' and ');

          const charts = [...document.querySelectorAll('svg.chart')].filter(c => seen(c.getBoundingClientRect()));
          for (const chart of charts) {
            const name = chart.getAttribute('aria-label');
            const colors = new Set([...document.styleSheets].flatMap(s => [...s.cssRules]).map(r => /\.chart \[(?:fill|stroke)="(#[0-9A-F]{6})"\].*--series/.exec(r.cssText)?.[1]).filter(c => c));
            const marks = [...chart.querySelectorAll('[clip-path] *')].filter(e => !e.closest('clipPath')
              && (colors.has(e.getAttribute('fill')) || colors.has(e.getAttribute('stroke'))) && seen(e.getBoundingClientRect()));
            if (marks.length === 0) wrong.push(`${name} has no marks`);
            for (const mark of marks) {
              const id = /#([^")]+)/.exec(mark.closest('[clip-path]').getAttribute('clip-path'))[1];
              const frame = document.getElementById(id).firstElementChild.getBBox(), box = mark.getBBox();
              const out = Math.max(frame.x - box.x, frame.y - box.y, box.x + box.width - frame.x - frame.width, box.y + box.height - frame.y - frame.height);
              if (!(out <= 6)) { wrong.push(`${name} has a mark ${out} outside its frame`); break; }
            }
          }

          // Every piece of text by the boxes of its lines.
          const texts = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const text = node.data.trim();
            if (!text || !node.parentElement.checkVisibility?.({ contentVisibilityAuto: true })) continue;
            const range = document.createRange();
            range.selectNodeContents(node);
            const svg = node.parentElement.closest('svg');
            const boxes = svg ? [node.parentElement.getBoundingClientRect()] : [...range.getClientRects()];
            const size = parseFloat(getComputedStyle(node.parentElement).fontSize) * (svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1);
            if (size < smallest) wrong.push(`'${text}' is ${size.toFixed(1)} pixels high`);
            for (const box of boxes) if (box.width > 0 && box.height > 0) texts.push({ text, node, box });
          }
          texts.sort((a, b) => a.box.top - b.box.top);
          for (let i = 0; i < texts.length; i++)
            for (let j = i + 1; j < texts.length && texts[j].box.top < texts[i].box.bottom; j++) {
              const a = texts[i].box, b = texts[j].box;
              const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
              // Lines of a paragraph may touch.
              if (texts[i].node !== texts[j].node && wide > 1.5 && high > Math.min(a.height, b.height) * 0.35) wrong.push(`${about(texts[i], texts[j])} lie on each other`);
            }

          const width = document.documentElement.scrollWidth;
          if (width > innerWidth) wrong.push(`the page is ${width} pixels wide in a window of ${innerWidth}`);
          return [...new Set(wrong)].slice(0, 20).concat([`charts: ${charts.length}`]);
        }
        """;

    /// <summary>Checks a page, and fails on any finding.</summary>
    /// <param name="browser">The browser.</param>
    /// <param name="file">The page.</param>
    /// <param name="charts">The smallest number of charts.</param>
    public static async Task Check(Browser browser, string file, int charts = 1)
    {
        List<string> found = [];
        foreach ((int width, bool dark) in new[] { (Telephone, false), (Screen, true) })
        {
            IPage page = await browser.Open(width, dark);
            string[] seen = await Show(page, file, found);
            string count = seen.Last();
            if (int.Parse(count["charts: ".Length..], System.Globalization.CultureInfo.InvariantCulture) < charts)
                found.Add($"of {charts} charts or more there are {count}");
            found.AddRange(seen.SkipLast(1).Select(one => $"at {width} pixels: {one}"));
            await page.Context.CloseAsync();
        }

        foreach (bool dark in new[] { false, true })
            found.AddRange(await Object(browser, file, dark));
        Assert.That(found, Is.Empty, file);
    }

    private static async Task<string[]> Show(IPage page, string file, List<string> found)
    {
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                found.Add($"the console says: {message.Text}");
        };
        page.PageError += (_, error) => found.Add($"a script failed: {error}");
        page.Request += (_, request) =>
        {
            if (
                !request.Url.StartsWith("file:", StringComparison.Ordinal)
                && !request.Url.StartsWith("data:", StringComparison.Ordinal)
            )
                found.Add($"it asks for {request.Url}");
        };
        await page.GotoAsync(new Uri(Path.GetFullPath(file)).AbsoluteUri);
        return await page.EvaluateAsync<string[]>(Look, SmallestLetters);
    }

    private static async Task<IEnumerable<string>> Object(Browser browser, string file, bool dark)
    {
        IPage page = await browser.Open(Screen, dark, bypassPolicy: true);
        await page.GotoAsync(new Uri(Path.GetFullPath(file)).AbsoluteUri);
        // A dark page differs in its colors alone.
        var options = new AxeRunOptions { ResultTypes = [ResultType.Violations] };
        if (dark)
            options.RunOnly = new() { Type = "rule", Values = ["color-contrast"] };
        AxeResult result = await page.RunAxe(options);
        await page.Context.CloseAsync();
        return result.Violations.SelectMany(violation =>
            violation
                .Nodes.Take(3)
                .Select(node =>
                    $"{(dark ? "dark" : "light")}: {violation.Id}: {violation.Help}: "
                    + $"{node.Html[..Math.Min(200, node.Html.Length)]}"
                )
        );
    }
}
