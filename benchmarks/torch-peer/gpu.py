"""PyTorch on this machine's GPU: the memory-bound kernels of a step over 64 Mi parameters, and whole training steps of the
models that `nativeamp train` builds. Medians by CUDA events. Needs a Python with torch: python3 benchmarks/torch-peer/gpu.py"""

import statistics

import torch
import torch.nn as nn
import torch.nn.functional as F

DEVICE = "cuda"
PRECISIONS = (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16))


def median_ms(call, times=20, warm=5):
    for _ in range(warm):
        call()
    measured = []
    for _ in range(times):
        begin, end = torch.cuda.Event(True), torch.cuda.Event(True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        measured.append(begin.elapsed_time(end))
    return statistics.median(measured)


def kernels(count=64 << 20):
    def show(name, bytes_each, call):
        ms = median_ms(call)
        print(f"{name}: {ms:.4f} ms, {bytes_each * count / ms / 1e6:.0f} GB/s", flush=True)

    x, half = torch.randn(count, device=DEVICE), torch.empty(count, dtype=torch.half, device=DEVICE)
    y = torch.empty_like(x)
    show("copy float32", 8, lambda: y.copy_(x))
    show("cast float32 to float16", 6, lambda: half.copy_(x))
    found, inverse = torch.zeros(1, device=DEVICE), torch.ones(1, device=DEVICE)
    show("unscale and check float32, in place", 8,
         lambda: torch._amp_foreach_non_finite_check_and_unscale_([y], found, inverse))
    parameter = torch.randn(count, device=DEVICE, requires_grad=True)
    parameter.grad = torch.randn(count, device=DEVICE)
    optimizer = torch.optim.AdamW([parameter], fused=True)
    show("fused AdamW float32", 28, lambda: optimizer.step())


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, time, width = x.shape
        q, k, v = (t.view(batch, time, self.heads, -1).transpose(1, 2) for t in self.qkv(self.norm1(x)).split(width, 2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, time, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, width, heads, blocks, context, vocabulary=256):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def step_ms(model, inputs, labels, dtype):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    scaler = torch.amp.GradScaler(DEVICE, enabled=dtype == torch.float16)

    def step():
        with torch.autocast(DEVICE, dtype=dtype, enabled=dtype != torch.float32):
            logits = model(inputs)
        loss = F.cross_entropy(logits.float().flatten(0, -2), labels.flatten())
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    return median_ms(step, 12, 4)


def gpt(name, batch, context, width, heads, blocks):
    for precision, dtype in PRECISIONS:
        model = Gpt(width, heads, blocks, context).to(DEVICE)
        tokens = torch.randint(0, 256, (2, batch, context), device=DEVICE)
        print(f"{name}, {precision}: {step_ms(model, tokens[0], tokens[1], dtype):.2f} ms", flush=True)


if __name__ == "__main__":
    torch.manual_seed(1)
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    kernels()
    gpt("gpt, 16 x 128, width 256, 4 blocks", 16, 128, 256, 8, 4)
    gpt("gpt, 8 x 1024, width 768, 12 blocks", 8, 1024, 768, 12, 12)
