using NativeAmp.Interop;

namespace NativeAmp.Tests;

/// <summary>The messages of a driver's failures, and their effects.</summary>
public sealed class FailingGpuTests
{
    [SetUp]
    public void Require() => EmulatedGpu.Require();

    [TearDown]
    public void Forget() => EmulatedGpu.FailNone();

    [TestCase(46, "compute mode")]
    [TestCase(200, "Update NVIDIA's driver")]
    [TestCase(218, "report it with the log")]
    [TestCase(221, "NVIDIA_DRIVER_CAPABILITIES=compute,utility")]
    [TestCase(223, "CUDA_DISABLE_PTX_JIT")]
    [TestCase(304, "limits of the container")]
    [TestCase(702, "TdrDelay")]
    public void An_image_that_is_not_loaded_says_what_to_do(int code, string advice)
    {
        using var device = Device.Cuda();
        using var values = device.Allocate<float>([1]);
        using var halves = device.Allocate(DType.Float16, 1);
        EmulatedGpu.Fail("cuModuleLoadDataEx", 1, code);
        EmulatedGpu.Fail("cuModuleLoadDataEx", 2, code); // where nvcc made the first image, clang's PTX is tried next

        Assert.That(
            () => AmpKernels.Cast(device, halves.ToCell(), values.ToCell(), 1),
            Throws
                .InstanceOf<NativeAmpDeviceException>()
                .With.Message.Contains("cuModuleLoadDataEx")
                .And.Message.Contains(advice)
        );
    }

    [Test]
    public void The_best_device_is_one_that_opens()
    {
        EmulatedGpu.Fail("cuDevicePrimaryCtxRetain", 1, 46);
        using (var device = Device.Best(out string reason))
        {
            Assert.That(
                device.Kind,
                Is.EqualTo(Device.Available(DeviceKind.Cuda).Count > 1 ? DeviceKind.Cuda : DeviceKind.Cpu)
            );
            Assert.That(reason, Does.StartWith("CUDA device 0: cuDevicePrimaryCtxRetain failed").And.Contains("(46"));
        }
        EmulatedGpu.FailNone();
        using (var device = Device.Best(out string reason))
        {
            Assert.That(device.Kind, Is.EqualTo(DeviceKind.Cuda));
            Assert.That(reason, Is.Empty);
        }
    }

    // cuBLAS lacks the memory that the cache keeps.
    [TestCase("cublasCreate")]
    [TestCase("cublasGemmStridedBatchedEx")]
    public void A_cuBLAS_that_lacks_memory_gets_what_the_cache_keeps_and_a_second_try(string function)
    {
        const int AllocFailed = 3;
        using var device = Device.Cuda();
        device.Allocate(DType.Float32, 1 << 20).Dispose();
        using var one = device.Allocate<float>([3]);
        Assert.That(device.MemoryStatistics.CachedBytes, Is.GreaterThanOrEqualTo(4 << 20));

        EmulatedGpu.Fail(function, 1, AllocFailed);
        Assert.That(Squared(device, one), Is.EqualTo(9));
        Assert.That(device.MemoryStatistics.CachedBytes, Is.LessThan(4 << 20));

        using var other = Device.Cuda();
        using var two = other.Allocate<float>([2]);
        EmulatedGpu.Fail(function, 1, AllocFailed);
        EmulatedGpu.Fail(function, 2, AllocFailed);
        Assert.That(
            () => Squared(other, two),
            Throws.InstanceOf<DeviceOutOfMemoryException>().With.Message.Contains(function)
        );
        Assert.That(Squared(other, two), Is.EqualTo(4), "it is asked for again");
    }

    [TestCase("cublasCreate", "cublasCreate gave CUBLAS_STATUS_NOT_INITIALIZED (1)")]
    [TestCase("cublasSetMathMode", "cublasSetMathMode gave CUBLAS_STATUS_NOT_INITIALIZED (1)")]
    public void A_cuBLAS_that_does_not_start_leaves_the_product_to_the_own_kernel(string function, string reason)
    {
        EmulatedGpu.Fail(function, 1, 1);
        using var device = Device.Cuda();
        using var one = device.Allocate<float>([3]);
        EmulatedGpu.ResetCounters();

        Assert.That(Squared(device, one), Is.EqualTo(9));
        Assert.That(EmulatedGpu.Counters.Gemms, Is.Zero);
        Assert.That(device.Info.Libraries, Does.Contain("no cuBLAS, own GEMM (tried ").And.Contain(reason));
        Assert.That(
            NativeAmpRuntime.SearchFor(VendorLibrary.Cublas).Single(),
            Is.EqualTo(new NativeLibraryAttempt(EmulatedGpu.Cublas, reason))
        );
    }

    [Test]
    public void A_product_is_measured_once_where_that_is_wanted()
    {
        using var device = Device.Cuda();
        using var two = device.Allocate<float>([2]);
        Assert.That((device.MeasuresProducts, Squared(device, two)), Is.EqualTo((false, 4f)));
        device.MeasuresProducts = true;
        EmulatedGpu.ResetCounters();
        Assert.That(Squared(device, two), Is.EqualTo(4));
        ulong measured = EmulatedGpu.Counters.Gemms;
        EmulatedGpu.ResetCounters();
        Assert.That(Squared(device, two), Is.EqualTo(4));
        Assert.That(measured - EmulatedGpu.Counters.Gemms, Is.EqualTo(6));
        device.MeasuresProducts = false;
        Assert.That(device.MeasuresProducts, Is.False);
    }

    [Test]
    public void TF32_is_taken_where_it_is_allowed_and_nowhere_else()
    {
        const float Number = 1 + 1f / 4096; // TF32 rounds it to 1
        using var device = Device.Cuda();
        using var one = device.Allocate<float>([Number]);
        Assert.That(device.AllowTf32, Is.False);
        Assert.That(Squared(device, one), Is.EqualTo(Number * Number));
        device.AllowTf32 = true;
        Assert.That(Squared(device, one), Is.EqualTo(1));
        device.AllowTf32 = false;
        Assert.That(Squared(device, one), Is.EqualTo(Number * Number));
    }

    private static unsafe float Squared(Device device, DeviceBuffer one)
    {
        using var result = device.Allocate(DType.Float32, 1);
        var args = NampGemmArgs.Create();
        args.M = args.N = args.K = args.Lda = args.Ldb = args.Ldc = 1;
        args.Batch = 1;
        args.Alpha = 1;
        args.ADtype = args.BDtype = args.CDtype = (int)DType.Float32;
        args.A = args.B = (void*)one.Pointer;
        args.C = (void*)result.Pointer;
        Ensure.Success(NativeMethods.Gemm(device.Native, &args, null));
        return result.ToArray<float>()[0];
    }
}
