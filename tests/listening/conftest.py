"""Sources, each against what it reads."""

from tests.support.bluesky import bluesky_network  # noqa: F401 - a fixture
from tests.support.mail_servers import mail_servers  # noqa: F401 - a fixture
