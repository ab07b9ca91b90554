"""Small planted worlds and quickly trained localizers for the tests of this room."""

import numpy as np
import pytest
import torch

from whenabouts.core.progress import Silent
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers.winners_out import WinnersOut
from whenabouts.localizers.winners_out_settings import WinnersOutSettings


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small products are faster on one thread, and the tests leave the other core alone."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world() -> PlantedWorld:
    """Twenty videos of two streams and four concepts."""
    return planted_world(20, np.random.default_rng(5), WorldShape(seconds=(12.0, 24.0)))


@pytest.fixture(scope="session")
def quick(world: PlantedWorld) -> WinnersOut:
    """A localizer trained for a few epochs: good enough to compare its own answers."""
    settings = WinnersOutSettings(epochs=3, attentions=3)
    return WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary, seed=3)
