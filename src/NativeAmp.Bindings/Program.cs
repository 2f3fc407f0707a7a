// nativeamp.h -> NativeMethods.g.cs. With --check nothing is written: exit code 1 means that the committed file has
// drifted.
using NativeAmp.Bindings;

const string Usage = "usage: NativeAmp.Bindings [--check] [--header FILE] [--output FILE]";

try
{
    var options = Options.Parse(args);
    string wanted = CSharpWriter.Write(ClangHeaderReader.Read(options.Header));
    string found = File.Exists(options.Output) ? File.ReadAllText(options.Output) : "";
    if (found.Replace("\r\n", "\n", StringComparison.Ordinal) == wanted)
    {
        Console.WriteLine($"{options.Output} agrees with {options.Header}.");
        return 0;
    }
    if (options.Check)
    {
        Console.Error.WriteLine(
            $"{options.Output} has drifted from {options.Header}: run ./build.sh bindings and commit the result."
        );
        return 1;
    }
    File.WriteAllText(options.Output, wanted);
    Console.WriteLine($"Wrote {options.Output}.");
    return 0;
}
catch (BindingsException failure)
{
    Console.Error.WriteLine(failure.Message);
    Console.Error.WriteLine(Usage);
    return 2;
}
