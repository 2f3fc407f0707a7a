namespace NativeAmp.Reports;

/// <summary>The style sheet of a page, without its colors.</summary>
internal static class PageStyle
{
    public const string Rules = """
        :root { color-scheme: light dark; --page: #FFFFFF; --raised: #F4F6F8; --link: #0B57B7; }
        @media screen and (prefers-color-scheme: dark) { :root { --page: #16191D; --raised: #20252B; --link: #8AB8FF; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
        main { max-width: 1500px; margin: 0 auto; padding: 16px; overflow-wrap: break-word; }
        h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.4em 0; }
        h2 { font-size: 1.25rem; line-height: 1.3; margin: 1.8em 0 0.5em; padding-bottom: 0.2em; border-bottom: 1px solid var(--grid); }
        p, ul { max-width: 80ch; }
        .lead { background: var(--raised); border-left: 4px solid var(--series-0); padding: 4px 16px; margin: 1em 0; font-size: 1.08rem; }
        .note { color: var(--muted); font-size: 0.92rem; }
        .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); gap: 24px 20px; align-items: start; }
        figure { margin: 0; min-width: 0; }
        figcaption { font-weight: 600; }
        .chart { display: block; width: 100%; height: auto; max-width: 640px; }
        .chart text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
        .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; margin: 4px 0; padding: 0; font-size: 0.92rem; }
        .swatch { display: inline-block; width: 18px; margin-right: 6px; vertical-align: middle; border-top: 4px solid currentColor; }
        .swatch.dashed { border-top-style: dashed; }
        .swatch.limit { color: var(--muted); border-top: 3px dotted currentColor; }
        details { margin: 4px 0; font-size: 0.92rem; }
        summary { cursor: pointer; color: var(--link); }
        .table { overflow-x: auto; margin: 0.8em 0; }
        table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
        caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
        th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
        th { color: var(--muted); font-weight: 600; }
        .number { text-align: right; white-space: nowrap; }
        @media print { main { max-width: none; padding: 0; } figure, table { break-inside: avoid; } .figures { grid-template-columns: 1fr 1fr; } details:not([open]) { display: none; } }
        """;
}
