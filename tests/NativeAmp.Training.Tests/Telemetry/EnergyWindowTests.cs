using NativeAmp.Telemetry;

namespace NativeAmp.Training.Tests.Telemetry;

public class EnergyWindowTests
{
    private readonly FakeTime _time = new();
    private readonly Dictionary<string, double> _values = [];
    private readonly Dictionary<string, string> _missing = [];
    private TelemetrySampler _sampler = null!;

    [SetUp]
    public void MakeSampler()
    {
        _values.Clear();
        _missing.Clear();
        _time.Now = TimeSpan.FromSeconds(5);
        _sampler = new TelemetrySampler(
            [
                new FakeSource(reading =>
                {
                    foreach ((string name, double value) in _values)
                        reading.Add(name, value);
                    foreach ((string name, string reason) in _missing)
                        reading.NotAvailable(name, reason);
                }),
            ],
            TimeSpan.FromSeconds(1),
            _time
        );
    }

    [TearDown]
    public void DisposeSampler() => _sampler.Dispose();

    [Test]
    public void A_counter_is_read_at_both_ends_and_power_does_not_matter()
    {
        (_values["gpu.0.energyJoules"], _values["gpu.0.powerWatts"]) = (1000, 999);
        EnergyWindow window = _sampler.MeasureEnergy();
        Pass(4, joules: 1234.5);
        EnergyMeasurement energy = window.Stop().Single();
        Assert.That(
            energy,
            Is.EqualTo(new EnergyMeasurement("gpu.0", 234.5, EnergyMethod.Counter, TimeSpan.FromSeconds(4), ""))
        );
        Pass(4, joules: 9999);
        Assert.That(window.Stop().Single(), Is.EqualTo(energy), "it ended");
    }

    // 2 s from 100 to 200 W are 300 J, 1 s from 200 to 100 W 150 J.
    [Test]
    public void Without_a_counter_power_is_added_up_by_trapezoids()
    {
        (_values["gpu.0.powerWatts"], _missing["gpu.0.energyJoules"]) = (100, "Not Supported (3)");
        _sampler.SampleNow();
        Pass(100, watts: 100);
        EnergyWindow window = _sampler.MeasureEnergy();
        Pass(2, watts: 200);
        _sampler.SampleNow();
        Pass(1, watts: 100);
        EnergyMeasurement energy = window.Stop().Single();
        Assert.That(
            energy,
            Is.EqualTo(
                new EnergyMeasurement("gpu.0", 450, EnergyMethod.Power, TimeSpan.FromSeconds(3), "Not Supported (3)")
            )
        );
    }

    [Test]
    public void A_counter_that_went_back_is_not_believed()
    {
        (_values["gpu.0.energyJoules"], _values["gpu.0.powerWatts"]) = (1000, 50);
        EnergyWindow window = _sampler.MeasureEnergy();
        Pass(2, joules: 10);
        Assert.That(
            window.Stop().Single(),
            Is.EqualTo(
                new EnergyMeasurement(
                    "gpu.0",
                    100,
                    EnergyMethod.Power,
                    TimeSpan.FromSeconds(2),
                    "the counter of energy went back"
                )
            )
        );
    }

    [Test]
    public void A_source_that_is_gone_at_the_end_has_no_energy_and_says_why()
    {
        (_values["gpu.0.energyJoules"], _values["gpu.0.powerWatts"], _missing["cpu.energyJoules"]) = (
            1,
            100,
            "no RAPL"
        );
        EnergyWindow window = _sampler.MeasureEnergy();
        _values.Clear();
        _missing["gpu.0.energyJoules"] = "GPU is lost (15)";
        Pass(1);
        Assert.That(
            window.Stop(),
            Is.EqualTo(
                new[]
                {
                    new EnergyMeasurement("cpu", null, EnergyMethod.None, TimeSpan.FromSeconds(1), "no RAPL"),
                    new EnergyMeasurement(
                        "gpu.0",
                        null,
                        EnergyMethod.None,
                        TimeSpan.FromSeconds(1),
                        "GPU is lost (15)"
                    ),
                }
            )
        );
    }

    private void Pass(double seconds, double? joules = null, double? watts = null)
    {
        _time.Now += TimeSpan.FromSeconds(seconds);
        if (joules is { } counter)
            _values["gpu.0.energyJoules"] = counter;
        if (watts is { } power)
            _values["gpu.0.powerWatts"] = power;
    }
}
