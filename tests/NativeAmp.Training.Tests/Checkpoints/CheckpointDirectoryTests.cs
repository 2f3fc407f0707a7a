using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Fuzzing;

namespace NativeAmp.Training.Tests.Checkpoints;

public class CheckpointDirectoryTests : FolderTests
{
    private static readonly Dictionary<string, string> Facts = new() { ["seed"] = "1" };

    [Test]
    public void Loads_what_it_saved_and_keeps_the_newest()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 2);
        Assert.That(directory.HasAny, Is.False);
        Assert.That(directory.LoadNewest([], Facts, (_, _) => { }), Is.Null);
        foreach (long step in (long[])[1, 2, 9, 10])
            directory.Save(step, new State { Values = [step, -step] }.Items, Facts);
        Assert.That(Files(), Is.EqualTo(new[] { "step-0000000009.safetensors", "step-0000000010.safetensors" }));

        var state = new State();
        directory.LoadNewest(state.Items, Facts, (_, _) => Assert.Fail("nothing is damaged"));
        Assert.That(state.Values, Is.EqualTo(new long[] { 10, -10 }));
    }

    [Test]
    public void Any_safetensors_reader_opens_one()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 2);
        string path = directory.Save(1, new State { Values = [3, 4] }.Items, Facts);
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        Assert.That(reader.Metadata["seed"], Is.EqualTo("1"));
    }

    [Test]
    public void A_damaged_newest_one_is_told_of_and_the_one_before_is_loaded()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 3);
        directory.Save(1, new State { Values = [1, 1] }.Items, Facts);
        string newest = directory.Save(2, new State { Values = [2, 2] }.Items, Facts);
        File.WriteAllBytes(newest, File.ReadAllBytes(newest)[..^1]);

        List<string> damaged = [];
        var state = new State();
        directory.LoadNewest(state.Items, Facts, (_, e) => damaged.Add(e.Message));
        Assert.That(state.Values, Is.EqualTo(new long[] { 1, 1 }));
        Assert.That(damaged, Has.Count.EqualTo(1));
        Assert.That(damaged[0], Does.Contain(newest));
    }

    [Test]
    public void Where_none_is_intact_the_newest_is_named()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 3);
        string path = directory.Save(1, new State().Items, Facts);
        File.WriteAllBytes(path, []);
        var e = Assert.Throws<DataFormatException>(() => directory.LoadNewest(new State().Items, Facts, (_, _) => { }));
        Assert.That(e.File, Is.EqualTo(path));
    }

    [Test]
    public void One_of_another_run_changes_nothing_and_says_all_that_differs()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 3);
        directory.Save(1, new State { Values = [1, 2] }.Items, Facts);
        var other = new State { Values = [7, 8, 9] };
        CheckpointItem[] items =
        [
            .. other.Items,
            CheckpointItem.Integers("more", 1, () => [0], _ => Assert.Fail("loaded")),
        ];
        var e = Assert.Throws<CheckpointException>(() =>
            directory.LoadNewest(items, new Dictionary<string, string> { ["seed"] = "2" }, (_, _) => { })
        );
        Assert.That(
            e.Problems,
            Is.EqualTo(new[] { "seed was 1 and is now 2", "values is I64 [2], not I64 [3]", "more is missing" })
        );
        Assert.That(other.Values, Is.EqualTo(new long[] { 7, 8, 9 }));

        e = Assert.Throws<CheckpointException>(() => directory.LoadNewest([], Facts, (_, _) => { }));
        Assert.That(e.Problems, Is.EqualTo(new[] { "values is unexpected" }));
    }

    [Test]
    public void A_failed_write_leaves_the_old_one_and_no_scraps()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 3);
        directory.Save(1, new State { Values = [1, 2] }.Items, Facts);
        CheckpointItem bad = CheckpointItem.Integers("values", 2, () => throw new IOException("disk full"), _ => { });
        Assert.Throws<IOException>(() => directory.Save(1, [bad], Facts));
        var state = new State();
        directory.LoadNewest(state.Items, Facts, (_, _) => Assert.Fail("damaged"));
        Assert.That(state.Values, Is.EqualTo(new long[] { 1, 2 }));
        Assert.That(Files(), Has.Length.EqualTo(1));
    }

    [Test]
    public void What_a_killed_process_left_is_cleaned_up()
    {
        File.WriteAllText(Path.Combine(Folder, "step-0000000001.safetensors.99.tmp"), "half");
        File.WriteAllText(Path.Combine(Folder, "notes.tmp"), "mine");
        using var directory = new CheckpointDirectory(Folder, keep: 3);
        Assert.That(directory.HasAny, Is.False);
        directory.Save(2, new State().Items, Facts);
        Assert.That(Files(), Is.EqualTo(new[] { "notes.tmp", "step-0000000002.safetensors" }));
    }

    [Test]
    public void No_mutation_of_a_checkpoint_loads()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 1);
        string path = directory.Save(1, new State { Values = [3, 4] }.Items, Facts);
        byte[] good = File.ReadAllBytes(path);
        int same = 0;
        int refused = Fuzz.Run(
            good,
            bytes =>
            {
                File.WriteAllBytes(path, bytes);
                CheckpointFile.Read(path, new State().Items, Facts, new HashSet<string>());
                Assert.That(bytes, Is.EqualTo(good), "a changed file was taken for good");
                same++;
            },
            allocationLimit: 1 << 19
        );
        Assert.That(refused + same, Is.EqualTo(Fuzz.Count));
    }

    [Test]
    public void A_file_just_written_is_never_the_one_that_goes()
    {
        // Checkpoints 6, 9 and 12; the newest damaged, the run resumed at 9 with room for one, and saved at 11.
        using var directory = new CheckpointDirectory(Folder, keep: 1);
        foreach (long step in (long[])[6, 9, 12])
        {
            using var other = new CheckpointDirectory(Path.Combine(Folder, "other"), keep: 9);
            File.Move(
                other.Save(step, new State { Values = [step, 0] }.Items, Facts),
                Path.Combine(Folder, $"step-{step:D10}.safetensors")
            );
        }

        File.AppendAllText(Path.Combine(Folder, "step-0000000012.safetensors"), "x");
        List<string> passedOver = [];
        Assert.That(
            directory.LoadNewest(new State().Items, Facts, (file, _) => passedOver.Add(Path.GetFileName(file)))!.File,
            Does.Contain("0009")
        );
        string written = directory.Save(11, new State { Values = [11, 0] }.Items, Facts);
        Assert.That(passedOver, Is.EqualTo(new[] { "step-0000000012.safetensors" }));
        Assert.That(File.Exists(written), Is.True);
        Assert.That(Files(), Is.EqualTo(new[] { "step-0000000011.safetensors", "step-0000000012.safetensors" }));

        var state = new State();
        directory.LoadNewest(state.Items, Facts, (_, _) => { });
        Assert.That(state.Values[0], Is.EqualTo(11));
        directory.Save(12, new State { Values = [12, 0] }.Items, Facts);
        Assert.That(Files(), Is.EqualTo(new[] { "step-0000000012.safetensors" }), "the damaged one was written anew");
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public void However_many_are_damaged_what_a_resumed_run_saves_can_be_resumed(int keep)
    {
        for (int damaged = 0; damaged < 8; damaged++)
        {
            string folder = Directory.CreateDirectory(Path.Combine(Folder, $"d{damaged}")).FullName;
            using (var first = new CheckpointDirectory(folder, keep: 4))
            {
                foreach (long step in (long[])[3, 6, 9, 12])
                    first.Save(step, new State { Values = [step, 0] }.Items, Facts);
            }

            for (int file = 0; file < 3; file++)
            {
                if ((damaged >> file & 1) != 0)
                    File.WriteAllBytes(Path.Combine(folder, $"step-{12 - 3 * file:D10}.safetensors"), []);
            }

            using var directory = new CheckpointDirectory(folder, keep);
            var state = new State();
            directory.LoadNewest(state.Items, Facts, (_, _) => { });
            for (long step = state.Values[0] + 1; step <= state.Values[0] + 5; step += 2)
            {
                string written = directory.Save(step, new State { Values = [step, 0] }.Items, Facts);
                Assert.That(File.Exists(written), Is.True);
                var again = new State();
                directory.LoadNewest(again.Items, Facts, (_, _) => { });
                Assert.That(again.Values[0], Is.GreaterThanOrEqualTo(step), $"damaged {damaged}, step {step}");
            }
        }
    }

    [Test]
    [Platform(Include = "Linux")]
    public void What_cannot_be_opened_or_would_block_is_passed_over()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 3);
        directory.Save(1, new State { Values = [1, 1] }.Items, Facts);
        File.CreateSymbolicLink(Path.Combine(Folder, "step-0000000099.safetensors"), "/nowhere");
        File.CreateSymbolicLink(Path.Combine(Folder, "step-0000000098.safetensors"), "/dev/zero");
        File.CreateSymbolicLink(Path.Combine(Folder, "step-0000000097.safetensors"), "step-0000000097.safetensors");
        Directory.CreateDirectory(Path.Combine(Folder, "step-0000000096.safetensors"));
        using (
            var process = System.Diagnostics.Process.Start(
                "mkfifo",
                Path.Combine(Folder, "step-0000000095.safetensors")
            )
        )
            process.WaitForExit();
        List<string> passedOver = [];
        var state = new State();
        directory.LoadNewest(state.Items, Facts, (file, _) => passedOver.Add(Path.GetFileName(file)[13..15]));
        Assert.That(state.Values, Is.EqualTo(new long[] { 1, 1 }));
        Assert.That(passedOver, Is.EqualTo(new[] { "99", "98", "97", "95" }), "a folder is no file of that name");
    }

    [Test]
    public void A_fact_that_may_change_is_told_of_and_others_are_refused()
    {
        using var directory = new CheckpointDirectory(Folder, keep: 3);
        directory.Save(1, new State { Values = [1, 2] }.Items, Facts);
        var other = new Dictionary<string, string> { ["seed"] = "2" };
        Assert.Throws<CheckpointException>(() =>
            directory.LoadNewest(new State().Items, other, (_, _) => { }, new HashSet<string> { "rate" })
        );
        LoadedCheckpoint? loaded = directory.LoadNewest(
            new State().Items,
            other,
            (_, _) => { },
            new HashSet<string> { "seed" }
        );
        Assert.That(loaded!.Changes, Is.EqualTo(new[] { "seed was 1 and is now 2" }));
    }

    private string?[] Files() =>
        [
            .. Directory
                .EnumerateFiles(Folder, "*.*")
                .Select(Path.GetFileName)
                .Where(name => name != FolderLock.FileName)
                .Order(),
        ];

    private sealed class State
    {
        public long[] Values { get; set; } = [0, 0];

        public CheckpointItem[] Items =>
            [CheckpointItem.Integers("values", Values.Length, () => Values, loaded => Values = loaded)];
    }
}
