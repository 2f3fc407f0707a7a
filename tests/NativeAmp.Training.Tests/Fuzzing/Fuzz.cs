using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Fuzzing;

/// <summary>Seeded mutations of a good file. A reader must give a typed error or a result, in bounded memory.</summary>
internal static class Fuzz
{
    /// <summary>Number of mutations per test: 10,000 if NATIVEAMP_EXHAUSTIVE is 1.</summary>
    public static int Count => Exhaustive ? 10_000 : 500;

    public static bool Exhaustive => Environment.GetEnvironmentVariable("NATIVEAMP_EXHAUSTIVE") == "1";

    /// <summary>
    /// One to four of: a bit flipped, a byte replaced (often by an extreme), a run removed, doubled or zeroed, the end
    /// cut.
    /// </summary>
    public static byte[] Mutate(byte[] good, Random random)
    {
        List<byte> bytes = [.. good];
        int times = random.Next(1, 5);
        for (int i = 0; i < times && bytes.Count > 0; i++)
        {
            // Most decisions depend on the header: half of the mutations are in the first 64 bytes.
            int at = random.Next(random.Next(2) == 0 ? Math.Min(64, bytes.Count) : bytes.Count);
            int run = Math.Min(bytes.Count - at, random.Next(1, 17));
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes[at] = random.GetItems<byte>(
                        [0, 1, 0x7F, 0x80, 0xFF, (byte)'"', (byte)'{', (byte)']', (byte)'9'],
                        1
                    )[0];
                    break;
                case 3:
                    bytes.RemoveRange(at, run);
                    break;
                case 4:
                    bytes.InsertRange(at, bytes.GetRange(at, run));
                    break;
                case 5:
                    for (int j = at; j < at + run; j++)
                        bytes[j] = 0;
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>
    /// Feeds mutations to a reader. It may return or throw <see cref="DataFormatException"/>; anything else fails, and
    /// so does allocating more than <paramref name="allocationLimit"/> for one mutation.
    /// </summary>
    /// <param name="good">The file.</param>
    /// <param name="read">The reader.</param>
    /// <param name="allocationLimit">Bytes that it may allocate for one mutation.</param>
    /// <param name="share">Number of files that share the mutations.</param>
    /// <returns>The number of refused mutations.</returns>
    public static int Run(byte[] good, Action<byte[]> read, long allocationLimit, int share = 1)
    {
        var random = new Random(20_261_123);
        int refused = 0;
        for (int i = 0; i < Count / share; i++)
        {
            byte[] mutated = Mutate(good, random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                read(mutated);
            }
            catch (DataFormatException e)
            {
                refused++;
                Assert.That(e.Message, Is.Not.Empty);
            }
            catch (Exception e) when (e is not AssertionException)
            {
                Assert.Fail($"Mutation {i} (of {mutated.Length} bytes) escaped as {e}");
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.That(allocated, Is.LessThan(allocationLimit), $"mutation {i} allocated too much");
        }

        return refused;
    }
}
