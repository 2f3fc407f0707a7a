namespace NativeAmp.Cli.Study;

/// <summary>The figures of a whole study, for its report.</summary>
internal sealed record StudyFigures
{
    public required string Folder { get; init; }

    public required StudySettings Settings { get; init; }

    /// <summary>The configurations in the order of the settings: by precision, then by batch.</summary>
    public required IReadOnlyList<ConfigurationFigures> Configurations { get; init; }

    /// <summary>Profile runs by configuration.</summary>
    public required IReadOnlyDictionary<Configuration, RunFigures> Profiles { get; init; }

    /// <summary>Largest batches that fit, if --batch was auto.</summary>
    public required IReadOnlyList<BatchLimit> Limits { get; init; }

    /// <summary>Number of runs still to make.</summary>
    public required int Missing { get; init; }

    /// <summary>Batch sizes from small to large.</summary>
    public IReadOnlyList<int> Batches => [.. Configurations.Select(c => c.Configuration.Batch).Distinct().Order()];

    /// <summary>A configuration with a completed run, or null.</summary>
    public ConfigurationFigures? Find(string precision, int batch) =>
        Configurations.FirstOrDefault(c => c.Configuration == new Configuration(precision, batch) && c.Done.Count > 0);

    /// <summary>Any completed run, for facts that all runs share, such as the device's name.</summary>
    public RunFigures? Any => Configurations.SelectMany(c => c.Done).FirstOrDefault();

    /// <summary>Whether it ran on a GPU.</summary>
    public bool IsGpu => Any?.Text("device") == "cuda";

    /// <summary>Reads a study's folder.</summary>
    /// <exception cref="StudyException">There is no study, or a file of it is damaged.</exception>
    public static StudyFigures Read(StudyFolder folder)
    {
        StudySettings settings = folder.Settings();
        IReadOnlyList<BatchLimit> limits = settings.AutoBatch ? new BatchSearch(settings, folder).Known() : [];
        IReadOnlyList<Configuration> configurations = BatchSearch.Configurations(settings, limits);
        PlannedRun[] plan = [.. StudyPlan.Of(settings, configurations)];
        var results = plan.Select(run => (Run: run, Result: folder.Result(run))).ToArray();
        RunFigures[] figures =
        [
            .. results
                .Where(r => r.Result is not null)
                .Select(r => StudyReader.Read(folder, r.Run, r.Result!, settings.Warmup)),
        ];
        return new StudyFigures
        {
            Folder = folder.Path,
            Settings = settings,
            Configurations =
            [
                .. configurations.Select(c => new ConfigurationFigures(
                    c,
                    [
                        .. figures
                            .Where(f => f.Run.Kind == RunKind.Measured && f.Run.Configuration == c)
                            .OrderBy(f => f.Run.Repeat),
                    ]
                )),
            ],
            Profiles = figures.Where(f => f.Run.Kind == RunKind.Profile).ToDictionary(f => f.Run.Configuration),
            Limits = limits,
            Missing = results.Count(r => r.Result is null),
        };
    }
}
