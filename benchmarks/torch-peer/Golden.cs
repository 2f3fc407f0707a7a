using System.Text.Json;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

/// <summary>Writes results of libtorch as JSON, for comparison with another implementation.</summary>
static partial class Golden
{
    static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    static float[] A(Tensor t) => t.detach().to_type(ScalarType.Float32).contiguous().data<float>().ToArray();

    static object T(Tensor t) => new { shape = t.shape, data = A(t) };

    static void Write(string dir, string name, object o) =>
        File.WriteAllText(Path.Combine(dir, name), JsonSerializer.Serialize(o, Json));

    public static void Run(string dir, int seed)
    {
        Directory.CreateDirectory(dir);
        torch.manual_seed(seed);
        var rng = new Random(seed);
        Write(dir, "adam.json", Adam(rng));
        Write(dir, "scaler.json", Scaler(rng));
        Write(dir, "unscale.json", Unscale(rng));
        Write(dir, "layers.json", Layers());
        Write(dir, "training.json", Training(rng));
        Write(dir, "amp_training.json", AmpTraining(rng));
        Write(dir, "sgd.json", Sgd(rng)); // last: the files before it keep the numbers that a seed gave them
    }

    static object Sgd(Random rng)
    {
        var cases = new List<object>();
        foreach (
            var (lr, momentum, dampening, nesterov, wd, maxi, gs) in new[]
            {
                (0.1, 0.0, 0.0, false, 0.0, false, (float?)null),
                (0.1, 0.0, 0.0, false, 0.05, true, null),
                (0.01, 0.9, 0.0, false, 0.0, false, null),
                (0.01, 0.9, 0.1, false, 1e-4, false, null),
                (0.02, 0.95, 0.0, true, 0.01, false, null),
                (0.02, 0.8, 0.0, true, 0.0, true, null),
                (0.01, 0.9, 0.5, false, 0.01, true, 1024f),
                (0.05, 0.99, 0.0, true, 0.001, false, 65536f),
            }
        )
        {
            const int n = 19,
                steps = 50;
            var p = torch.randn(n);
            var buffer = torch.zeros(n);
            bool first = true;
            var p0 = A(p);
            var grads = new List<float[]>();
            var after = new List<object>();
            var found = new List<int>();
            for (int s = 0; s < steps; s++)
            {
                var g = torch.randn(n) * (float)Math.Pow(10, rng.Next(-3, 1)) * (gs ?? 1f);
                int bad = s % 20 == 7 && gs != null ? 1 : 0;
                found.Add(bad);
                grads.Add(A(g));
                Script.Sgd(
                    [p],
                    [g],
                    momentum != 0 ? [buffer] : [],
                    wd,
                    momentum,
                    lr,
                    dampening,
                    nesterov,
                    maxi,
                    first && momentum != 0,
                    gs is null ? null : torch.full(1, gs.Value),
                    gs is null ? null : torch.full(1, (float)bad)
                );
                if (bad == 0)
                    first = false;
                after.Add(
                    s % 10 == 9 || s < 3
                        ? new { p = A(p), momentumBuffer = momentum != 0 ? A(buffer) : null }
                        : new { p = (float[]?)null, momentumBuffer = (float[]?)null }
                );
            }
            cases.Add(
                new
                {
                    lr,
                    momentum,
                    dampening,
                    nesterov,
                    weightDecay = wd,
                    maximize = maxi,
                    gradScale = gs,
                    foundInf = found,
                    p0,
                    grads,
                    after,
                }
            );
        }
        return new { source = "libtorch 2.10.0 CPU _fused_sgd_", cases };
    }

    static object Adam(Random rng)
    {
        var cases = new List<object>();
        foreach (var decoupled in new[] { false, true })
        foreach (
            var (wd, ams, maxi, gs, lr, b1, b2, eps) in new[]
            {
                (0.0, false, false, (float?)null, 1e-3, 0.9, 0.999, 1e-8),
                (0.01, false, false, null, 1e-3, 0.9, 0.999, 1e-8),
                (0.1, false, true, null, 3e-4, 0.9, 0.95, 1e-8),
                (0.01, true, false, null, 1e-2, 0.9, 0.999, 1e-8),
                (0.01, false, false, 65536f, 1e-3, 0.9, 0.999, 1e-8),
                (0.0, true, true, 1024f, 2e-3, 0.8, 0.99, 1e-6),
            }
        )
        {
            const int n = 19,
                steps = 6;
            var p = torch.randn(n);
            var m = torch.zeros(n);
            var v = torch.zeros(n);
            var mv = torch.zeros(n);
            var st = torch.zeros(1);
            var p0 = A(p);
            var grads = new List<float[]>();
            var after = new List<object>();
            var found = new List<int>();
            for (int s = 0; s < steps; s++)
            {
                var g = torch.randn(n) * (float)Math.Pow(10, rng.Next(-3, 2)) * (gs ?? 1f);
                int bad = s == 3 && gs != null ? 1 : 0;
                found.Add(bad);
                grads.Add(A(g));
                var fi = torch.full(1, (float)bad);
                st.add_(1);
                Script.Adam(
                    decoupled,
                    [p],
                    [g],
                    [m],
                    [v],
                    ams ? [mv] : [],
                    [st],
                    lr,
                    b1,
                    b2,
                    wd,
                    eps,
                    ams,
                    maxi,
                    gs is null ? null : torch.full(1, gs.Value),
                    gs is null ? null : fi
                );
                if (bad == 1)
                    st.sub_(1);
                after.Add(
                    new
                    {
                        p = A(p),
                        m = A(m),
                        v = A(v),
                        vmax = ams ? A(mv) : null,
                        step = (int)st.item<float>(),
                    }
                );
            }
            cases.Add(
                new
                {
                    mode = decoupled ? "adamw" : "adam",
                    lr,
                    beta1 = b1,
                    beta2 = b2,
                    eps,
                    weightDecay = wd,
                    amsgrad = ams,
                    maximize = maxi,
                    gradScale = gs,
                    foundInf = found,
                    p0,
                    grads,
                    after,
                }
            );
        }
        return new { source = "libtorch 2.10.0 CPU _fused_adam_ / _fused_adamw_", cases };
    }

    static object Scaler(Random rng)
    {
        var cases = new List<object>();
        foreach (
            var (init, g, b, interval, pBad, len) in new[]
            {
                (65536f, 2.0, 0.5, 2000L, 0.002, 6000),
                (65536f, 2.0, 0.5, 4L, 0.15, 200),
                (1024f, 1.5, 0.25, 3L, 0.3, 200),
                (1f, 2.0, 0.5, 1L, 0.0, 140),
                (1f, 2.0, 0.5, 5L, 1.0, 160),
                (8f, 4.0, 0.1, 2L, 0.25, 200),
            }
        )
        {
            var scale = torch.full(1, init);
            var tracker = torch.zeros(1, dtype: ScalarType.Int32);
            var found = new List<int>();
            var scales = new List<float>();
            var trackers = new List<int>();
            for (int i = 0; i < len; i++)
            {
                int bad = rng.NextDouble() < pBad ? 1 : 0;
                found.Add(bad);
                Script.Update(scale, tracker, torch.full(1, (float)bad), g, b, interval);
                scales.Add(scale.item<float>());
                trackers.Add(tracker.item<int>());
            }
            cases.Add(
                new
                {
                    init,
                    growthFactor = g,
                    backoffFactor = b,
                    growthInterval = interval,
                    foundInf = found,
                    scales,
                    trackers,
                }
            );
        }
        return new { source = "libtorch 2.10.0 CPU _amp_update_scale_", cases };
    }

    static object Unscale(Random rng)
    {
        var cases = new List<object>();
        foreach (var dt in new[] { ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16 })
        foreach (var scale in new[] { 1f, 65536f, 3f, 1.1920929e-7f })
        foreach (var poison in new float?[] { null, float.PositiveInfinity, float.NegativeInfinity, float.NaN })
        {
            var x = (torch.randn(37) * (float)Math.Pow(10, rng.Next(-2, 4))).to_type(dt);
            if (poison is { } bad)
                x[rng.Next(37)] = bad;
            var input = A(x);
            var found = torch.zeros(1);
            var inv = torch.full(1, (float)(1.0 / scale));
            Script.Unscale([x], found, inv);
            cases.Add(
                new
                {
                    dtype = dt.ToString(),
                    scale,
                    inverse = inv.item<float>(),
                    input,
                    output = A(x),
                    foundInf = found.item<float>(),
                }
            );
        }
        return new { source = "libtorch 2.10.0 CPU _amp_foreach_non_finite_check_and_unscale_", cases };
    }

    static (Tensor x, Tensor y) Blobs(int n, int d, int c)
    {
        var centers = torch.randn(c, d) * 2;
        var y = torch.randint(0, c, n);
        var x = centers.index_select(0, y) + torch.randn(n, d);
        return (x, y);
    }

    static object Training(Random rng)
    {
        const int d = 10,
            h = 16,
            c = 4,
            n = 32,
            steps = 30;
        var ps = new[] { torch.randn(h, d) * 0.3f, torch.zeros(h), torch.randn(c, h) * 0.3f, torch.zeros(c) };
        foreach (var p in ps)
            p.requires_grad_(true);
        var init = ps.Select(T).ToArray();
        var (x, y) = Blobs(n, d, c);
        var m = ps.Select(p => torch.zeros_like(p)).ToArray();
        var v = ps.Select(p => torch.zeros_like(p)).ToArray();
        var st = ps.Select(_ => torch.zeros(1)).ToArray();
        var losses = new List<float>();
        for (int s = 0; s < steps; s++)
        {
            var loss = F.cross_entropy(F.linear(F.gelu(F.linear(x, ps[0], ps[1])), ps[2], ps[3]), y);
            losses.Add(loss.item<float>());
            foreach (var p in ps)
                p.grad = null;
            loss.backward();
            using (torch.no_grad())
            {
                foreach (var t in st)
                    t.add_(1);
                Script.AdamW(ps, ps.Select(p => p.grad!).ToArray(), m, v, st, 1e-2);
            }
        }
        return new
        {
            source = "libtorch 2.10.0 CPU float32",
            model = "linear(10,16) gelu(erf) linear(16,4) " + "cross_entropy(mean)",
            optimizer = new
            {
                mode = "adamw",
                lr = 1e-2,
                beta1 = 0.9,
                beta2 = 0.999,
                eps = 1e-8,
                weightDecay = 0.01,
            },
            x = T(x),
            y = y.data<long>().ToArray(),
            initial = init,
            losses,
            final = ps.Select(T).ToArray(),
        };
    }

    /// The seven steps of the mixed-precision flow with float16 compute, libtorch doing every part.
    static object AmpTraining(Random rng)
    {
        const int d = 10,
            h = 16,
            c = 4,
            n = 32,
            steps = 60;
        var ps = new[] { torch.randn(h, d) * 0.3f, torch.zeros(h), torch.randn(c, h) * 0.3f, torch.zeros(c) };
        foreach (var p in ps)
            p.requires_grad_(true);
        var init = ps.Select(T).ToArray();
        var (x, y) = Blobs(n, d, c);
        var m = ps.Select(p => torch.zeros_like(p)).ToArray();
        var v = ps.Select(p => torch.zeros_like(p)).ToArray();
        var st = ps.Select(_ => torch.zeros(1)).ToArray();
        var scale = torch.full(1, 16777216f);
        var tracker = torch.zeros(1, dtype: ScalarType.Int32);
        var losses = new List<float>();
        var scales = new List<float>();
        var founds = new List<int>();
        for (int s = 0; s < steps; s++)
        {
            var hp = ps.Select(p => p.to_type(ScalarType.Float16)).ToArray();
            var hx = x.to_type(ScalarType.Float16);
            var logits = F.linear(F.relu(F.linear(hx, hp[0], hp[1])), hp[2], hp[3]);
            var loss = F.cross_entropy(logits.to_type(ScalarType.Float32), y);
            losses.Add(loss.item<float>());
            scales.Add(scale.item<float>());
            foreach (var p in ps)
                p.grad = null;
            (loss * scale).backward();
            using (torch.no_grad())
            {
                var found = torch.zeros(1);
                var inv = torch.full(1, (float)(1.0 / scale.item<float>()));
                var gs = ps.Select(p => p.grad!).ToArray();
                Script.Unscale(gs, found, inv);
                int bad = found.item<float>() != 0 ? 1 : 0;
                founds.Add(bad);
                if (bad == 0)
                {
                    foreach (var t in st)
                        t.add_(1);
                    Script.AdamW(ps, gs, m, v, st, 1e-2);
                }
                Script.Update(scale, tracker, found, 2.0, 0.5, 10);
            }
        }
        return new
        {
            source = "libtorch 2.10.0 CPU, float16 compute",
            model = "linear(10,16) relu linear(16,4) in " + "float16, cross_entropy(mean) in " + "float32",
            scaler = new
            {
                init = 16777216,
                growthFactor = 2,
                backoffFactor = 0.5,
                growthInterval = 10,
            },
            optimizer = new
            {
                mode = "adamw",
                lr = 1e-2,
                beta1 = 0.9,
                beta2 = 0.999,
                eps = 1e-8,
                weightDecay = 0.01,
            },
            x = T(x),
            y = y.data<long>().ToArray(),
            initial = init,
            losses,
            scales,
            foundInf = founds,
            final = ps.Select(T).ToArray(),
        };
    }
}
