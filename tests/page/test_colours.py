"""Colours of concepts: no two alike, and names on them can be read."""

import itertools

import numpy as np

from whenabouts.page.colours import luminance, swatches

# What people without one sort of cone see (Viénot, Brettel and Mollon, 1999), in linear RGB.
_SEEN_BY = {
    "all cones": np.eye(3),
    "no red cone": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "no green cone": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def test_nine_colours_can_be_told_apart_by_everybody() -> None:
    fills = [look.fill for look in swatches([str(number) for number in range(9)]).values()]
    for matrix in _SEEN_BY.values():
        seen = [np.cbrt(np.clip(matrix @ linear(fill), 0, 1)) for fill in fills]
        nearest = min(float(np.linalg.norm(one - other)) for one, other in itertools.combinations(seen, 2))
        assert nearest > 0.08


def test_many_concepts_differ_by_texture_as_well() -> None:
    looks = list(swatches([str(number) for number in range(27)]).values())
    assert len(set(looks)) == 27
    assert {look.texture for look in looks[:9]} == {"plain"}


def test_names_can_be_read_on_their_colours() -> None:
    for look in swatches([str(number) for number in range(9)]).values():
        light, dark = sorted((luminance(look.fill), luminance(look.ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
