using CsCheck;

namespace NativeAmp.Tests;

public sealed class PrecisionPolicyTests
{
    [Test]
    public void A_policy_reads_as_it_is_written()
    {
        var policy = PrecisionPolicy.Parse("params=float32,compute=float16,loss=float32");
        Assert.That(
            (policy.Parameters, policy.Compute, policy.Loss),
            Is.EqualTo((DType.Float32, DType.Float16, DType.Float32))
        );
        Assert.That(policy.ToString(), Is.EqualTo("params=float32,compute=float16,loss=float32"));
        Assert.That(PrecisionPolicy.Parse(" Compute = BF16 "), Is.EqualTo(PrecisionPolicy.BFloat16));
        Assert.That(PrecisionPolicy.Parse(" Float16 "), Is.EqualTo(PrecisionPolicy.Float16));
        Assert.That(PrecisionPolicy.Parse("float32"), Is.EqualTo(PrecisionPolicy.Float32));
    }

    [Test]
    public void Every_policy_comes_back_from_its_text()
    {
        string[] names =
        [
            .. OperatorLists
                .Default.Keys.Except([
                    "cross_entropy",
                    "mse_loss",
                    "l1_loss",
                    "smooth_l1_loss",
                    "binary_cross_entropy_with_logits",
                ])
                .Order(StringComparer.Ordinal),
        ];
        var anyPolicy = Gen.Select(
                Gen.Int[0, 2],
                Gen.Select(Gen.Int[0, names.Length - 1], Gen.Enum<OperatorPrecision>()).List[0, 8]
            )
            .Select(
                (compute, changes) =>
                    changes.Aggregate(
                        PrecisionPolicy.Float32.WithCompute(Sizes.FloatingPoint[compute]),
                        (p, c) => p.WithOperator(names[c.Item1], c.Item2)
                    )
            );

        anyPolicy.Sample(
            policy =>
            {
                var back = PrecisionPolicy.Parse(policy.ToString());
                return back == policy
                    && back.GetHashCode() == policy.GetHashCode()
                    && names.All(n => back.PrecisionOf(n) == policy.PrecisionOf(n));
            },
            iter: 2000,
            seed: "0000KDGOoLD5"
        );
    }

    [Test]
    public void The_levels_of_Apex_and_MindSpore_are_known_by_name()
    {
        var (o0, o1, o2, o3) = (
            PrecisionPolicy.Parse("O0"),
            PrecisionPolicy.Parse("o1"),
            PrecisionPolicy.Parse("O2"),
            PrecisionPolicy.Parse("O3")
        );
        Assert.That(
            new[] { o0, o1, o2, o3 }.Select(p => p.TypeOf("linear", DType.Float32)),
            Is.EqualTo(new[] { DType.Float32, DType.Float16, DType.Float16, DType.Float16 })
        );
        Assert.That(
            new[] { o0, o1, o2, o3 }.Select(p => p.TypeOf("softmax", DType.Float16)),
            Is.EqualTo(new[] { DType.Float32, DType.Float32, DType.Float16, DType.Float16 })
        );
        Assert.That(
            new[] { o0, o1, o2, o3 }.Select(p => p.TypeOf("layer_norm", DType.Float16)),
            Is.EqualTo(new[] { DType.Float32, DType.Float32, DType.Float32, DType.Float16 })
        );
        Assert.That(
            new[] { o0, o1, o2, o3 }.Select(p => p.TypeOf("cross_entropy", DType.Float16)),
            Is.All.EqualTo(DType.Float32)
        );
    }

    [TestCase("", "empty")]
    [TestCase("compute", "name=type")]
    [TestCase("int32", "name=type")]
    [TestCase("compute=float8", "'float8'")]
    [TestCase("compute=int32", "'int32'")]
    [TestCase("compute=float16,compute=float16", "twice")]
    [TestCase("params=float16,compute=float16", "keeps parameters in float32")]
    [TestCase("compute=float16,loss=float16", "losses in float32")]
    [TestCase("params=float32", "does not say compute")]
    [TestCase("compute=float16,sotfmax=compute", "'sotfmax'")]
    [TestCase("compute=float16,softmax=quick", "'quick'")]
    [TestCase("compute=float16,cross_entropy=compute", "is a loss")]
    [TestCase("compute=float16,", "name=type")]
    public void What_is_no_policy_is_refused_with_the_reason(string text, string reason)
    {
        Assert.That(
            () => PrecisionPolicy.Parse(text),
            Throws.InstanceOf<FormatException>().With.Message.Contains(reason)
        );
        Assert.That(PrecisionPolicy.TryParse(text, out _, out string? error), Is.False);
        Assert.That(error, Does.Contain(reason));
    }

    [Test]
    public void Any_text_is_a_policy_or_a_format_error() =>
        Gen.String[Gen.Char["params=float16,compute=losx O123"], 0, 40]
            .Sample(
                text =>
                {
                    bool read = PrecisionPolicy.TryParse(text, out var policy, out string? error);
                    return read ? policy is not null : error!.Length > 0;
                },
                iter: 20_000,
                seed: "0000KDGOoLD5"
            );
}
