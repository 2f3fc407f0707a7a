namespace NativeAmp.Tests;

/// <summary>
/// The loss-scale rule of each framework, each written independently from its newest release. None grows to infinity,
/// which some of the originals do.
/// </summary>
internal abstract class ScalerOracle
{
    public double Scale { get; protected set; }

    /// <summary>Whether the last update ends the run in that framework.</summary>
    public bool Raises { get; protected set; }

    public abstract void Update(bool overflow);

    /// <summary>
    /// torch/amp/grad_scaler.py; Keras 3's LossScaleOptimizer is the same with another initial scale.
    /// </summary>
    public sealed class Torch : ScalerOracle
    {
        private int _good;

        public Torch(double start) => Scale = start;

        public override void Update(bool overflow)
        {
            if (overflow)
            {
                Scale = (float)(Scale * 0.5);
                _good = 0;
            }
            else if (++_good == 2000)
            {
                if (float.IsFinite((float)(Scale * 2)))
                    Scale *= 2;
                _good = 0;
            }
        }
    }

    /// <summary>megatron/core/optimizer/grad_scaler.py, DynamicGradScaler.</summary>
    public sealed class Megatron : ScalerOracle
    {
        private int _growth;
        private int _hysteresis = 2;

        public Megatron(double start) => Scale = start;

        public override void Update(bool overflow)
        {
            if (overflow)
            {
                _growth = 0;
                _hysteresis--;
                if (_hysteresis <= 0)
                    Scale = Math.Max(Scale * 0.5, 1);
                return;
            }
            _growth++;
            if (_growth < 1000)
                return;
            _growth = 0;
            _hysteresis = 2;
            if (Scale * 2 <= float.MaxValue)
                Scale *= 2;
        }
    }

    /// <summary>
    /// DeepSpeed 0.19.6, deepspeed/runtime/fp16/loss_scaler.py, DynamicLossScaler: by the good iterations between this
    /// and the last overflow.
    /// </summary>
    public sealed class DeepSpeed : ScalerOracle
    {
        private int _iteration;
        private int _lastOverflow = -1;
        private int _hysteresis = 2;

        public DeepSpeed(double start) => Scale = start;

        public override void Update(bool overflow)
        {
            Raises = overflow && _hysteresis == 1 && Scale == 1;
            int between = _iteration - _lastOverflow - 1;
            if (overflow)
            {
                if (_hysteresis == 1)
                    Scale = Math.Max(Scale / 2, 1);
                else
                    _hysteresis--;
                _lastOverflow = _iteration;
            }
            else if (between > 0 && between % 1000 == 0)
            {
                _hysteresis = 2;
                if (Scale * 2 <= float.MaxValue)
                    Scale *= 2;
            }
            _iteration++;
        }
    }

    /// <summary>mindspore/train/loss_scale_manager.py, DynamicLossScaleManager.</summary>
    public sealed class MindSpore : ScalerOracle
    {
        private int _current = 1;
        private int _lastOverflow;
        private int _bad;

        public MindSpore(double start) => Scale = start;

        public override void Update(bool overflow)
        {
            if (overflow)
            {
                Scale = Math.Max(Scale / 2, 1);
                _lastOverflow = _current;
                _bad++;
            }
            else
            {
                if ((_current - _lastOverflow) % 2000 == 0 && Scale * 2 <= float.MaxValue)
                    Scale *= 2;
                _bad = 0;
            }
            Raises = _bad > 1000;
            _current++;
        }
    }
}
