namespace NativeAmp.Training.Export;

/// <summary>Matrices as formats have them.</summary>
internal static class Matrices
{
    /// <summary>The elements of a matrix [rows, columns] as [columns, rows].</summary>
    public static T[] Transpose<T>(T[] values, long rows, long columns)
    {
        var transposed = new T[values.Length];
        for (long row = 0; row < rows; row++)
        {
            for (long column = 0; column < columns; column++)
                transposed[column * rows + row] = values[row * columns + column];
        }

        return transposed;
    }
}
