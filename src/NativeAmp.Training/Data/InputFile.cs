namespace NativeAmp.Training.Data;

/// <summary>
/// Opens an input that the user names, of any kind. A pipe is read to its end first, and so is a file without a length
/// (/proc), because readers need a length and seek.
/// </summary>
internal static class InputFile
{
    /// <summary>The most bytes that are read of a pipe: the size of an array.</summary>
    public static readonly long MostOfPipe = Array.MaxLength;

    // A stream with positions but no length is a small file of /proc, or an endless device.
    private const long MostOfDevice = 64 << 20;
    private const int FirstBuffer = 1 << 16;

    /// <summary>Opens a file for reading, as a stream with a length and positions.</summary>
    /// <exception cref="DataFormatException">It is a folder, or a pipe or device with more than fits.</exception>
    /// <exception cref="IOException">It cannot be opened or read, for lack of permission too.</exception>
    public static Stream Open(string path)
    {
        FileStream file = OpenAny(path);
        try
        {
            if (file.CanSeek && file.Length > 0)
                return file;
            byte[] bytes = ReadToEnd(path, file, file.CanSeek ? MostOfDevice : MostOfPipe);
            file.Dispose();
            return new MemoryStream(bytes, writable: false);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads all bytes of a file or pipe.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">The largest number of bytes allowed.</param>
    /// <exception cref="DataFormatException">It is a folder, or holds more.</exception>
    /// <exception cref="IOException">It cannot be opened or read, for lack of permission too.</exception>
    public static byte[] ReadAll(string path, long most)
    {
        using FileStream file = OpenAny(path);
        if (!file.CanSeek || file.Length == 0)
            return ReadToEnd(path, file, file.CanSeek ? Math.Min(most, MostOfDevice) : most);
        if (file.Length > most)
            throw new DataFormatException(path, 0, $"{file.Length} bytes", $"at most {most}");
        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)file.Length);
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Reads the rest of a stream.</summary>
    /// <param name="name">Its name in messages.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="most">The largest number of bytes allowed.</param>
    /// <exception cref="DataFormatException">It holds more.</exception>
    public static byte[] ReadToEnd(string name, Stream stream, long most)
    {
        byte[] bytes = new byte[Math.Min(most, FirstBuffer)];
        int filled = 0;
        while (true)
        {
            int read = stream.ReadAtLeast(bytes.AsSpan(filled), bytes.Length - filled, throwOnEndOfStream: false);
            filled += read;
            if (filled < bytes.Length)
                break;
            if (filled == most)
            {
                if (stream.ReadByte() >= 0)
                    throw new DataFormatException(name, most, "more bytes", $"at most {most}");
                break;
            }

            Array.Resize(ref bytes, (int)Math.Min(most, 2L * filled));
        }

        Array.Resize(ref bytes, filled);
        return bytes;
    }

    private static FileStream OpenAny(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (UnauthorizedAccessException e)
        {
            throw Directory.Exists(path)
                ? new DataFormatException(path, 0, "a folder", "a file", e)
                : new IOException(e.Message, e); // an IOException, like every other failure to open
        }
    }
}
