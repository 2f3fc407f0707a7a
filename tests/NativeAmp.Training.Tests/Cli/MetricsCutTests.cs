using System.Text;
using NativeAmp.Cli.Train;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>The part of a metrics file that is kept when its run resumes.</summary>
public class MetricsCutTests
{
    private const string One = "{\"step\":1,\"loss\":2.5}\n";
    private const string Two = "{\"step\":2,\"loss\":null}\n";
    private const string Three = "{\"step\":3,\"loss\":1.5}\n";
    private const string Summary = "{\"summary\":true,\"steps\":3}\n";

    [TestCase(One + Two + Three, 2, One + Two, TestName = "Steps_after_the_checkpoint_go")]
    [TestCase(One + Two + Three, 3, One + Two + Three, TestName = "Steps_up_to_the_checkpoint_stay")]
    [TestCase(One + Two + Three, 9, One + Two + Three, TestName = "Steps_that_are_missing_are_missing")]
    [TestCase(One + Two + Three, 0, "", TestName = "A_run_that_begins_anew_keeps_none")]
    [TestCase(One + Two + Three + Summary, 3, One + Two + Three, TestName = "A_summary_of_the_part_before_goes")]
    [TestCase(Summary, 3, "", TestName = "A_summary_alone_goes")]
    [TestCase(One + Two + "{\"step\":3,\"lo", 3, One + Two, TestName = "Half_a_line_goes")]
    [TestCase(One + Two + "{", 3, One + Two, TestName = "The_first_byte_of_a_line_goes")]
    [TestCase(One + "{\"step\":2,\"loss\":null}", 3, One, TestName = "A_line_without_its_end_goes")]
    [TestCase(One + Two + "\0\0\0\0\0", 3, One + Two, TestName = "Room_that_was_never_filled_goes")]
    [TestCase(One + Two + Two + Three, 3, One + Two, TestName = "Doubles_of_an_older_version_go_with_what_follows")]
    [TestCase("", 3, "", TestName = "An_empty_file_stays_empty")]
    public void Keeps_the_records_that_the_checkpoint_holds(string before, long step, string after)
    {
        using var file = new MemoryStream();
        file.Write(Encoding.UTF8.GetBytes(before));
        MetricsCut.After("m", file, step);
        Assert.That(Encoding.UTF8.GetString(file.ToArray()), Is.EqualTo(after));
        Assert.That(file.Position, Is.EqualTo(after.Length));
    }

    [TestCase("My notes.\n")]
    [TestCase("My notes.")]
    [TestCase("{\"step\":\"one\"}\n")]
    [TestCase(One + "{\"other\":1}\n")]
    [TestCase(One + "{\"step\":2,\"lo\n" + Three)]
    [TestCase("\n")]
    public void A_file_that_is_something_else_is_left_as_it_is(string content)
    {
        using var file = new MemoryStream();
        file.Write(Encoding.UTF8.GetBytes(content));
        var e = Assert.Throws<DataFormatException>(() => MetricsCut.After("m", file, 3));
        Assert.That(e.File, Is.EqualTo("m"));
        Assert.That(Encoding.UTF8.GetString(file.ToArray()), Is.EqualTo(content));
    }

    [Test]
    public void Long_files_and_lines_are_cut_at_the_right_byte()
    {
        // Lines of growing length, past the reader's buffer and across its borders.
        List<string> lines =
        [
            .. Enumerable
                .Range(1, 300)
                .Select(step =>
                    $"{{\"step\":{step},\"x\":\"{new string('x', step * 7 % 1000 + (step == 150 ? 200_000 : 0))}\"}}\n"
                ),
        ];
        foreach (int step in (int[])[1, 149, 150, 151, 299])
        {
            using var file = new MemoryStream();
            file.Write(Encoding.UTF8.GetBytes(string.Concat(lines)));
            MetricsCut.After("m", file, step);
            Assert.That(file.Length, Is.EqualTo(lines.Take(step).Sum(line => line.Length)));
        }
    }
}
