"""Real processes and real counterparties."""

from tests.support.bluesky import bluesky_network  # noqa: F401 - a fixture
from tests.support.counterparties import (  # noqa: F401 - fixtures
    emulators,
    recorder,
    start_alertmanager,
    strict_twilio,
)
from tests.support.fediverse import fediverse  # noqa: F401 - a fixture
from tests.support.mail_servers import mail_servers  # noqa: F401 - a fixture
from tests.support.real_engine import engines  # noqa: F401 - a fixture
