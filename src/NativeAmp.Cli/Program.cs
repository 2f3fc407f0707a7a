using NativeAmp.Cli;
using NativeAmp.Cli.Output;

Terminal terminal = Terminal.OfProcess();
return CommandRunner.Run(CommandTree.Build(terminal), args, terminal);
