"""make_noughts_and_crosses: closed forms, draws, labels, bad parameters."""

import ast
import inspect

import numpy as np
import numpydoc.docscrape as docscrape
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skcnn.datasets._noughts_and_crosses import REACH, STROKE_WIDTH, make_noughts_and_crosses

SIZES = [8, 9, 16, 17, 28, 33]
# A range of one value makes the variation certain.
VARIATIONS = {
    "translation": (0.1, 0.1),
    "scaling": (0.7, 0.7),
    "rotation": (45.0, 45.0),
    "stroke_weight": (1.5, 1.5),
}


def letters(size, **variations):
    """Return an O and an X."""
    X, y = make_noughts_and_crosses(2, size, **variations, random_state=0)
    by_name = dict(zip(y, X.astype(np.float64), strict=True))
    return by_name["O"], by_name["X"]


def naive_ink(distance, width):
    """Return the overlap of a pixel and a stroke, both intervals across the stroke."""
    low = max(distance - 0.5, -width / 2)
    high = min(distance + 0.5, width / 2)
    return max(high - low, 0.0)


def distance_to_segment(point, start, end):
    along = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return np.linalg.norm(point - start - along * (end - start))


def naive_letters(size, down, right, factor, degrees, weight):
    """Draw an O and an X pixel by pixel, the X from the ends of its turned strokes."""
    centre = np.array([(size - 1) / 2 + down * size, (size - 1) / 2 + right * size])
    reach, width = REACH * factor * size, STROKE_WIDTH * factor * weight * size
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    ends = np.array([[-1, -1], [1, 1], [-1, 1], [1, -1]]) * reach @ turn.T + centre
    nought, cross = np.zeros((size, size)), np.zeros((size, size))
    for pixel in np.ndindex(size, size):
        point = np.array(pixel, float)
        to_circle = abs(np.linalg.norm(point - centre) - reach)
        to_strokes = min(
            distance_to_segment(point, *ends[:2]), distance_to_segment(point, *ends[2:])
        )
        nought[pixel], cross[pixel] = naive_ink(to_circle, width), naive_ink(to_strokes, width)
    return nought, cross


def radius_of(nought):
    """Return the mean distance of the ink from the centre."""
    pixel = np.arange(len(nought)) - (len(nought) - 1) / 2
    distance = np.hypot(*np.meshgrid(pixel, pixel))
    return (nought * distance).sum() / nought.sum()


@settings(max_examples=20, deadline=None)
@given(
    size=st.integers(8, 17),
    translation=st.floats(-0.3, 0.3),
    factor=st.floats(0.4, 1.6),
    degrees=st.floats(-180, 180),
    weight=st.floats(0.3, 2.5),
)
def test_letters_are_those_drawn_pixel_by_pixel(size, translation, factor, degrees, weight):
    drawn = letters(
        size,
        translation=(translation, translation),
        scaling=(factor, factor),
        rotation=(degrees, degrees),
        stroke_weight=(weight, weight),
    )
    expected = naive_letters(size, translation, translation, factor, degrees, weight)
    np.testing.assert_allclose(drawn, expected, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_letters_are_symmetric_under_quarter_turns_and_flips(size):
    for letter in letters(size):
        for same in (np.rot90(letter), np.flipud(letter), np.fliplr(letter), letter.T):
            np.testing.assert_array_equal(letter, same)


@pytest.mark.parametrize("size", SIZES)
def test_centre_is_ink_in_an_x_and_ground_in_an_o(size):
    nought, cross = letters(size)
    centre = np.ix_(*2 * [[(size - 1) // 2, size // 2]])  # one pixel or four
    assert (cross[centre] == 1).all()
    assert (nought[centre] == 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_clean_letters_take_three_fifths_of_the_side(size):
    for letter in letters(size):
        inked = np.flatnonzero(letter.any(axis=0))
        assert inked[-1] - inked[0] + 1 == pytest.approx(0.6 * size, abs=2)


def test_both_letters_have_about_the_same_ink():
    nought, cross = letters(28)
    assert nought.sum() == pytest.approx(2 * np.pi * REACH * STROKE_WIDTH * 28**2, rel=0.01)
    assert cross.sum() == pytest.approx(nought.sum(), rel=0.1)


@pytest.mark.parametrize(("size", "pixels"), [(16, 2), (16, -3), (17, 1), (28, 4)])
def test_translation_by_whole_pixels_is_a_shift(size, pixels):
    moved = letters(size, translation=(pixels / size, pixels / size))
    for letter, expected in zip(moved, letters(size), strict=True):
        shifted = np.roll(expected, (pixels, pixels), axis=(0, 1))
        np.testing.assert_allclose(letter, shifted, atol=1e-5)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.2, 1.5])
def test_scaling_changes_radius_and_ink_as_the_factor_does(factor):
    nought, _ = letters(32)
    scaled, _ = letters(32, scaling=(factor, factor))
    assert radius_of(scaled) / radius_of(nought) == pytest.approx(factor, rel=0.02)
    assert scaled.sum() / nought.sum() == pytest.approx(factor**2, rel=0.02)


def test_a_turn_of_45_degrees_makes_an_upright_cross():
    nought, cross = letters(17)
    turned_nought, upright = letters(17, rotation=(45, 45))
    np.testing.assert_allclose(turned_nought, nought, atol=1e-5)
    assert (upright[8, 4:13] == 1).all()
    assert (upright[4:13, 8] == 1).all()
    assert upright[5, 5] == 0 < cross[5, 5]


def test_positive_degrees_turn_counter_clockwise():
    _, cross = letters(33, rotation=(20, 20))
    # 45 + 20 degrees above the x axis, 7 pixels from the centre
    angle = np.deg2rad(65)
    row, column = round(16 - 7 * np.sin(angle)), round(16 + 7 * np.cos(angle))
    assert cross[row, column] == 1
    assert cross[row, 32 - column] == 0


def test_ink_grows_with_the_stroke_weight():
    for which in (0, 1):
        inks = [letters(28, stroke_weight=(w, w))[which].sum() for w in (0.2, 0.5, 1.0, 1.5, 2.0)]
        assert (np.diff(inks) > 0).all()
    thin, bold = (letters(28, stroke_weight=(w, w))[0].sum() for w in (0.5, 1.5))
    assert bold / thin == pytest.approx(3, rel=0.01)


MODERATE = [
    {"translation": 0.2},
    {"scaling": 0.6},
    {"rotation": 180},
    {"translation": 0.1, "rotation": 180},
    {"scaling": 0.25, "rotation": 180},
    {"stroke_weight": 0.9},
]


def on_a_wider_ground(size, *, translation=0.0, scaling=0.0, **others):
    """Draw the same letters, pixel by pixel, in a picture twice as high and wide."""
    return make_noughts_and_crosses(
        100,
        2 * size,
        translation=translation / 2,
        scaling=((1 - scaling) / 2, (1 + scaling) / 2),
        **others,
        random_state=0,
    )[0]


@pytest.mark.parametrize("size", [8, 16, 28])
@pytest.mark.parametrize("moderate", MODERATE, ids=str)
def test_letters_stay_in_the_picture_for_moderate_variations(moderate, size):
    X, _ = make_noughts_and_crosses(100, size, **moderate, random_state=0)
    wide = on_a_wider_ground(size, **moderate)
    inside = slice(size // 2, size // 2 + size)
    np.testing.assert_allclose(wide[:, inside, inside], X, atol=1e-5)
    wide[:, inside, inside] = 0
    assert wide.max() < 1e-5


@pytest.mark.parametrize("n_samples", [1, 2, 7, 100])
def test_letters_are_balanced(n_samples):
    _, y = make_noughts_and_crosses(n_samples, 8, random_state=0)
    assert abs((y == "O").sum() - (y == "X").sum()) == n_samples % 2
    assert set(y) <= {"O", "X"}
    assert y.dtype.kind == "U"


def test_letters_are_shuffled():
    _, y = make_noughts_and_crosses(100, 8, random_state=0)
    changes = (y[1:] != y[:-1]).sum()
    assert 30 < changes < 70


@pytest.mark.parametrize("size", SIZES)
def test_pictures_are_float32_between_zero_and_one(size):
    X, y = make_noughts_and_crosses(20, size, **VARIATIONS, random_state=0)
    assert X.shape == (20, size, size)
    assert y.shape == (20,)
    assert X.dtype == np.float32
    assert X.min() == 0
    assert 0.9 < X.max() <= 1


def test_noise_has_its_standard_deviation_and_is_not_clipped():
    clean, y = make_noughts_and_crosses(100, random_state=0)
    noisy, same_y = make_noughts_and_crosses(100, noise=0.2, random_state=0)
    np.testing.assert_array_equal(y, same_y)
    assert noisy.dtype == np.float32
    assert (noisy - clean).std() == pytest.approx(0.2, rel=0.02)
    assert (noisy - clean).mean() == pytest.approx(0, abs=0.01)
    assert noisy.min() < 0
    assert noisy.max() > 1


def test_random_state_settles_the_data():
    parameters = {**VARIATIONS, "rotation": 90, "noise": 0.1}
    X, y = make_noughts_and_crosses(**parameters, random_state=3)
    for again in (3, np.int64(3), np.random.RandomState(3)):
        same_X, same_y = make_noughts_and_crosses(**parameters, random_state=again)
        np.testing.assert_array_equal(X, same_X)
        np.testing.assert_array_equal(y, same_y)
    other_X, other_y = make_noughts_and_crosses(**parameters, random_state=4)
    assert (other_X != X).any()
    assert (other_y != y).any()


def test_none_draws_from_numpys_global_state_as_in_scikit_learn():
    state = np.random.get_state()
    try:
        np.random.seed(5)
        _, y = make_noughts_and_crosses(50, 8)
    finally:
        np.random.set_state(state)
    np.testing.assert_array_equal(y, make_noughts_and_crosses(50, 8, random_state=5)[1])


RANDOM = {"translation": 0.1, "scaling": 0.3, "rotation": 40, "stroke_weight": 0.5}


@pytest.mark.parametrize("name", RANDOM)
def test_every_sample_has_a_draw_of_its_own(name):
    X, y = make_noughts_and_crosses(40, **{name: RANDOM[name]}, random_state=0)
    crosses = X[y == "X"]
    assert len(np.unique(crosses, axis=0)) == len(crosses)


@pytest.mark.parametrize("name", RANDOM)
def test_labels_and_draws_do_not_depend_on_the_other_variations(name):
    others = {other: value for other, value in RANDOM.items() if other != name}
    neutral = {"translation": 0, "scaling": 1, "rotation": 0, "stroke_weight": 1}[name]
    X, y = make_noughts_and_crosses(20, **others, random_state=0)
    same_X, same_y = make_noughts_and_crosses(
        20, **others, **{name: (neutral, neutral)}, random_state=0
    )
    _, clean_y = make_noughts_and_crosses(20, random_state=0)
    np.testing.assert_array_equal(X, same_X)
    np.testing.assert_array_equal(y, same_y)
    np.testing.assert_array_equal(y, clean_y)


AMOUNTS = [
    ("translation", 0.2, (-0.2, 0.2)),
    ("scaling", 0.3, (0.7, 1.3)),
    ("rotation", 30, (-30, 30)),
    ("stroke_weight", 0.5, [0.5, 1.5]),
]


@pytest.mark.parametrize(("name", "amount", "pair"), AMOUNTS)
def test_an_amount_is_a_range_about_the_clean_letter(name, amount, pair):
    by_amount, _ = make_noughts_and_crosses(10, **{name: amount}, random_state=0)
    by_pair, _ = make_noughts_and_crosses(10, **{name: pair}, random_state=0)
    np.testing.assert_array_equal(by_amount, by_pair)


def test_both_axes_have_a_translation_of_their_own():
    X, _ = make_noughts_and_crosses(500, 16, translation=0.2, random_state=0)
    pixel = np.arange(16) - 7.5
    ink = X.sum(axis=(1, 2))
    down = (X.sum(axis=2) @ pixel) / ink / 16
    right = (X.sum(axis=1) @ pixel) / ink / 16
    for shift in (down, right):
        assert shift.min() == pytest.approx(-0.2, abs=0.01)
        assert shift.max() == pytest.approx(0.2, abs=0.01)
        assert shift.mean() == pytest.approx(0, abs=0.02)
    assert abs(np.corrcoef(down, right)[0, 1]) < 0.15


WHAT = "must be a number a >= 0, for draws within a of {}, or a pair .*Got {} instead"
BAD = [
    ({"n_samples": 0}, r"'n_samples' .* make_noughts_and_crosses must be an int in .*Got 0"),
    ({"n_samples": 10.0}, r"'n_samples' .* must be an int .*Got 10\.0"),
    ({"size": 7}, r"'size' .* must be an int in the range \[8, inf\).*Got 7"),
    ({"size": (16, 16)}, r"'size' .*Got \(16, 16\)"),
    ({"noise": -0.1}, r"'noise' .* must be a float in the range \[0.0, inf\).*Got -0\.1"),
    ({"random_state": "seed"}, "'random_state' .*Got 'seed'"),
    ({"translation": -0.1}, "'translation' .*" + WHAT.format(0, r"-0\.1")),
    ({"translation": 3}, r"'translation' .*both ends must be a float in the range \[-1.0, 1.0\].*Got 3"),
    ({"translation": (-2, 0)}, r"'translation' .*range \[-1.0, 1.0\].*Got \(-2, 0\)"),
    ({"translation": (0.2, 0.1)}, r"'translation' .*low <= high.*Got \(0\.2, 0\.1\)"),
    ({"translation": (0.1, 0.2, 0.3)}, r"'translation' .*Got \(0\.1, 0\.2, 0\.3\)"),
    ({"translation": (0.1, "b")}, r"'translation' .*Got \(0\.1, 'b'\)"),
    ({"scaling": 1}, "'scaling' .*" + WHAT.format(1, 1)),
    ({"scaling": (0, 1)}, r"'scaling' .*range \(0.0, inf\).*Got \(0, 1\)"),
    ({"rotation": np.nan}, "'rotation' .*" + WHAT.format(0, "nan")),
    ({"rotation": np.inf}, "'rotation' .*Got inf"),
    ({"rotation": (0, np.inf)}, r"'rotation' .*Got \(0, inf\)"),
    ({"rotation": "left"}, "'rotation' .*Got 'left'"),
    ({"rotation": None}, "'rotation' .*Got None"),
    ({"stroke_weight": 1.5}, "'stroke_weight' .*" + WHAT.format(1, r"1\.5")),
    ({"stroke_weight": (-0.5, 1)}, r"'stroke_weight' .*Got \(-0\.5, 1\)"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "message"), BAD, ids=str)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_noughts_and_crosses(**parameters)


def test_docstring_has_the_parameters_and_defaults_of_the_signature():
    entries = docscrape.FunctionDoc(make_noughts_and_crosses)["Parameters"]
    documented = {
        entry.name: ast.literal_eval(entry.type.partition("default=")[2]) for entry in entries
    }
    parameters = inspect.signature(make_noughts_and_crosses).parameters
    assert list(documented) == list(parameters)
    assert documented == {name: p.default for name, p in parameters.items()}
