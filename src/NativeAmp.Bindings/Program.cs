Console.Error.WriteLine("The generator is being written.");
return 1;
