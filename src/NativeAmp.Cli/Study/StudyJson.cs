using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Study;

/// <summary>The JSON types of a study.</summary>
[JsonSerializable(typeof(StudySettings))]
[JsonSerializable(typeof(RunResult))]
[JsonSerializable(typeof(RunLine))]
[JsonSerializable(typeof(StudySummary))]
[JsonSourceGenerationOptions(WriteIndented = false)]
internal sealed partial class StudyJson : JsonSerializerContext;
