using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace NativeAmp.Extensions.Tests;

/// <summary>Keeps the messages of a host.</summary>
internal sealed class CollectedLog : ILoggerProvider
{
    public ConcurrentQueue<(LogLevel Level, string Message)> Messages { get; } = new();

    public IEnumerable<string> Of(LogLevel level) =>
        Messages.Where(entry => entry.Level == level).Select(entry => entry.Message);

    public ILogger CreateLogger(string categoryName) => new Logger(this);

    public void Dispose() { }

    private sealed class Logger(CollectedLog log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        ) => log.Messages.Enqueue((logLevel, formatter(state, exception)));
    }
}
