import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainables.mlpf import fakes
from trainables.mlpf.binning import Layout, assign, hash_codes, into_bins, out_of_bins
from trainables.mlpf.net import FEATURES, GHConv, GraphLayer, MLPFNet, element_features, measured_momentum
from trainables.mlpf.settings import Settings

SMALL = Settings(hidden_dim=8, output_dim=8, distance_dim=8, ffn_dist_hidden_dim=8, bin_size=16)
sizes_and_bins = given(st.lists(st.integers(1, 200), min_size=1, max_size=5), st.integers(1, 80))


def net(**changes: object) -> MLPFNet:
    torch.manual_seed(0)
    return MLPFNet(SMALL.model_copy(update=changes)).eval()


@sizes_and_bins
@settings(deadline=None, max_examples=60)
def test_bins_are_evenly_full_and_belong_to_one_event(sizes: list[int], bin_size: int) -> None:
    layout = Layout.of(torch.tensor(sizes), bin_size)
    of_element = layout.slot // bin_size
    held = torch.bincount(of_element, minlength=len(layout.occupied))
    assert len(layout.occupied) == sum(-(-size // bin_size) for size in sizes)
    assert torch.equal(held, layout.occupied.sum(1)) and len(layout.slot.unique()) == sum(sizes)
    for event in range(len(sizes)):
        mine = held[of_element[layout.event == event].unique()]
        assert mine.sum() == sizes[event] and mine.max() - mine.min() <= 1


@sizes_and_bins
@settings(deadline=None, max_examples=60)
def test_elements_come_back_from_their_bins(sizes: list[int], bin_size: int) -> None:
    layout = Layout.of(torch.tensor(sizes), bin_size)
    values = torch.arange(1.0, sum(sizes) + 1)[:, None] * torch.tensor([1.0, -1.0])
    slot = assign(torch.randn(len(values), 4), torch.randn(4, 8), layout)
    binned = into_bins(values, slot, layout)
    assert torch.equal(out_of_bins(binned, slot), values)
    assert torch.equal(binned[..., 0] != 0, layout.occupied)


def test_codes_are_the_argmax_over_rotations_and_their_opposites() -> None:
    torch.manual_seed(1)
    sizes, points, rotations = torch.tensor([100, 37, 7]), torch.randn(144, 6), torch.randn(6, 20)
    codes = hash_codes(points, rotations, Layout.of(sizes, 10))
    for first, last, bins in ((0, 100, 10), (100, 137, 4), (137, 144, 1)):
        turned = points[first:last] @ rotations[:, : max(1, bins // 2)]
        assert torch.equal(codes[first:last], torch.cat([turned, -turned], dim=1).argmax(1))


def test_more_bins_than_rotations_still_hold_everything() -> None:
    layout = Layout.of(torch.tensor([500]), 4)
    codes = hash_codes(torch.randn(500, 16), torch.randn(16, 8), layout)
    assert torch.equal(codes.unique(), torch.arange(16))


def test_neighbours_share_bins() -> None:
    torch.manual_seed(2)
    centres = torch.randn(8, 16).repeat_interleave(25, 0)
    layout = Layout.of(torch.tensor([200]), 25)
    slot = assign(centres + 1e-4 * torch.randn(200, 16), torch.randn(16, 64), layout)
    groups = into_bins(centres, slot, layout)
    assert (groups.std(dim=1).max(dim=1).values < 1e-6).float().mean() > 0.25
    mixed = into_bins(centres, layout.slot[torch.randperm(200)], layout)
    assert groups.std(dim=1).mean() < 0.7 * mixed.std(dim=1).mean()


def test_kernel_is_gaussian_clipped_and_masked() -> None:
    torch.manual_seed(0)
    layer = GraphLayer(8, SMALL.model_copy(update={"dist_mult": 0.3, "clip_value_low": 0.05}))
    points, occupied = torch.randn(3, 5, 8), torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4])
    expected = torch.exp(-0.3 * torch.cdist(points, points) ** 2).clamp(min=0.05)
    expected *= occupied[:, :, None] * occupied[:, None, :]
    torch.testing.assert_close(layer.adjacency(points, occupied), expected)


@pytest.mark.parametrize("normalize", [True, False])
def test_messages_follow_the_published_equation(normalize: bool) -> None:
    torch.manual_seed(0)
    layer = GHConv(4, 3, "elu", normalize)
    torch.nn.init.normal_(layer.gate_bias)
    x, adjacency = torch.randn(6, 4), torch.rand(6, 6)
    adjacency = adjacency + adjacency.T
    theta, different, gate = (weight.T for weight in layer.weights.weight.chunk(3))
    degrees = adjacency.sum(1) if normalize else torch.ones(6)
    scaled = torch.diag(degrees**-0.5) @ adjacency @ torch.diag(degrees**-0.5)
    g = torch.sigmoid(x @ gate + layer.gate_bias)
    expected = torch.nn.functional.elu(g * (scaled @ x @ theta) + (1 - g) * (x @ different))
    torch.testing.assert_close(layer(x[None], adjacency[None])[0], expected)


def test_columns_that_mean_different_things_are_kept_apart() -> None:
    x = fakes.batch(10).x
    features = element_features(x)
    assert features.shape == (10, FEATURES)
    assert not features[:5, 13:].any() and not features[5:, 7:13].any()
    torch.testing.assert_close(features[5:, 13], torch.asinh(x[5:, 6]))


def test_momentum_is_a_correction_of_the_elements_own() -> None:
    model, events = net(), fakes.batch(20, 30)
    for decoder in (model.direction, model.scale):
        last = decoder.lins[-1]
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    torch.testing.assert_close(model(events.x, events.sizes).momentum, measured_momentum(events.x))
    torch.testing.assert_close(measured_momentum(events.x)[:, 0].exp(), events.x[:, 1])


def test_an_event_does_not_depend_on_the_others_in_its_batch() -> None:
    model, sizes = net(), (40, 7, 133)
    joint = fakes.batch(*sizes)
    together = model(joint.x, joint.sizes)
    alone = [model(x, torch.tensor([len(x)])) for x in joint.x.split(sizes)]
    torch.testing.assert_close(together.logits, torch.cat([one.logits for one in alone]))
    torch.testing.assert_close(together.momentum, torch.cat([one.momentum for one in alone]))


def test_within_one_bin_the_order_of_elements_does_not_matter() -> None:
    model, events = net(bin_size=64), fakes.batch(60)
    order = torch.from_numpy(np.random.default_rng(0).permutation(60))
    straight, permuted = model(events.x, events.sizes), model(events.x[order], events.sizes)
    torch.testing.assert_close(straight.logits[order], permuted.logits)


def test_messages_reach_other_elements() -> None:
    model, events = net(bin_size=64), fakes.batch(50)
    x = events.x.clone().requires_grad_()
    model(x, events.sizes).logits[0].sum().backward()
    assert (x.grad[1:, 1] != 0).all()


@pytest.mark.parametrize("layernorm", [True, False])
def test_half_precision_changes_little(layernorm: bool) -> None:
    # One bin: rounding may send an element to another one.
    model, events = net(bin_size=64, layernorm=layernorm), fakes.batch(40, 60)
    full = model(events.x, events.sizes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model(events.x, events.sizes)
    torch.testing.assert_close(half.momentum, full.momentum, rtol=0, atol=0.05)
    torch.testing.assert_close(half.logits.float(), full.logits, rtol=0, atol=0.05)


def test_rotations_are_fixed_and_saved() -> None:
    model = net()
    saved = {name for name in model.state_dict() if name.endswith("rotations")}
    assert len(saved) == SMALL.num_graph_layers_common + SMALL.num_graph_layers_energy
    assert not saved & {name for name, _ in model.named_parameters()}
