"""Writes the fixtures of crates/emberline-net/tests/fixtures with PyTorch (any version since 1.6, on the CPU).

    python tools/goldens/net.py

- small_zip.pth, small_legacy.pth: one state dict in both of torch.save's containers; small_values.txt: its values as PyTorch reads them.
- block.pth: the weights of a small residual network; block_io.pth: an input and what PyTorch makes of it.
- refused.pth: a pickle that calls a function, for the refusal's message.
"""

import collections
import pathlib

import torch
from torch import nn

OUT = pathlib.Path(__file__).parents[2] / "crates/emberline-net/tests/fixtures"


def small() -> None:
    whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 8
    state = collections.OrderedDict(
        f32=whole,
        transposed=whole.permute(2, 0, 1),
        part=whole[1, 1:, ::2],
        f64=torch.tensor([1.5, -2.25], dtype=torch.float64),
        f16=torch.tensor([0.5, 65504.0], dtype=torch.float16),
        bf16=torch.tensor([0.5, -3.0], dtype=torch.bfloat16),
        count=torch.tensor(12345, dtype=torch.int64),
        flags=torch.tensor([True, False]),
        empty=torch.zeros(0, 3),
        parameter=nn.Parameter(torch.tensor([7.0])),
        note="not a tensor",
    )
    torch.save(state, OUT / "small_zip.pth")
    torch.save(state, OUT / "small_legacy.pth", _use_new_zipfile_serialization=False)
    lines = []
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            shape = "x".join(map(str, value.shape))
            values = " ".join(repr(v) for v in value.detach().to(torch.float32).flatten().tolist())
            lines.append(f"{name}|{shape}|{values}")
    (OUT / "small_values.txt").write_text("\n".join(lines) + "\n")


class Block(nn.Module):
    """A strided convolution, an inverted residual with a squeeze, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(8)
        self.expand = nn.Conv2d(8, 16, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 5, padding=2, groups=16, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(16)
        self.squeeze = nn.Conv2d(16, 4, 1)
        self.excite = nn.Conv2d(4, 16, 1)
        self.project = nn.Conv2d(16, 8, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(8)
        self.classifier = nn.Linear(8, 5)

    def forward(self, x):
        x = nn.functional.relu6(self.stem_bn(self.stem(x)))
        y = nn.functional.silu(self.expand_bn(self.expand(x)))
        y = nn.functional.hardswish(self.depthwise_bn(self.depthwise(y)))
        gate = self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True))))
        y = y * torch.sigmoid(gate)
        x = x + self.project_bn(self.project(y))
        x = nn.functional.max_pool2d(x, 3, stride=2, padding=1)
        return torch.softmax(self.classifier(x.mean((2, 3))), 1)


def block() -> None:
    torch.manual_seed(7)
    network = Block().eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var") or name.endswith("bn.weight"):
            tensor.uniform_(0.5, 2)
        elif name.endswith("running_mean") or name.endswith("bn.bias"):
            tensor.uniform_(-0.5, 0.5)
    image = torch.randn(2, 3, 17, 13)
    torch.save(network.state_dict(), OUT / "block.pth")
    with torch.no_grad():
        torch.save({"input": image, "output": network(image)}, OUT / "block_io.pth")


class Calls:
    def __reduce__(self):
        return (eval, ("1",))


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    small()
    block()
    torch.save({"weight": Calls()}, OUT / "refused.pth")
