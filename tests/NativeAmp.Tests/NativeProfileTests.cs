namespace NativeAmp.Tests;

// The profile covers the process, including tests that run at the same time.
[NonParallelizable]
public class NativeProfileTests
{
    [Test]
    public unsafe void Functions_are_listed_with_their_calls_the_most_expensive_first()
    {
        using Device device = Device.Cpu(1);
        float[] values = new float[1 << 20];
        Half[] halves = new Half[values.Length];
        NativeProfile.Start();
        try
        {
            fixed (float* from = values)
            fixed (Half* to = halves)
            {
                for (int i = 0; i < 4; i++)
                    AmpKernels.Cast(
                        device,
                        new TensorCell((nint)to, DType.Float16),
                        new TensorCell((nint)from, DType.Float32),
                        values.Length
                    );
            }
        }
        finally
        {
            NativeProfile.Stop();
        }

        IReadOnlyList<ProfileEntry> profile = NativeProfile.Read();
        ProfileEntry cast = profile.Single(entry => entry.Function == "namp_cast");
        Assert.That(cast.Calls, Is.EqualTo(4));
        Assert.That(cast.Time, Is.GreaterThan(TimeSpan.Zero));
        Assert.That(profile.Select(entry => entry.Time), Is.Ordered.Descending);
    }
}
