"""A three-dimensional convolution whose gradient is quick on CPUs, too.

For the few channels of 3DGAN, oneDNN has no quick gradient with respect to the input. Without strides it is a
convolution itself, of the output's gradient with the kernel turned around, and that oneDNN does quickly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.biased = bias is not None
        return functional.conv3d(image, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        image, weight = ctx.saved_tensors
        for_image = for_weight = None
        if ctx.needs_input_grad[0]:
            turned = weight.flip(2, 3, 4).transpose(0, 1).contiguous()
            for_image = functional.conv3d(gradient, turned, padding=[size - 1 for size in weight.shape[2:]])
        if ctx.needs_input_grad[1]:
            for_weight = nn.grad.conv3d_weight(image, weight.shape, gradient)
        for_bias = gradient.sum((0, 2, 3, 4)) if ctx.biased and ctx.needs_input_grad[2] else None
        return for_image, for_weight, for_bias


class Conv3d(nn.Conv3d):
    """As torch's, of stride 1 and without padding."""

    def forward(self, image: Tensor) -> Tensor:
        """Convolve ``(batch, channels, x, y, z)``."""
        if image.device.type == "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return _Convolution.apply(image, self.weight, self.bias)
        return super().forward(image)
