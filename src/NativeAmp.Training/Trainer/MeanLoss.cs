namespace NativeAmp.Training;

/// <summary>Mean of finite losses.</summary>
internal sealed class MeanLoss
{
    private double _sum;
    private long _count;

    public void Add(float loss)
    {
        if (!float.IsFinite(loss))
            return;
        _sum += loss;
        _count++;
    }

    public double TakeMean()
    {
        double mean = _count == 0 ? double.NaN : _sum / _count;
        (_sum, _count) = (0, 0);
        return mean;
    }
}
