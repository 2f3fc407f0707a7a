using System.Collections.Concurrent;

namespace NativeAmp.Training;

/// <summary>
/// The sizes of a matrix product of an operator's forward pass. The backward pass multiplies the same three sizes in
/// another order.
/// </summary>
/// <param name="Operator">linear, matmul, conv2d or attention.</param>
/// <param name="DType">Dtype of its operands.</param>
/// <param name="M">Rows: samples times positions; for attention, positions of the query.</param>
/// <param name="N">Columns: outputs, or channels of a group; for attention, positions of the key.</param>
/// <param name="K">The dimension summed over: inputs, or a group's channels times the kernel's weights; for attention,
/// the width of a head.</param>
/// <param name="Batch">Number of such products: matrices, groups, heads.</param>
/// <param name="Channels">A convolution's input channels of a group; else <paramref name="K"/>.</param>
internal readonly record struct ProductShape(
    string Operator,
    DType DType,
    long M,
    long N,
    long K,
    long Batch,
    long Channels
);

/// <summary>
/// Counts the matrix products of operators between <see cref="Start"/> and <see cref="Stop"/>. Outside of that it costs
/// one comparison.
/// </summary>
internal static class ProductLog
{
    private static ConcurrentDictionary<ProductShape, long>? _counts;

    /// <summary>Begins to count, from zero.</summary>
    public static void Start() => _counts = [];

    /// <summary>Ends counting.</summary>
    /// <returns>Each product and its number of calls, those with the most arithmetic first; empty if counting had not
    /// begun.</returns>
    public static IReadOnlyList<(ProductShape Shape, long Calls)> Stop() =>
        [
            .. (Interlocked.Exchange(ref _counts, null) ?? [])
                .Select(pair => (pair.Key, pair.Value))
                .OrderByDescending(pair => (double)pair.Key.M * pair.Key.N * pair.Key.K * pair.Key.Batch * pair.Value)
                .ThenBy(pair => pair.Key.ToString(), StringComparer.Ordinal),
        ];

    /// <summary>Counts a product.</summary>
    public static void Note(string name, DType dtype, long m, long n, long k, long batch = 1, long? channels = null) =>
        _counts?.AddOrUpdate(new ProductShape(name, dtype, m, n, k, batch, channels ?? k), 1, (_, calls) => calls + 1);
}
