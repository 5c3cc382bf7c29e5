"""The network: the talk's own, layer by layer, and its variants."""

import math

import pytest
import torch

from raise_hpo.errors import UserError
from raise_hpo.trial.widen import layers_of, widened
from trainables.lartpc.net import FILTERS, LArTPCNet, filters, pooling
from trainables.lartpc.settings import Settings

WIDTHS = [(0.1, 8), (0.25, 12)]
TALK = [
    ("block1_conv1", (3600, 3600, 10), 260),
    ("elu_1", (3600, 3600, 10), 0),
    ("block1_pool", (720, 720, 10), 0),
    ("block2_conv1", (720, 720, 64), 16064),
    ("elu_2", (720, 720, 64), 0),
    ("block2_pool", (144, 144, 64), 0),
    ("block3_conv1", (144, 144, 128), 204928),
    ("elu_3", (144, 144, 128), 0),
    ("block3_pool", (28, 28, 128), 0),
    ("block4_conv1", (28, 28, 256), 819456),
    ("elu_4", (28, 28, 256), 0),
    ("block4_pool", (5, 5, 256), 0),
    ("flatten", (6400,), 0),
    ("fc1", (32,), 204832),
    ("elu_5", (32,), 0),
    ("predictions", (5,), 165),
]
"""The talk's table: layer, its output for an event, channels last, and parameters. Its first convolution has no number
there; 260 is what is left of the total."""


def network(size=(3600, 3600), **settings):
    with torch.device("meta"):
        return LArTPCNet(Settings(**settings), size)


def parameters(module):
    return sum(weights.numel() for weights in module.parameters())


def table(net, images):
    """Each layer's name, output for an event with channels last, and parameters, as it is applied."""
    rows = []
    for name, layer in net.layers.named_children():

        def note(layer, _, output, name=name):
            shape = tuple(output.shape[1:])
            rows.append((name, (*shape[1:], shape[0]) if len(shape) == 3 else shape, parameters(layer)))

        layer.register_forward_hook(note)
    net(images)
    return [row for row in rows if row[0] != "dropout"]


def test_the_default_is_the_talks_network_layer_by_layer():
    net = network()
    assert table(net, torch.empty(1, 1, 3600, 3600, dtype=torch.int16, device="meta")) == TALK
    assert parameters(net) == sum(count for _, _, count in TALK) == 1_245_705


def test_three_planes_add_only_filters_of_the_first_layer():
    net = network(planes=3)
    assert parameters(net) == 1_245_705 + 2 * 5 * 5 * 10
    shown = table(net, torch.empty(2, 3, 3600, 3600, dtype=torch.int16, device="meta"))
    assert [(name, shape) for name, shape, _ in shown] == [(name, shape) for name, shape, _ in TALK]


@pytest.mark.parametrize(
    ("size", "pool"), [(3600, 5), (625, 5), (624, 4), (256, 4), (255, 3), (96, 3), (81, 3), (16, 2)]
)
def test_pooling_is_the_largest_that_fits(size, pool):
    assert pooling(size) == pool
    net = LArTPCNet(Settings(width=0.1), (size, size)) if size < 700 else network((size, size))
    device = "meta" if size >= 700 else "cpu"
    assert net(torch.zeros(1, 1, size, size, dtype=torch.int16, device=device)).shape == (1, 5)


def test_images_need_not_be_square():
    shown = table(network((9600, 3456)), torch.empty(1, 1, 9600, 3456, device="meta"))
    assert shown[11] == ("block4_pool", (15, 5, 256), 0)


def test_images_too_small_are_told():
    with pytest.raises(UserError, match="images of 15 pixels are too small for four pooling layers"):
        pooling(15)
    with pytest.raises(UserError, match="'pool' is 4, too large for images of 96 pixels; valid: 0, 3, 2"):
        network((96, 96), pool=4)
    with pytest.raises(UserError, match="images of 12 pixels"):
        network((96, 96), downsample=8)


def test_width_scales_the_filters():
    assert filters(1.0) == FILTERS and filters(0.5) == (5, 32, 64, 128) and min(filters(0.01)) == 1


def test_weights_start_as_in_keras():
    net = LArTPCNet(Settings(), (81, 81))
    conv = net.layers.block3_conv1
    bound = math.sqrt(6 / (25 * (64 + 128)))
    assert float(conv.weight.detach().abs().max()) == pytest.approx(bound, rel=0.01)
    assert not conv.bias.detach().any()


def test_only_the_collection_plane_is_seen_by_default():
    net = LArTPCNet(Settings(width=0.1), (81, 81)).eval()
    images = torch.randint(0, 300, (2, 3, 81, 81), dtype=torch.int16)
    torch.testing.assert_close(net(images), net(images[:, 2:]))
    changed = images.clone()
    changed[:, :2] = 0
    torch.testing.assert_close(net(changed), net(images))
    all_planes = LArTPCNet(Settings(width=0.1, planes=3), (81, 81)).eval()
    assert not torch.allclose(all_planes(changed), all_planes(images))


def test_downsampling_keeps_the_charge():
    net = LArTPCNet(Settings(width=0.1, downsample=3), (96, 96))
    images = torch.randint(-5, 300, (2, 1, 96, 96), dtype=torch.int16)
    seen = net.prepared(images)
    assert seen.shape == (2, 1, 32, 32)
    torch.testing.assert_close(seen.sum((1, 2, 3)) * 100, images.float().sum((1, 2, 3)))


def test_the_logarithm_is_odd_and_weakens_large_counts():
    net = LArTPCNet(Settings(width=0.1, intensity="log"), (81, 81))
    images = torch.tensor([-2000, -20, 0, 20, 2000], dtype=torch.int16).view(1, 1, 1, 5)
    seen = net.prepared(images).ravel()
    torch.testing.assert_close(seen, -seen.flip(0))
    assert float(seen[3]) == pytest.approx(math.log(2)) and float(seen[4]) == pytest.approx(math.log(101))


def test_a_wider_network_made_from_a_narrower_one_computes_the_same() -> None:
    torch.manual_seed(5)
    narrow, wide = (LArTPCNet(Settings(width=width, dense=dense), (64, 48)).eval() for width, dense in WIDTHS)
    wide.load_state_dict(widened(narrow.state_dict(), wide, layers_of(wide.layers, "layers"), 1))
    images = 50 * torch.randn(3, 1, 64, 48)
    torch.testing.assert_close(wide(images), narrow(images), rtol=1e-4, atol=1e-5)
