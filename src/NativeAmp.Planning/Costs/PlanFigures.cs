using System.Globalization;

namespace NativeAmp.Planning;

/// <summary>Every figure of a plan with its formula and source.</summary>
public static class PlanFigures
{
    private const string Zero = "ZeRO, arXiv 1910.02054, section 5";
    private const string Korthikanti = "arXiv 2205.05198";
    private const string Megatron = "arXiv 2104.04473";

    /// <summary>All figures of a plan, memory first.</summary>
    /// <param name="plan">The plan.</param>
    public static IReadOnlyList<PlanFigure> Of(TrainingPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return [.. Memory(plan), .. Compute(plan), .. Time(plan), .. Totals(plan)];
    }

    private static IEnumerable<PlanFigure> Memory(TrainingPlan plan)
    {
        (MemoryPlan m, ParallelSplit s, StateLayout l) = (plan.Memory, plan.Request.Split, plan.Request.Layout);
        string stage =
            s.Pipeline == 1 ? "P / t"
            : m.IsLastStage ? "P of the last stage / t"
            : "P of the first stage / t";
        string optimizer = s.OffloadOptimizer ? "on the host" : $"{stage} × {{0}}{Shard(s, 1)}";
        yield return Bytes(
            "parameters",
            "parameters",
            m.Parameters,
            l.Master > 0 ? string.Format(null, optimizer, $"{l.Master:0.##}")
                : s.OffloadParameters ? "on the host"
                : $"{stage} × {l.Weights:0.##}{Shard(s, 3)}",
            $"{l.Source}; {Zero}"
        );
        yield return Bytes(
            "compute_copies",
            "compute copies",
            m.ComputeCopies,
            l.Master == 0 ? "none: products read the parameters"
                : s.OffloadParameters ? "on the host"
                : $"{stage} × {l.Weights:0.##}{Shard(s, 3)}",
            $"{l.Source}; {Zero}"
        );
        yield return Bytes(
            "gradients",
            "gradients",
            m.Gradients,
            $"{stage} × {l.Gradient:0.##}{Shard(s, 2)}{(l.GradientCopy > 0 ? $" + {l.GradientCopy:0.##}{Shard(s, 1)}" : "")}",
            $"{l.Source}; {Zero}"
        );
        yield return Bytes(
            "optimizer_state",
            "optimizer state",
            m.OptimizerState,
            string.Format(null, optimizer, $"{l.Moments:0.##}"),
            $"{l.Source}; {Zero}"
        );
        yield return Bytes(
            "activations",
            "activations",
            m.Activations,
            ActivationFormula(plan),
            Korthikanti + ", equations 1 to 6 and section 4.2.3"
        );
        yield return Bytes(
            "workspace",
            "workspace",
            m.Workspace,
            "max(a layer computed again, gradient of float32 logits 4 s b V / t) + the products' workspace"
                + (s.ZeroStage == 3 ? " + the largest layer, gathered" : ""),
            "machine.json, product_workspace_mib; DeepSpeed, stage3.py"
        );
        yield return Bytes(
            "communication_buffers",
            "communication buffers",
            m.Communication,
            "4 × 2 s b h / t between stages + 2 × 2 s b h of the tensor group + two buckets of gradients",
            "machine.json, gradient_bucket_mib"
        );
        yield return Bytes("reserved", "reserved", m.Reserved, "fixed", "machine.json, reserved_gib");
        yield return Bytes("total", "total", m.Total, "the sum", "");
        yield return Bytes("host", "host, a GPU", m.Host, "what is offloaded", "ZeRO-Offload, arXiv 2101.06840");
    }

    private static string ActivationFormula(TrainingPlan plan)
    {
        ParallelSplit s = plan.Request.Split;
        string layer = s.Recompute switch
        {
            Recomputation.Full => s.SequenceParallel ? "2 s b h / t" : "2 s b h",
            _ when s.FlashAttention => s.SequenceParallel ? "34 s b h / t" : "s b h (10 + 24 / t)",
            Recomputation.Selective => s.SequenceParallel ? "34 s b h / t" : "s b h (10 + 24 / t)",
            _ => s.SequenceParallel ? "s b h (34 + 5 a s / h) / t" : "s b h (10 + 24 / t + 5 a s / (h t))",
        };
        string inFlight =
            s.Pipeline == 1 ? "l"
            : plan.Memory.IsLastStage ? "l / p"
            : s.Interleave > 1 ? "l (1 + (p - 1) / (p v))"
            : "l min(m, p) / p";
        return $"{inFlight} × {layer}, and the ends' norms and logits (for GPT in half precision)";
    }

    private static IEnumerable<PlanFigure> Compute(TrainingPlan plan)
    {
        FlopPlan f = plan.Flops;
        string attention = plan.Request.Split.FlashAttention ? "2 s h" : "4 s h";
        yield return new(
            "flop_model",
            "FLOP a step",
            f.Model,
            "FLOP",
            $"3 B s (l (2 × matrix elements of a layer + {attention}) + 2 h V)",
            Megatron + ", equation 3, without its recomputation"
        );
        yield return new(
            "flop_recomputed",
            "FLOP computed again",
            f.Recomputed,
            "FLOP",
            plan.Request.Split.Recompute switch
            {
                Recomputation.Full => $"B s l (2 × matrix elements of a layer + {attention})",
                Recomputation.Selective => "B s l 4 s h; none with flash attention",
                _ => "none",
            },
            Korthikanti + ", section 5"
        );
        yield return new("tokens_per_step", "tokens a step", f.TokensPerStep, "tokens", "B s", "");
        yield return new(
            "steps",
            "steps",
            f.Steps,
            "steps",
            "D / (B s)",
            plan.Request.Tokens is null && plan.Request.Model.Tokens is null
                ? "D = 20 N: Chinchilla, arXiv 2203.15556"
                : plan.Request.Model.Source
        );
        yield return new("flop_total", "FLOP to the end, by layer", f.Total, "FLOP", "FLOP a step × steps", "");
        yield return new(
            "flop_6nd",
            "FLOP to the end, 6 N D",
            f.SixNd,
            "FLOP",
            "6 N D",
            "Kaplan et al., arXiv 2001.08361, section 2.1"
        );
    }

    private static IEnumerable<PlanFigure> Time(TrainingPlan plan)
    {
        (TimePlan t, MachineConstants c) = (plan.Time, plan.Request.Constants);
        yield return Seconds(
            "products",
            "products",
            t.Products,
            FormattableString.Invariant($"m × FLOP of a stage's micro-batch / (peak × {c.ProductEfficiency:0.###})"),
            "machine.json, product_efficiency (fitted)"
        );
        yield return Seconds(
            "element_wise",
            "element-wise kernels",
            t.ElementWise,
            FormattableString.Invariant(
                $"m × 3 × bytes of a forward pass / (memory's bandwidth × {c.MemoryEfficiency:0.###})"
            ),
            "bytes counted by kernel; machine.json, memory_efficiency"
        );
        yield return Seconds(
            "tensor_communication",
            "tensor group",
            t.TensorCommunication,
            FormattableString.Invariant(
                $"m × 4 all-reduces a layer × 2 (t - 1) / t × 2 s b h / (link × {c.LinkEfficiency:0.###})"
            ),
            Megatron + ", section 3.2"
        );
        yield return Seconds(
            "recomputation",
            "computed again",
            t.Recomputation,
            "m × a forward pass over what is computed again",
            Korthikanti + ", section 5"
        );
        yield return Seconds(
            "pipeline_communication",
            "stage to stage",
            t.PipelineCommunication,
            string.Create(
                CultureInfo.InvariantCulture,
                $"m × 2 v × 2 s b h{(plan.Request.Split.ScatterGather ? " / t" : "")} / (network × "
                    + $"{c.NetworkEfficiency:0.###})"
            ),
            Megatron + ", sections 3.2 and 4.1"
        );
        yield return Seconds(
            "bubble",
            "pipeline bubble",
            t.Bubble,
            "(p - 1) / v × a micro-batch's time",
            Megatron + ", sections 2.2.1 and 2.2.2"
        );
        yield return Seconds(
            "data_communication",
            plan.Request.Split.ZeroStage == 3 ? "gathers of ZeRO-3" : "gradients",
            t.DataCommunication,
            plan.Request.Split.ZeroStage == 3
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"what {c.Overlap:0.##} of overlap does not hide of 3 m × P / (t p) × 2 (d - 1) / d / (network × "
                        + $"{c.GatherEfficiency:0.###})"
                )
                : (plan.Request.Split.ZeroStage == 2 ? "(m + 1)" : "2")
                    + " (d - 1) / d × P / (t p) × 2 / bandwidth of the group"
                    + (
                        plan.Request.Split.OverlapGradients
                            ? FormattableString.Invariant($", {c.Overlap:0.##} of it hidden")
                            : ""
                    ),
            "arXiv 1910.02054, section 7"
        );
        yield return Seconds(
            "optimizer",
            "optimizer",
            t.Optimizer,
            plan.Request.Split.OffloadOptimizer
                ? "gradients to the host, the step there, parameters back"
                    + (plan.Request.Split.OffloadParameters ? ", and 2 m times for the passes" : "")
                : "P / (t p) × 40 bytes / (memory's bandwidth × efficiency)",
            "bytes counted"
        );
        yield return Seconds("step", "step", t.Step, "the sum", "");
    }

    private static IEnumerable<PlanFigure> Totals(TrainingPlan plan)
    {
        MachineConstants c = plan.Request.Constants;
        yield return new(
            "tflops_per_gpu",
            "TFLOP/s a GPU",
            plan.HardwareFlopsPerGpu / 1e12,
            "TFLOP/s",
            "(FLOP a step + computed again) / (step × GPUs)",
            Megatron + ", table 1"
        );
        yield return new(
            "mfu",
            "MFU",
            plan.ModelUtilization,
            "of peak",
            "FLOP a step / (step × GPUs × peak)",
            "PaLM, arXiv 2204.02311, appendix B"
        );
        yield return new(
            "hfu",
            "HFU",
            plan.HardwareUtilization,
            "of peak",
            "with what is computed again",
            Korthikanti + ", section 6.3"
        );
        yield return new("tokens_per_second", "tokens a second", plan.TokensPerSecond, "tokens/s", "B s / step", "");
        yield return new("days", "days", plan.Days, "days", "steps × step", "");
        yield return new("gpu_hours", "GPU hours", plan.GpuHours, "h", "days × 24 × GPUs", "");
        yield return new(
            "megawatt_hours",
            "energy",
            plan.MegawattHours,
            "MWh",
            FormattableString.Invariant(
                $"GPU hours × {plan.Request.Gpu.Watts:0} W × {c.PowerShare:0.##} × PUE {c.PowerUsageEffectiveness:0.##}"
            ),
            "LLaMA, arXiv 2302.13971, section 6"
        );
    }

    private static string Shard(ParallelSplit split, int stage) =>
        split.ZeroStage >= stage && split.Data > 1 ? " / d" : "";

    private static PlanFigure Bytes(string key, string name, double value, string formula, string source) =>
        new("memory_" + key, name, value, "bytes", formula, source);

    private static PlanFigure Seconds(string key, string name, double value, string formula, string source) =>
        new("seconds_" + key, name, value, "s", formula, source);
}
