"""Single operations: forward alone, or with the gradients of all inputs.

As on our side, the gradients are those of the inner product of the output with fixed random numbers.
"""

import torch
import torch.nn.functional as F


class Kernel:
    """One operation. Subclasses make `self.inputs` and define `forward`."""

    has_pixels = False

    def __init__(self, shape):
        self.shape = shape
        self.inputs = self.draw(shape)
        self.trains = shape["pass"] == "training"

    def use(self, memory_format):
        """Turns pictures and kernels of convolutions into the format."""
        self.inputs = [
            x.detach().contiguous(memory_format=memory_format) if x.ndim == 4 else x.detach() for x in self.inputs
        ]
        if self.trains:
            for x in self.inputs:
                x.requires_grad_()
        with torch.no_grad():
            self.direction = torch.rand_like(self.forward(*self.inputs))

    def run(self):
        if self.trains:
            loss = (self.forward(*self.inputs) * self.direction).sum()
            torch.autograd.grad(loss, self.inputs)
        else:
            with torch.inference_mode():
                self.forward(*self.inputs)


class Conv(Kernel):
    has_pixels = True

    def draw(self, shape):
        channels_in, channels_out, kernel, side = (
            shape[key] for key in ("channels_in", "channels_out", "kernel", "side")
        )
        return [
            torch.randn(shape["batch"], channels_in, side, side),
            torch.randn(channels_out, channels_in, kernel, kernel) / (channels_in * kernel**2) ** 0.5,
            torch.randn(channels_out),
        ]

    def forward(self, x, weight, bias):
        return F.conv2d(x, weight, bias, self.shape["stride"], self.shape["padding"])


class Attention(Kernel):
    def draw(self, shape):
        width = shape["n_heads"] * shape["d_head"]
        n_tokens = [shape["n_queries"], shape["n_keys"], shape["n_keys"]]
        return [torch.randn(shape["batch"], n, width) for n in n_tokens]

    def forward(self, q, k, v):
        batch, n_queries, width = q.shape
        heads = (x.view(batch, -1, self.shape["n_heads"], self.shape["d_head"]).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(batch, n_queries, width)


class GroupNorm(Kernel):
    has_pixels = True

    def draw(self, shape):
        side, channels = shape["side"], shape["channels"]
        return [torch.randn(shape["batch"], channels, side, side), torch.randn(channels), torch.randn(channels)]

    def forward(self, x, weight, bias):
        return F.silu(F.group_norm(x, self.shape["n_groups"], weight, bias, self.shape["epsilon"]))


class LayerNorm(Kernel):
    def draw(self, shape):
        width = shape["width"]
        return [torch.randn(shape["batch"], shape["n_tokens"], width), torch.randn(width), torch.randn(width)]

    def forward(self, x, weight, bias):
        return F.layer_norm(x, [self.shape["width"]], weight, bias, self.shape["epsilon"])


class Geglu(Kernel):
    def draw(self, shape):
        return [torch.randn(shape["batch"], shape["n_tokens"], 2 * shape["width"])]

    def forward(self, x):
        value, gate = x.chunk(2, dim=-1)
        return value * F.gelu(gate)
