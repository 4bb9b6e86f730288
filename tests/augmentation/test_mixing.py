"""MixUp and CutMix: images, targets and weights against naive loops, losses, distributions."""

import numpy as np
import pytest
import torch
from scipy import stats

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._training.losses import RegressionLoss, classification_loss
from skcnn.augmentation import CutMix, MixUp, RandomRotation
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._draws import row_keys
from skcnn.exceptions import FrozenAugmentationWarning

N = 12
MIXERS = [MixUp(1.0), MixUp(0.2, p=0.6), CutMix(1.0), CutMix(0.4, p=0.6)]
EACH_MIXER = pytest.mark.parametrize("mixer", MIXERS, ids=repr)
SHAPES = {"signals": (2, 17), "images": (3, 8, 9), "volumes": (1, 4, 5, 6)}
EACH_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def batch_of(shape, n=N, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, *shape)))


def draws(mixer, spatial, n=N, epoch=0, strength=1.0):
    """Return the parameters that a BatchAugmenter of this one step and seed 0 draws."""
    return mixer._draw_all(row_keys(0, np.arange(n), epoch, 0), spatial, strength)


def mixed(mixer, images, targets, weights=None, n_classes=None, epoch=0, **settings):
    run = BatchAugmenter(
        [Step(mixer, 0)], tuple(images.shape[2:]), 1.0, 0, n_classes=n_classes, **settings
    )
    return run.batch(images, targets, weights, np.arange(len(images)), epoch)


def naive_images(mixer, images, params):
    """Return the mixtures and the share that each sample kept, by a loop over pixels."""
    images = images.numpy()
    out, kept = images.copy(), np.ones(len(images))
    for i in range(len(images)):
        if not params["applied"][i]:
            continue
        other = images[params["partner"][i]]
        if isinstance(mixer, MixUp):
            kept[i] = params["kept"][i]
            out[i] = kept[i] * images[i] + (1 - kept[i]) * other
            continue
        inside = 0
        for pixel in np.ndindex(*images.shape[2:]):
            low, high = params["low"][i], params["high"][i]
            if all(a <= x < b for a, x, b in zip(low, pixel, high, strict=True)):
                out[(i, slice(None), *pixel)] = other[(slice(None), *pixel)]
                inside += 1
        kept[i] = 1 - inside / np.prod(images.shape[2:])
    return out, kept


def naive_targets(targets, weights, partners, kept):
    """Return targets and weights of which the loss of both targets consists, by a loop."""
    weights = np.ones(len(targets)) if weights is None else weights
    new_targets, new_weights = np.empty(targets.shape), np.empty(len(targets))
    for i, j in enumerate(partners):
        ours, theirs = kept[i] * weights[i], (1 - kept[i]) * weights[j]
        new_weights[i] = ours + theirs
        new_targets[i] = (ours * targets[i] + theirs * targets[j]) / (ours + theirs)
    return new_targets, new_weights


TARGETS = {
    "classes": (np.arange(N) % 3, 3),
    "many classes": (np.arange(N), N),
    "labels": ((np.arange(N)[:, None] >> np.arange(4) & 1).astype(np.float32), 4),
    "numbers": (np.linspace(-2, 3, N).astype(np.float32), 1),
    "pairs of numbers": (np.random.default_rng(1).normal(size=(N, 2)).astype(np.float32), 2),
}
EACH_TARGET = pytest.mark.parametrize(("targets", "n_outputs"), TARGETS.values(), ids=TARGETS)


@EACH_TARGET
@EACH_SHAPE
@EACH_MIXER
@pytest.mark.parametrize("weighted", [False, True])
def test_mixtures_against_a_naive_loop(mixer, shape, targets, n_outputs, weighted):
    images = batch_of(shape)
    weights = np.random.default_rng(2).uniform(0.1, 3, N).astype(np.float32) if weighted else None
    params = draws(mixer, shape[1:])
    expected, kept = naive_images(mixer, images, params)
    as_shares = np.eye(n_outputs)[targets] if targets.dtype.kind == "i" else targets
    wanted, wanted_weights = naive_targets(as_shares, weights, params["partner"], kept)
    out, (got, got_weights) = mixed(
        mixer,
        images,
        torch.from_numpy(targets),
        None if weights is None else torch.from_numpy(weights),
        n_outputs,
    )
    np.testing.assert_allclose(out, expected, atol=1e-12)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    if weighted:
        np.testing.assert_allclose(got_weights, wanted_weights, rtol=1e-5)
    else:
        assert got_weights is None


def test_arguments_are_left_alone():
    images, targets, weights = batch_of((1, 8, 9)), torch.arange(N) % 3, torch.rand(N)
    before = images.clone(), targets.clone(), weights.clone()
    for mixer in MIXERS:
        mixed(mixer, images, targets, weights, 3)
        mixed(mixer, images, targets.float(), weights)
    assert torch.equal(images, before[0])
    assert torch.equal(targets, before[1])
    assert torch.equal(weights, before[2])


@EACH_MIXER
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("multilabel", [False, True])
def test_the_loss_of_mixtures_is_the_shared_sum_of_both_losses(
    mixer, weighted, label_smoothing, multilabel
):
    n_outputs = 4
    targets = TARGETS["labels"][0] if multilabel else np.arange(N) % n_outputs
    weights = torch.rand(N) + 0.1 if weighted else None
    params = draws(mixer, (8, 9))
    kept = naive_images(mixer, batch_of((1, 8, 9)), params)[1]
    _, target = mixed(mixer, batch_of((1, 8, 9)), torch.from_numpy(targets), weights, n_outputs)
    loss = classification_loss("cross_entropy", multilabel, label_smoothing)
    logits = torch.from_numpy(np.random.default_rng(3).normal(size=(N, n_outputs))).float()
    total = 0.0
    for i, j in enumerate(params["partner"]):
        for k, share in ((i, kept[i]), (j, 1 - kept[i])):
            weight = 1.0 if weights is None else float(weights[k])
            one = loss(logits[i : i + 1], (torch.from_numpy(targets[k : k + 1]), None))
            total += share * weight * float(one) / N
    assert float(loss(logits, target)) == pytest.approx(total, rel=1e-5)


@EACH_MIXER
@pytest.mark.parametrize("kind", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("multilabel", [False, True])
def test_the_gradient_of_mixtures_is_the_shared_sum_of_both_gradients(mixer, kind, multilabel):
    targets = TARGETS["labels"][0] if multilabel else np.arange(N) % 4
    params = draws(mixer, (8, 9))
    kept = torch.from_numpy(naive_images(mixer, batch_of((1, 8, 9)), params)[1]).float()
    weights = torch.rand(N) + 0.1
    _, target = mixed(mixer, batch_of((1, 8, 9)), torch.from_numpy(targets), weights, 4)
    loss = classification_loss(kind, multilabel, 0.0)
    logits = torch.from_numpy(np.random.default_rng(3).normal(size=(N, 4))).float()
    gradients = []
    for pairs in ([target], None):
        inputs = logits.clone().requires_grad_()
        if pairs is None:
            partners = params["partner"]
            t = torch.from_numpy(targets)
            pairs = [(t, kept * weights), (t[partners], (1 - kept) * weights[partners])]
        sum(loss(inputs, pair) for pair in pairs).backward()
        gradients.append(inputs.grad)
    np.testing.assert_allclose(*gradients, atol=1e-6)


@EACH_MIXER
def test_squared_errors_of_numbers_have_the_gradient_of_both(mixer):
    targets, weights = torch.linspace(-2, 3, N), torch.rand(N) + 0.1
    params = draws(mixer, (8, 9))
    kept = torch.from_numpy(naive_images(mixer, batch_of((1, 8, 9)), params)[1]).float()
    _, target = mixed(mixer, batch_of((1, 8, 9)), targets, weights)
    outputs = torch.from_numpy(np.random.default_rng(3).normal(size=(N, 1))).float()
    one, both = outputs.clone().requires_grad_(), outputs.clone().requires_grad_()
    loss, partners = RegressionLoss("squared_error"), params["partner"]
    loss(one, target).backward()
    total = loss(both, (targets, kept * weights))
    (total + loss(both, (targets[partners], (1 - kept) * weights[partners]))).backward()
    np.testing.assert_allclose(one.grad, both.grad, atol=1e-6)


@EACH_MIXER
@pytest.mark.parametrize("n", [2, 3, 12, 101])
def test_no_sample_is_mixed_with_itself_and_each_is_a_partner_once(mixer, n):
    partners = draws(mixer, (8, 9), n)["partner"]
    np.testing.assert_array_equal(np.sort(partners), np.arange(n))
    assert (partners != np.arange(n)).all()


@EACH_MIXER
def test_a_single_sample_stays_itself(mixer):
    images = batch_of((1, 8, 9), 1)
    out, (targets, _) = mixed(mixer, images, torch.tensor([1]), None, 3)
    np.testing.assert_allclose(out, images, atol=1e-12)
    np.testing.assert_allclose(targets, [[0, 1, 0]], atol=1e-6)


@EACH_MIXER
def test_partners_vary_with_the_epoch(mixer):
    some = [tuple(draws(mixer, (8, 9), 8, epoch)["partner"]) for epoch in range(20)]
    assert len(set(some)) > 15


def test_every_partner_is_as_likely():
    counts = np.zeros((5, 5))
    for epoch in range(2000):
        counts[np.arange(5), draws(MixUp(), (8, 9), 5, epoch)["partner"]] += 1
    assert (np.diag(counts) == 0).all()
    assert stats.chisquare(counts[~np.eye(5, dtype=bool)]).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_shares_are_beta_distributed_the_larger_one_kept(alpha):
    kept = draws(MixUp(alpha), (8, 9), 4000)["kept"]
    assert 0.5 <= kept.min() <= kept.max() <= 1
    # distribution of the larger of x and 1 - x for a symmetric beta distribution
    law = stats.beta(alpha, alpha)
    assert stats.kstest(kept, lambda x: law.cdf(x) - law.cdf(1 - x)).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [1e-300, 1e-6, 1e6, 1e300])
def test_extreme_parameters_give_finite_shares(alpha):
    for mixer in (MixUp(alpha), CutMix(alpha)):
        kept = draws(mixer, (8, 9), 200)["kept"]
        assert np.isfinite(kept).all()
        assert 0 <= kept.min() <= kept.max() <= 1


@pytest.mark.parametrize("spatial", [(200,), (30, 45), (12, 13, 14)], ids=str)
def test_the_share_of_a_box_is_that_of_the_beta_distribution(spatial):
    params = draws(CutMix(1.0), spatial, 4000)
    sizes = params["high"] - params["low"]
    assert (params["low"] >= 0).all()
    assert (params["high"] <= spatial).all()
    np.testing.assert_allclose(params["kept"], 1 - np.prod(sizes / np.array(spatial), axis=1))
    # uniform up to whole pixels; volumes have few on a side
    assert stats.kstest(params["kept"], "uniform").statistic < 0.05 * len(spatial)


def test_boxes_lie_anywhere_with_equal_probability():
    params = draws(CutMix(1e6), (16, 16), 4000)  # half of the area: 11 x 11
    np.testing.assert_array_equal(np.unique(params["high"] - params["low"]), [11])
    for column in params["low"].T:
        assert stats.chisquare(np.bincount(column, minlength=6)).pvalue > 1e-4


@EACH_MIXER
def test_draws_are_independent_of_each_other(mixer):
    params = draws(mixer, (30, 30), 4000)
    kept, applied = params["kept"], params["applied"].astype(float)
    assert abs(np.corrcoef(kept[1:], kept[:-1])[0, 1]) < 4 / 4000**0.5
    assert abs(np.corrcoef(kept, kept[params["partner"]])[0, 1]) < 4 / 4000**0.5
    assert abs(np.corrcoef(kept, params["partner"])[0, 1]) < 4 / 4000**0.5
    if mixer.p < 1:
        assert abs(np.corrcoef(kept, applied)[0, 1]) < 4 / 4000**0.5
        low, high = stats.binom.interval(0.9999, 4000, mixer.p)
        assert low <= applied.sum() <= high


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 5.0])
def test_strength_scales_the_share_of_the_other(strength):
    plain, strong = draws(MixUp(1.0), (8, 9)), draws(MixUp(1.0), (8, 9), strength=strength)
    np.testing.assert_allclose(1 - strong["kept"], (1 - plain["kept"]) * min(strength, 1.0))
    images, targets = batch_of((1, 8, 9)), torch.arange(N) % 3
    out, (shares, _) = mixed(MixUp(1.0), images, targets, None, 3, strength=strength)
    if strength == 0:
        assert torch.equal(out, images)
        np.testing.assert_allclose(shares, np.eye(3)[targets], atol=1e-7)


def test_two_mixings_in_a_row():
    images, targets = batch_of((1, 8, 9)), torch.arange(N) % 3
    run = BatchAugmenter([Step(MixUp(1.0), 0), Step(CutMix(1.0), 0)], (8, 9), 1.0, 0, n_classes=3)
    out, (shares, weights) = run.batch(images, targets, torch.ones(N), np.arange(N), 0)
    first, kept_first = naive_images(MixUp(1.0), images, draws(MixUp(1.0), (8, 9)))
    second = CutMix(1.0)._draw_all(row_keys(0, np.arange(N), 0, 1), (8, 9), 1.0)
    expected, kept = naive_images(CutMix(1.0), torch.from_numpy(first), second)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    wanted = naive_targets(
        np.eye(3)[targets], None, draws(MixUp(1.0), (8, 9))["partner"], kept_first
    )[0]
    wanted = naive_targets(wanted, None, second["partner"], kept)[0]
    np.testing.assert_allclose(shares, wanted, atol=1e-6)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(weights, 1, atol=1e-6)


def test_the_weights_of_a_batch_keep_their_sum():
    # every sample is a partner once, but with the share of the other sample
    weights = torch.rand(4000) + 0.1
    _, (_, got) = mixed(MixUp(1.0), batch_of((1, 2, 2), 4000), torch.zeros(4000).long(), weights, 2)
    assert float(got.sum()) == pytest.approx(float(weights.sum()), rel=0.02)


def test_weights_that_are_zero_in_float32_make_no_nan():
    weights = torch.zeros(N)
    weights[:2] = 1
    for mixer in MIXERS:
        for targets, n_classes in ((torch.arange(N) % 3, 3), (torch.linspace(0, 1, N), None)):
            _, (shares, got) = mixed(mixer, batch_of((1, 8, 9)), targets, weights, n_classes)
            assert torch.isfinite(shares).all()
            assert torch.isfinite(got).all()


X = np.random.default_rng(0).integers(0, 256, (24, 8, 9)).astype(np.uint8)
SMALL = {"filters": (2,), "hidden_units": (), "max_epochs": 2, "random_state": 0}


@EACH_MIXER
@pytest.mark.parametrize(
    "fit",
    [
        lambda m: ConvNetClassifier(augmentation=[m], **SMALL).fit(X, np.arange(24) % 2),
        lambda m: ConvNetClassifier(augmentation=[m], **SMALL).fit(X, list("abcd") * 6),
        lambda m: ConvNetClassifier(augmentation=[m], loss="squared_error", **SMALL).fit(
            X, np.arange(24) % 3
        ),
        lambda m: ConvNetClassifier(augmentation=[m], label_smoothing=0.1, **SMALL).fit(
            X, np.arange(48).reshape(24, 2) % 2
        ),
        lambda m: ConvNetClassifier(augmentation=[m], class_weight="balanced", **SMALL).fit(
            X, np.arange(24) % 3, sample_weight=np.arange(24)
        ),
        lambda m: ConvNetClassifier(augmentation=[m], class_weight={0: 0, 1: 1, 2: 1}, **SMALL).fit(
            X, np.arange(24) % 3
        ),
        lambda m: ConvNetRegressor(augmentation=[m], **SMALL).fit(X, np.linspace(0, 9, 24)),
        lambda m: ConvNetRegressor(augmentation=[m], loss="huber", **SMALL).fit(
            X, np.linspace(0, 9, 48).reshape(24, 2), sample_weight=np.arange(24)
        ),
    ],
    ids=["binary", "letters", "brier", "multilabel", "weighted", "weightless", "numbers", "pairs"],
)
def test_estimators_learn_from_mixtures(mixer, fit):
    model = fit(mixer)
    assert np.isfinite(model.history_["train_loss"]).all()
    assert len(model.predict(X[:3])) == 3


def test_weights_of_any_size_are_learned():
    weights = np.where(np.arange(24) % 2, 1.0, 1e-60)
    model = ConvNetClassifier(augmentation=[MixUp(1.0)], batch_size=6, **SMALL)
    model.fit(X, np.arange(24) % 3, sample_weight=weights)
    assert np.isfinite(model.history_["train_loss"]).all()


def test_batches_of_one_sample_are_learned():
    model = ConvNetClassifier(augmentation=[MixUp(), CutMix()], batch_size=1, **SMALL)
    model.fit(X[:5], [0, 1, 0, 1, 1])
    assert np.isfinite(model.history_["train_loss"]).all()


@EACH_MIXER
def test_values_are_unmixed_for_other_estimators(mixer):
    A = mixer.fit_transform(RandomRotation(30, random_state=0).fit_transform(X))
    expected = RandomRotation(30, random_state=0).fit_transform(X).to_numpy()
    np.testing.assert_array_equal(A.to_numpy(), expected)
    name = type(mixer).__name__
    message = rf"Only a ConvNet mixes targets: {name} is left out\."
    with pytest.warns(FrozenAugmentationWarning, match=message):
        np.testing.assert_array_equal(np.asarray(A), expected)
    np.testing.assert_array_equal(mixer.apply(X, mixer.draw(X)), X)
