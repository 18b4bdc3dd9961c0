"""Every display is held against a stored picture, with a tolerance for letters."""

import numpy as np
import pytest

plt = pytest.importorskip("matplotlib.pyplot")

from images import make  # noqa: E402

_BLOCK = 5  # pixels, over which letters are blurred before pictures are compared
_MOST = 0.015  # root mean square difference of blocks, where 1 is black against white


@pytest.fixture(autouse=True)
def _no_open_figures():
    yield
    plt.close("all")


def stored(name):
    """RGB values (height, width, 3) in uint8 of a stored picture."""
    picture = plt.imread(make.FOLDER / f"{name}.png")[..., :3]
    return np.uint8(255 * picture + 0.5)


def blocks(picture):
    """Means over blocks of pixels, from 0 to 1."""
    height, width = (n // _BLOCK for n in picture.shape[:2])
    cut = picture[: height * _BLOCK, : width * _BLOCK] / 255
    return cut.reshape(height, _BLOCK, width, _BLOCK, 3).mean(axis=(1, 3))


def difference(a, b):
    """Root mean square difference of the blocks of two pictures of one size."""
    return np.sqrt(np.mean((blocks(a) - blocks(b)) ** 2))


@pytest.mark.parametrize("name", make.PICTURES)
def test_picture_is_as_stored(name):
    now, before = make.drawn(make.PICTURES[name]), stored(name)
    assert now.shape == before.shape
    assert difference(now, before) < _MOST


def test_the_comparison_notices_two_leads_that_changed_places():
    X = make.ecgs()
    X[:, [7, 9]] = X[:, [9, 7]]
    X[:, 4] = np.nan
    wrong = make.ECGDisplay(X, make.RATE)
    assert difference(make.drawn(wrong.plot), stored("ecg_3x4")) > _MOST


def test_the_comparison_notices_a_group_that_is_missing():
    three, two = (stored(f"kaplan_meier{name}") for name in ("", "_two_groups"))
    assert difference(three, two) > _MOST


def test_the_comparison_forgives_other_letters():
    def with_other_letters():
        display = make.training_curve()
        for ax in display.axes_:
            for text in (ax.xaxis.label, ax.yaxis.label, ax.title):
                text.set_family("DejaVu Serif")
        return display

    now, before = make.drawn(with_other_letters), stored("training_curve")
    assert 0 < difference(now, before) < _MOST


def test_no_stored_picture_is_left_over():
    assert {path.stem for path in make.FOLDER.glob("*.png")} == set(make.PICTURES)
