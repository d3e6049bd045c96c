"""An engine's state in memory."""

from datetime import UTC, datetime

import pytest

from tests.support.memory import Memory
from tests.support.plans import crisis_plan, everybody


@pytest.fixture
def memory():
    return Memory(crisis_plan(), everybody(), datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
