using System.Buffers.Binary;
using System.IO.Compression;

namespace NativeAmp.Training.Tests.Data;

/// <summary>Writes IDX files for tests.</summary>
internal static class Idx
{
    public static byte[] Bytes(int[] shape, ReadOnlySpan<byte> data)
    {
        byte[] bytes = new byte[4 + 4 * shape.Length + data.Length];
        bytes[2] = 8;
        bytes[3] = (byte)shape.Length;
        for (int i = 0; i < shape.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4 + 4 * i), shape[i]);
        data.CopyTo(bytes.AsSpan(4 + 4 * shape.Length));
        return bytes;
    }

    public static byte[] Gzip(byte[] content)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest))
            gzip.Write(content);
        return memory.ToArray();
    }

    /// <summary>
    /// A tiny data set in Fashion-MNIST's four files. The label determines the bright part, so that it can be learned.
    /// </summary>
    public static void WriteTinyMnist(string folder, int train, int test, int seed)
    {
        Directory.CreateDirectory(folder);
        var random = new Random(seed);
        Write("train", train);
        Write("t10k", test);

        void Write(string name, int count)
        {
            byte[] images = new byte[count * 784];
            byte[] labels = new byte[count];
            random.NextBytes(images);
            for (int i = 0; i < count; i++)
            {
                labels[i] = (byte)random.Next(10);
                images.AsSpan(i * 784 + labels[i] * 56, 56).Fill(255);
            }

            File.WriteAllBytes(
                Path.Combine(folder, name + "-images-idx3-ubyte.gz"),
                Gzip(Bytes([count, 28, 28], images))
            );
            File.WriteAllBytes(Path.Combine(folder, name + "-labels-idx1-ubyte"), Bytes([count], labels));
        }
    }
}
