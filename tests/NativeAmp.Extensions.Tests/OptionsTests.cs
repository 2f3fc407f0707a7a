using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace NativeAmp.Extensions.Tests;

/// <summary>Options come from the configuration, and what is wrong with them is said when the host starts.</summary>
internal sealed class OptionsTests
{
    [Test]
    public void Every_default_is_valid()
    {
        using ServiceProvider services = Services();
        Assert.That(services.GetRequiredService<PrecisionPolicy>(), Is.EqualTo(PrecisionPolicy.Float32));
        Assert.That(services.GetRequiredService<GradScalerOptions>(), Is.EqualTo(GradScalerOptions.Disabled));
    }

    [Test]
    public void Options_are_those_of_the_configuration()
    {
        using ServiceProvider services = Services(
            ("Device", "cpu"),
            ("Threads", "1"),
            ("Precision", "float16"),
            ("LossScaling:Preset", "deepspeed"),
            ("LossScaling:InitialScale", "1024"),
            ("LossScaling:GrowthFactor", "4"),
            ("LossScaling:BackoffFactor", "0.25"),
            ("LossScaling:GrowthInterval", "7"),
            ("LossScaling:MinimumScale", "2"),
            ("LossScaling:MaximumScale", "65536"),
            ("LossScaling:Hysteresis", "3"),
            ("LossScaling:MaximumConsecutiveSkips", "9")
        );
        Device device = services.GetRequiredService<Device>();
        Assert.That((device.Kind, device.Threads), Is.EqualTo((DeviceKind.Cpu, 1)));
        Assert.That(services.GetRequiredService<PrecisionPolicy>(), Is.EqualTo(PrecisionPolicy.Float16));
        Assert.That(
            services.GetRequiredService<GradScalerOptions>(),
            Is.EqualTo(
                GradScalerOptions.DeepSpeed with
                {
                    InitialScale = 1024,
                    GrowthFactor = 4,
                    BackoffFactor = 0.25,
                    GrowthInterval = 7,
                    MinimumScale = 2,
                    MaximumScale = 65536,
                    Hysteresis = 3,
                    MaximumConsecutiveSkips = 9,
                }
            )
        );
    }

    [TestCase("float32", "params=float32,compute=float32,loss=float32")]
    [TestCase("BFloat16", "params=float32,compute=bfloat16,loss=float32")]
    [TestCase("O1", "params=float32,compute=float16,loss=float32")]
    [TestCase("params=float32,compute=float16,loss=float32", "params=float32,compute=float16,loss=float32")]
    public void A_precision_is_a_type_or_a_policy(string text, string policy) =>
        Assert.That(
            new NativeAmpOptions { Precision = text }.ToPrecisionPolicy(),
            Is.EqualTo(PrecisionPolicy.Parse(policy))
        );

    [Test]
    public void Scaling_follows_the_precision_unless_it_is_asked_for()
    {
        Assert.That(Scaler("float16", null).Enabled, Is.True);
        Assert.That(Scaler("bfloat16", null).Enabled, Is.False);
        Assert.That(Scaler("bfloat16", true).Enabled, Is.True);
        Assert.That(Scaler("float16", false).Enabled, Is.False);

        static GradScalerOptions Scaler(string precision, bool? enabled) =>
            new NativeAmpOptions
            {
                Precision = precision,
                LossScaling = new LossScalingOptions { Enabled = enabled },
            }.ToGradScalerOptions();
    }

    [TestCase("Device", "gpu", "Device: 'gpu' is no device: write auto, cpu, cuda, or cuda:1")]
    [TestCase("Device", "cuda:-1", "'cuda:-1' is no device")]
    [TestCase("Device", "", "'' is no device")]
    [TestCase("Threads", "-1", "Threads: -1 is no number of threads: 1 to 1024, or 0")]
    [TestCase("Threads", "1025", "Threads: 1025 is no number")]
    [TestCase("Precision", "fp8", "Precision: 'fp8' in the precision policy")]
    [TestCase("MinimumFreeMemory", "-1", "MinimumFreeMemory: -1 bytes")]
    [TestCase(
        "LossScaling:Preset",
        "Tensorflow",
        "LossScaling: 'Tensorflow' is no preset of loss scaling; there are Py"
    )]
    [TestCase("LossScaling:InitialScale", "-2", "LossScaling: The InitialScale of a gradient scaler is -2")]
    [TestCase("LossScaling:BackoffFactor", "2", "LossScaling: The BackoffFactor of a gradient scaler is 2")]
    public void A_host_does_not_start_with_what_is_not_possible(string key, string value, string message)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection([new(key, value), new("LossScaling:Enabled", "true")]);
        builder.Services.AddNativeAmp(builder.Configuration);
        using IHost host = builder.Build();
        Assert.That(
            () => host.StartAsync(),
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains(message)
        );
    }

    [Test]
    public void Everything_wrong_is_said_at_once()
    {
        using ServiceProvider services = Services(("Device", "gpu"), ("Threads", "-1"), ("Precision", "fp8"));
        var e = Assert.Throws<OptionsValidationException>(() => services.GetRequiredService<Device>());
        Assert.That(e.Failures.Count(), Is.EqualTo(3));
    }

    [Test]
    public void A_missing_GPU_is_the_device_s_own_error()
    {
        using ServiceProvider services = Services(("Device", "cuda:99"));
        Assert.That(() => services.GetRequiredService<Device>(), Throws.InstanceOf<NativeAmpException>());
    }

    [Test]
    public void The_device_is_one_and_is_closed_with_the_services()
    {
        ServiceProvider services = Services(("Device", "cpu"));
        Device device = services.GetRequiredService<Device>();
        using (IServiceScope scope = services.CreateScope())
            Assert.That(scope.ServiceProvider.GetRequiredService<Device>(), Is.SameAs(device));
        Assert.That(device.Info.Threads, Is.Positive);
        services.Dispose();
        Assert.That(() => device.Info, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Options_can_be_set_by_code()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddNativeAmp(options => options.Precision = "bfloat16")
            .BuildServiceProvider();
        Assert.That(services.GetRequiredService<PrecisionPolicy>(), Is.EqualTo(PrecisionPolicy.BFloat16));
    }

    private static ServiceProvider Services(params (string Key, string Value)[] values) =>
        new ServiceCollection()
            .AddNativeAmp(
                new ConfigurationBuilder()
                    .AddInMemoryCollection(values.Select(v => KeyValuePair.Create(v.Key, (string?)v.Value)))
                    .Build()
            )
            .BuildServiceProvider();
}
