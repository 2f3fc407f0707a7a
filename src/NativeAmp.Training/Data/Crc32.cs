using System.Buffers.Binary;

namespace NativeAmp.Training.Data;

/// <summary>
/// The CRC-32 of gzip and PNG (RFC 1952: polynomial 0xEDB88320, reflected), eight bytes at a time by tables.
/// </summary>
internal struct Crc32
{
    private const int Slices = 8;
    private static readonly uint[][] Tables = MakeTables();

    private uint _inverse; // of the register, so that the default value is right

    /// <summary>The CRC of the bytes so far.</summary>
    public readonly uint Value => _inverse;

    /// <summary>Adds bytes.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~_inverse;
        uint[][] tables = Tables;
        for (; bytes.Length >= Slices; bytes = bytes[Slices..])
        {
            uint low = crc ^ BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            uint high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            crc =
                tables[7][low & 0xFF]
                ^ tables[6][(low >> 8) & 0xFF]
                ^ tables[5][(low >> 16) & 0xFF]
                ^ tables[4][low >> 24]
                ^ tables[3][high & 0xFF]
                ^ tables[2][(high >> 8) & 0xFF]
                ^ tables[1][(high >> 16) & 0xFF]
                ^ tables[0][high >> 24];
        }

        foreach (byte value in bytes)
            crc = (crc >> 8) ^ tables[0][(crc ^ value) & 0xFF];
        _inverse = ~crc;
    }

    private static uint[][] MakeTables()
    {
        var tables = new uint[Slices][];
        for (int slice = 0; slice < Slices; slice++)
        {
            tables[slice] = new uint[256];
            for (uint i = 0; i < 256; i++)
            {
                uint value = slice == 0 ? i : tables[slice - 1][i];
                for (int bit = 0; bit < 8; bit++)
                    value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320 : 0);
                tables[slice][i] = value;
            }
        }

        return tables;
    }
}
