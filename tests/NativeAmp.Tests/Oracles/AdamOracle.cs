namespace NativeAmp.Tests;

/// <summary>
/// Adam in double, by the papers (Kingma and Ba 2015, Loshchilov and Hutter 2019, Reddi et al. 2018), one element at a
/// time.
/// </summary>
internal sealed class AdamOracle(double[] parameters, AdamOptions options)
{
    private readonly double[] _m = new double[parameters.Length];
    private readonly double[] _v = new double[parameters.Length];
    private readonly double[] _largest = new double[parameters.Length];
    private int _step;

    public double[] Parameters { get; } = [.. parameters];

    public double[] First => _m;

    public double[] Second => _v;

    public void Step(double[] gradients)
    {
        _step++;
        for (int i = 0; i < Parameters.Length; i++)
        {
            double g = options.Maximize ? -gradients[i] : gradients[i];
            double decay = options.WeightDecay * Parameters[i];
            if (options.Decoupled)
                Parameters[i] -= options.LearningRate * decay;
            else
                g += decay;
            _m[i] = options.Beta1 * _m[i] + (1 - options.Beta1) * g;
            _v[i] = options.Beta2 * _v[i] + (1 - options.Beta2) * g * g;
            _largest[i] = Math.Max(_largest[i], _v[i]);
            double mHat = _m[i] / (1 - Math.Pow(options.Beta1, _step));
            double vHat = (options.AmsGrad ? _largest[i] : _v[i]) / (1 - Math.Pow(options.Beta2, _step));
            Parameters[i] -= options.LearningRate * mHat / (Math.Sqrt(vHat) + options.Epsilon);
        }
    }
}
