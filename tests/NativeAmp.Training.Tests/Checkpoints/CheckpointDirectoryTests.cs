using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Fuzzing;

namespace NativeAmp.Training.Tests.Checkpoints;

public class CheckpointDirectoryTests
{
    private static readonly Dictionary<string, string> Facts = new() { ["seed"] = "1" };

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Loads_what_it_saved_and_keeps_the_newest()
    {
        var directory = new CheckpointDirectory(_folder, keep: 2);
        Assert.That(directory.HasAny, Is.False);
        Assert.That(directory.LoadNewest([], Facts, _ => { }), Is.Null);
        foreach (long step in (long[])[1, 2, 9, 10])
            directory.Save(step, new State { Values = [step, -step] }.Items, Facts);
        Assert.That(Directory.EnumerateFiles(_folder).Select(Path.GetFileName).Order(),
            Is.EqualTo(new[] { "step-0000000009.safetensors", "step-0000000010.safetensors" }));

        var state = new State();
        directory.LoadNewest(state.Items, Facts, _ => Assert.Fail("nothing is damaged"));
        Assert.That(state.Values, Is.EqualTo(new long[] { 10, -10 }));
    }

    [Test]
    public void Any_safetensors_reader_opens_one()
    {
        string path = new CheckpointDirectory(_folder, keep: 2).Save(1, new State { Values = [3, 4] }.Items, Facts);
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        Assert.That(reader.Metadata["seed"], Is.EqualTo("1"));
    }

    [Test]
    public void A_damaged_newest_one_is_told_of_and_the_one_before_is_loaded()
    {
        var directory = new CheckpointDirectory(_folder, keep: 3);
        directory.Save(1, new State { Values = [1, 1] }.Items, Facts);
        string newest = directory.Save(2, new State { Values = [2, 2] }.Items, Facts);
        File.WriteAllBytes(newest, File.ReadAllBytes(newest)[..^1]);

        List<string> damaged = [];
        var state = new State();
        directory.LoadNewest(state.Items, Facts, e => damaged.Add(e.Message));
        Assert.That(state.Values, Is.EqualTo(new long[] { 1, 1 }));
        Assert.That(damaged, Has.Count.EqualTo(1));
        Assert.That(damaged[0], Does.Contain(newest));
    }

    [Test]
    public void Where_none_is_intact_the_newest_is_named()
    {
        var directory = new CheckpointDirectory(_folder, keep: 3);
        string path = directory.Save(1, new State().Items, Facts);
        File.WriteAllBytes(path, []);
        var e = Assert.Throws<DataFormatException>(() => directory.LoadNewest(new State().Items, Facts, _ => { }));
        Assert.That(e.File, Is.EqualTo(path));
    }

    [Test]
    public void One_of_another_run_changes_nothing_and_says_all_that_differs()
    {
        var directory = new CheckpointDirectory(_folder, keep: 3);
        directory.Save(1, new State { Values = [1, 2] }.Items, Facts);
        var other = new State { Values = [7, 8, 9] };
        CheckpointItem[] items = [.. other.Items, CheckpointItem.Integers("more", 1, () => [0], _ => Assert.Fail("loaded"))];
        var e = Assert.Throws<CheckpointException>(() =>
            directory.LoadNewest(items, new Dictionary<string, string> { ["seed"] = "2" }, _ => { }));
        Assert.That(e.Problems, Is.EqualTo(new[] { "seed was 1 and is now 2", "values is I64 [2], not I64 [3]", "more is missing" }));
        Assert.That(other.Values, Is.EqualTo(new long[] { 7, 8, 9 }));

        e = Assert.Throws<CheckpointException>(() => directory.LoadNewest([], Facts, _ => { }));
        Assert.That(e.Problems, Is.EqualTo(new[] { "values is unexpected" }));
    }

    [Test]
    public void A_failed_write_leaves_the_old_one_and_no_scraps()
    {
        var directory = new CheckpointDirectory(_folder, keep: 3);
        directory.Save(1, new State { Values = [1, 2] }.Items, Facts);
        CheckpointItem bad = CheckpointItem.Integers("values", 2, () => throw new IOException("disk full"), _ => { });
        Assert.Throws<IOException>(() => directory.Save(1, [bad], Facts));
        var state = new State();
        directory.LoadNewest(state.Items, Facts, _ => Assert.Fail("damaged"));
        Assert.That(state.Values, Is.EqualTo(new long[] { 1, 2 }));
        Assert.That(Directory.EnumerateFiles(_folder).Count(), Is.EqualTo(1));
    }

    [Test]
    public void What_a_killed_process_left_is_cleaned_up()
    {
        File.WriteAllText(Path.Combine(_folder, "step-0000000001.safetensors.99.tmp"), "half");
        File.WriteAllText(Path.Combine(_folder, "notes.tmp"), "mine");
        var directory = new CheckpointDirectory(_folder, keep: 3);
        Assert.That(directory.HasAny, Is.False);
        directory.Save(2, new State().Items, Facts);
        Assert.That(Directory.EnumerateFiles(_folder).Select(Path.GetFileName).Order(),
            Is.EqualTo(new[] { "notes.tmp", "step-0000000002.safetensors" }));
    }

    [Test]
    public void No_mutation_of_a_checkpoint_loads()
    {
        string path = new CheckpointDirectory(_folder, keep: 1).Save(1, new State { Values = [3, 4] }.Items, Facts);
        byte[] good = File.ReadAllBytes(path);
        int same = 0;
        int refused = Fuzz.Run(good, bytes =>
        {
            File.WriteAllBytes(path, bytes);
            CheckpointFile.Read(path, new State().Items, Facts);
            Assert.That(bytes, Is.EqualTo(good), "a changed file was taken for good");
            same++;
        }, allocationLimit: 1 << 19);
        Assert.That(refused + same, Is.EqualTo(Fuzz.Count));
    }

    private sealed class State
    {
        public long[] Values { get; set; } = [0, 0];

        public CheckpointItem[] Items => [CheckpointItem.Integers("values", Values.Length, () => Values, loaded => Values = loaded)];
    }
}
