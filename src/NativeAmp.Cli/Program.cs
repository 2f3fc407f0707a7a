using System.CommandLine;

var root = new RootCommand("Mixed-precision training for .NET.");
return root.Parse(args).Invoke();
