using System.Diagnostics;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Training.Tests.Checkpoints;

/// <summary>A folder of checkpoints belongs to one run, and is free after the run ended in any way.</summary>
public class FolderLockTests
{
    private string _folder = "";

    private string LockFile => Path.Combine(_folder, FolderLock.FileName);

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Another_run_is_refused_by_its_process_until_the_first_ends()
    {
        using (FolderLock.Take(_folder))
        {
            var e = Assert.Throws<CheckpointFolderInUseException>(() => FolderLock.Take(_folder));
            Assert.That((e.Folder, e.ProcessId), Is.EqualTo((_folder, (int?)Environment.ProcessId)));
            Assert.That(e.Message, Does.Contain(_folder).And.Contain($"process {Environment.ProcessId}"));
        }

        FolderLock.Take(_folder).Dispose();
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.Empty);
    }

    [Test]
    [Platform(Include = "Linux")]
    public void A_file_that_nobody_locks_is_taken_over_whoever_it_names()
    {
        File.WriteAllText(LockFile, "1 of a process that is alive");
        using FolderLock taken = FolderLock.Take(_folder);
        // Not with .NET, whose files take their own lock.
        using Process cat = Process.Start(new ProcessStartInfo("cat", [LockFile]) { RedirectStandardOutput = true })!;
        Assert.That(cat.StandardOutput.ReadToEnd(), Does.StartWith($"{Environment.ProcessId} "));
    }

    [Test]
    [Platform(Include = "Linux")]
    public void A_killed_process_does_not_keep_it()
    {
        // flock(1) holds the same kind of lock.
        using var other = Process.Start(
            new ProcessStartInfo("flock", ["--no-fork", LockFile, "sh", "-c", "echo held; exec sleep 100"])
            {
                RedirectStandardOutput = true,
            }
        )!;
        Assert.That(other.StandardOutput.ReadLine(), Is.EqualTo("held"));
        Assert.Throws<CheckpointFolderInUseException>(() => FolderLock.Take(_folder));
        other.Kill();
        other.WaitForExit();
        FolderLock.Take(_folder).Dispose();
    }

    [Test]
    [Platform(Include = "Linux")]
    public void Nothing_is_written_through_a_link_that_somebody_planted()
    {
        string target = Path.Combine(_folder, "target");
        File.WriteAllText(target, "theirs");
        File.CreateSymbolicLink(LockFile, target);
        using (FolderLock.Take(_folder))
            Assert.That(File.ReadAllText(target), Is.EqualTo("theirs"));
    }

    [Test]
    public void Of_many_that_want_it_at_once_one_has_it()
    {
        int holders = 0;
        int most = 0;
        int taken = 0;
        Parallel.For(
            0,
            400,
            new ParallelOptions { MaxDegreeOfParallelism = 8 },
            _ =>
            {
                try
                {
                    using (FolderLock.Take(_folder))
                    {
                        int now = Interlocked.Increment(ref holders);
                        Interlocked.Increment(ref taken);
                        InterlockedMax(ref most, now);
                        Thread.Yield();
                        Interlocked.Decrement(ref holders);
                    }
                }
                catch (CheckpointFolderInUseException)
                {
                    // This is the expected case.
                }
            }
        );
        // How many get it is the scheduler's affair.
        Assert.That((most, taken > 0), Is.EqualTo((1, true)));
        Assert.DoesNotThrow(() => FolderLock.Take(_folder).Dispose());
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (int seen = target; seen < value; )
            seen = Interlocked.CompareExchange(ref target, value, seen);
    }
}
