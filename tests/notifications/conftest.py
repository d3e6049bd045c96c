"""The counterparties that these tests meet."""

from tests.support.counterparties import (  # noqa: F401 - fixtures are found by their names here
    emulators,
    misbehaving_provider,
    phones,
    recorder,
    strict_twilio,
)
from tests.support.mail_servers import mail_servers  # noqa: F401 - a fixture
