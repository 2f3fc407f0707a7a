using NativeAmp.Cli;
using NativeAmp.Cli.Output;

using Utf8Console encoding = Utf8Console.Begin();
Terminal terminal = Terminal.OfProcess();
return CommandRunner.Run(CommandTree.Build(terminal), args, terminal);
