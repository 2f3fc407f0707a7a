using System.Text;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Data;

/// <summary>Rows of CSV files.</summary>
public class CsvDatasetTests : FolderTests
{
    private static readonly CsvOptions s_asWritten = new() { NormalizeInputs = false };

    [Test]
    public void The_last_column_is_the_target_by_default()
    {
        CsvDataset data = Read("a,b,c\n1,2,3\n4,5.5,-6e-1\n", s_asWritten);
        Assert.That(data.Count, Is.EqualTo(2));
        Assert.That(data.InputColumns, Is.EqualTo(new[] { "a", "b" }));
        Assert.That(data.TargetColumns, Is.EqualTo(new[] { "c" }));
        Assert.That(data.Fields.Select(field => field.Name), Is.EqualTo(new[] { "inputs", "targets" }));
        Assert.That(data.Fields.Select(field => field.Shape), Is.EqualTo(new Shape[] { [2], [1] }));
        Batch batch = All(data);
        Assert.That(batch.Floats(0).ToArray(), Is.EqualTo(new[] { 1, 2, 4, 5.5f }));
        Assert.That(batch.Floats(1).ToArray(), Is.EqualTo(new[] { 3, -0.6f }));
    }

    [Test]
    public void Columns_are_taken_by_name_in_the_order_given()
    {
        CsvDataset data = Read(
            "id,x,y,z\nfirst,1,2,3\nsecond,4,5,6\n",
            s_asWritten with
            {
                Inputs = ["z", "x"],
                Targets = ["y"],
            }
        );
        Assert.That(All(data).Floats(0).ToArray(), Is.EqualTo(new float[] { 3, 1, 6, 4 }));
        Assert.That(All(data).Floats(1).ToArray(), Is.EqualTo(new float[] { 2, 5 }));
    }

    [Test]
    public void Texts_of_a_label_are_classes_in_their_order()
    {
        CsvDataset data = Read("x,kind\n1,pear\n2,apple\n3,pear\n", s_asWritten with { Label = "kind" });
        Assert.That(data.Classes, Is.EqualTo(new[] { "apple", "pear" }));
        Assert.That(All(data).Integers(1).ToArray(), Is.EqualTo(new[] { 1, 0, 1 }));
        Assert.That(data.Fields[1].DType, Is.EqualTo(DType.Int32));
        CsvDataset numbers = Read("x,kind\n1,10\n2,9\n3,-1\n", s_asWritten with { Label = "kind" });
        Assert.That(numbers.Classes, Is.EqualTo(new[] { "-1", "9", "10" }));
        Assert.That(All(numbers).Integers(1).ToArray(), Is.EqualTo(new[] { 2, 1, 0 }));
    }

    [Test]
    public void A_test_set_has_the_classes_and_the_normalization_of_its_training_set()
    {
        CsvDataset train = Read("x,kind\n1,b\n3,a\n", new CsvOptions { Label = "kind" });
        Assert.That(train.InputNormalization, Is.EqualTo(new[] { new Normalization(2, 1) }));
        Assert.That(All(train).Floats(0).ToArray(), Is.EqualTo(new float[] { -1, 1 }));
        CsvDataset test = Read(
            "x,kind\n5,b\n",
            new CsvOptions
            {
                Label = "kind",
                Classes = train.Classes,
                InputNormalization = train.InputNormalization,
            }
        );
        Assert.That(All(test).Floats(0).ToArray(), Is.EqualTo(new float[] { 3 }));
        Assert.That(All(test).Integers(1).ToArray(), Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public void Targets_are_normalized_on_demand_and_predictions_brought_back()
    {
        CsvDataset data = Read("x,y\n7,10\n7,30\n", new CsvOptions { NormalizeTargets = true });
        Assert.That(All(data).Floats(0).ToArray(), Is.EqualTo(new float[] { 0, 0 }), "a column of one value");
        Assert.That(All(data).Floats(1).ToArray(), Is.EqualTo(new float[] { -1, 1 }));
        Assert.That(data.TargetNormalization[0].Undo(0.5), Is.EqualTo(25));
    }

    [Test]
    public void Large_numbers_are_normalized_before_they_are_rounded()
    {
        // As float32, times in seconds are multiples of 128, and these are one number.
        CsvDataset data = Read(
            "time,y\n1700000000,100000001\n1700000001,100000003\n1700000002,100000001\n1700000001,100000003\n",
            new CsvOptions { NormalizeTargets = true }
        );
        float root = (float)Math.Sqrt(2);
        Assert.That(All(data).Floats(0).ToArray(), Is.EqualTo(new[] { -root, 0, root, 0 }));
        Assert.That(All(data).Floats(1).ToArray(), Is.EqualTo(new float[] { -1, 1, -1, 1 }));
        Assert.That(data.InputNormalization[0].Mean, Is.EqualTo(1700000001));
        Assert.That(data.TargetNormalization[0].Undo(1), Is.EqualTo(100000003));
    }

    [TestCase("0.1")]
    [TestCase("1700000000.3")]
    [TestCase("-1e-300")]
    public void A_column_of_one_value_is_zeros(string value)
    {
        CsvDataset data = Read($"x,y\n{string.Concat(Enumerable.Repeat($"{value},1\n", 7))}", new CsvOptions());
        Assert.That(All(data).Floats(0).ToArray(), Is.All.Zero);
        Assert.That(data.InputNormalization[0].Deviation, Is.EqualTo(1));
    }

    [TestCase("x,y\r\n1,2\r\n\r\n3,4", TestName = "CR LF, empty lines, no end of the last line")]
    [TestCase("\uFEFFx,y\n1,2\n3,4\n", TestName = "a byte order mark")]
    [TestCase("\"x\",\"y\"\n\"1\",\"2\"\n 3 , 4 \n", TestName = "quotes and blanks")]
    [TestCase("\n\nx,y\n1,2\n3,4\n\n", TestName = "empty lines before and after")]
    public void The_forms_of_RFC_4180_and_what_spreadsheets_write_are_read(string text)
    {
        CsvDataset data = Read(text, s_asWritten);
        Assert.That(data.InputColumns, Is.EqualTo(new[] { "x" }));
        Assert.That(All(data).Floats(0).ToArray(), Is.EqualTo(new float[] { 1, 3 }));
        Assert.That(All(data).Floats(1).ToArray(), Is.EqualTo(new float[] { 2, 4 }));
    }

    [Test]
    public void Quotes_protect_separators_line_ends_and_quotes()
    {
        CsvDataset data = Read(
            "x;kind\n1;\"a;b\"\n2;\"line\nbreak\"\n3;\"say \"\"hi\"\"\"\n4; ü \n",
            s_asWritten with
            {
                Label = "kind",
                Separator = ';',
            }
        );
        Assert.That(data.Classes, Is.EqualTo(new[] { "a;b", "line\nbreak", "say \"hi\"", "ü" }));
    }

    [Test]
    public void Without_a_header_columns_have_numbers()
    {
        CsvDataset data = Read("1\t2\n3\t4\n", s_asWritten with { HasHeader = false, Separator = '\t' });
        Assert.That(data.InputColumns, Is.EqualTo(new[] { "0" }));
        Assert.That(data.Count, Is.EqualTo(2));
    }

    [TestCase("", "no rows")]
    [TestCase("a,b\n", "no rows below the names")]
    [TestCase("a,b\n1,2\n1\n", "1 cells in line 3, expected 2")]
    [TestCase("a,b\n1,2\n1,2,3\n", "3 cells in line 3")]
    [TestCase("a,b\n1,\n", "'' in line 2, column 'b', expected a finite number")]
    [TestCase("a,b\n1,2\n\nx,2\n", "'x' in line 4, column 'a'")]
    [TestCase("a,b\nNaN,2\n", "'NaN' in line 2, column 'a'")]
    [TestCase("a,b\n1e99,2\n", "'1e99' in line 2")]
    [TestCase("a,b\n1 000,2\n", "'1 000'")]
    [TestCase("a,b\n\"1,2\n", "a quote in line 2 that is not closed")]
    [TestCase("a,b\n\"1\"x,2\n", "'x' after a closing quote in line 2")]
    [TestCase("a,a\n1,2\n", "two columns called 'a'")]
    public void A_damaged_file_is_refused_with_its_place(string text, string found)
    {
        string file = Path.Combine(Folder, "bad.csv");
        File.WriteAllText(file, text);
        var error = Assert.Throws<DataFormatException>(() => CsvDataset.Load(file, s_asWritten));
        Assert.That(error.Message, Does.StartWith(file).And.Contain(found));
    }

    [Test]
    public void The_place_is_a_byte_of_the_file()
    {
        var error = Assert.Throws<DataFormatException>(() => Read("ä,b\n1,2\n3,x\n", s_asWritten));
        Assert.That(error.Offset, Is.EqualTo("ä,b\n1,2\n3,"u8.Length));
    }

    [Test]
    public void A_label_that_is_no_class_is_refused()
    {
        var error = Assert.Throws<DataFormatException>(() =>
            Read("x,kind\n1,a\n2,c\n", s_asWritten with { Label = "kind", Classes = ["a", "b"] })
        );
        Assert.That(error.Message, Does.Contain("'c' in line 3, column 'kind'").And.Contain("a, b"));
    }

    [Test]
    public void Options_that_do_not_fit_are_refused()
    {
        void Refused(CsvOptions options, string reason) =>
            Assert.That(() => Read("a,b\n1,2\n", options), Throws.ArgumentException.With.Message.Contains(reason));

        Refused(new CsvOptions { Label = "c" }, "no column 'c'; it has a, b");
        Refused(new CsvOptions { Inputs = ["A"] }, "no column 'A'");
        Refused(new CsvOptions { Inputs = [] }, "Each input column is named once");
        Refused(new CsvOptions { Targets = ["b", "b"] }, "Each target column is named once");
        Refused(new CsvOptions { Label = "a", Targets = ["b"] }, "a label and targets");
        Refused(new CsvOptions { Targets = ["a", "b"] }, "no column left");
        Refused(new CsvOptions { InputNormalization = [default, default] }, "2 normalizations for 1 columns");
        Refused(new CsvOptions { Label = "b", Classes = ["2", "2"] }, "the class '2' twice");
        Refused(new CsvOptions { Separator = '"' }, "cannot separate cells");
        Refused(new CsvOptions { Separator = 'ä' }, "cannot separate cells");
    }

    [Test]
    public void A_missing_file_is_an_IO_error_and_a_folder_a_wrong_format()
    {
        Assert.That(() => CsvDataset.Load(Path.Combine(Folder, "none.csv")), Throws.InstanceOf<IOException>());
        Assert.That(() => CsvDataset.Load(Folder), Throws.InstanceOf<DataFormatException>());
        Assert.That(() => CsvDataset.Load(null!), Throws.ArgumentNullException);
    }

    private static CsvDataset Read(string text, CsvOptions options)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(text));
        return CsvDataset.Load(stream, "text.csv", options);
    }

    private static Batch All(CsvDataset data)
    {
        var batch = new Batch(data, (int)data.Count);
        batch.Fill([.. Enumerable.Range(0, (int)data.Count).Select(i => (long)i)]);
        return batch;
    }
}
