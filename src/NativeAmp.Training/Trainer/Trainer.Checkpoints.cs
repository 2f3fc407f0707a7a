using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Training;

// A run's folder of checkpoints: it is opened, resumed from and written to here.
public sealed partial class Trainer
{
    private CheckpointDirectory? OpenDirectory()
    {
        if (_options.CheckpointFolder is not { } folder)
            return null;
        var directory = new CheckpointDirectory(folder, _options.CheckpointsKept);
        try
        {
            if (_options.Resume)
                Resume(directory);
            else if (directory.HasAny)
                throw new CheckpointException(
                    folder,
                    ["it holds checkpoints of an earlier run: resume, or take another folder"]
                );
            return directory;
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    private void Resume(CheckpointDirectory directory)
    {
        LoadedCheckpoint? loaded = directory.LoadNewest(
            _checkpoint.Items(),
            _facts.Values,
            (file, e) =>
                Resuming?.Invoke(
                    this,
                    new CheckpointReport
                    {
                        File = file,
                        Step = null,
                        Message = $"Passing over a checkpoint: {e.Message}",
                    }
                ),
            _facts.MayChange
        );
        if (loaded is null)
            return;
        string changes = string.Concat(loaded.Changes.Select(change => $"; {change}"));
        Resuming?.Invoke(
            this,
            new CheckpointReport
            {
                File = loaded.File,
                Step = _checkpoint.Progress.Step,
                Message = $"Going on after step {_checkpoint.Progress.Step}, from {loaded.File}{changes}.",
            }
        );
    }

    private long Save(CheckpointDirectory directory)
    {
        long step = _checkpoint.Progress.Step;
        string file = directory.Save(step, _checkpoint.Items(), _facts.Values);
        CheckpointWritten?.Invoke(
            this,
            new CheckpointReport
            {
                File = file,
                Step = step,
                Message = $"Checkpoint of step {step}: {file}",
            }
        );
        return step;
    }
}
