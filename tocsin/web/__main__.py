"""`python -m tocsin.web` rewrites docs/openapi.json."""

from tocsin.web.app import described_app
from tocsin.web.openapi import write

write(described_app())
