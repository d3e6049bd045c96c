"""The world in which the acceptance tests play."""

import pytest

from tests.support.world import World


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()
