using System.Runtime.CompilerServices;

// Every signature is blittable, so that a call is a call and nothing is copied or allocated on the way.
[assembly: DisableRuntimeMarshalling]
