using System.Runtime.CompilerServices;

// Every signature is blittable, so that a call copies and allocates nothing on the way.
[assembly: DisableRuntimeMarshalling]
