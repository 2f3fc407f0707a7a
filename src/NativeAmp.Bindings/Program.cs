// C headers -> C#, each interface of CInterface. With --check nothing is written: exit code 1 means that a committed
// file has drifted.
using NativeAmp.Bindings;

const string Usage = "usage: NativeAmp.Bindings [--check] [--root FOLDER]";

try
{
    var options = Options.Parse(args);
    bool drifted = false;
    foreach (CInterface face in CInterface.All)
    {
        string header = Path.Combine(options.Root, face.Header);
        string output = Path.Combine(options.Root, face.Output);
        string wanted = CSharpWriter.Write(ClangHeaderReader.Read(header, face.Prefix), face);
        string found = File.Exists(output) ? File.ReadAllText(output) : "";
        if (found.Replace("\r\n", "\n", StringComparison.Ordinal) == wanted)
        {
            Console.WriteLine($"{face.Output} agrees with {face.Header}.");
        }
        else if (options.Check)
        {
            Console.Error.WriteLine(
                $"{face.Output} has drifted from {face.Header}: run ./build.sh bindings and commit the result."
            );
            drifted = true;
        }
        else
        {
            File.WriteAllText(output, wanted);
            Console.WriteLine($"Wrote {face.Output}.");
        }
    }
    return drifted ? 1 : 0;
}
catch (BindingsException failure)
{
    Console.Error.WriteLine(failure.Message);
    Console.Error.WriteLine(Usage);
    return 2;
}
