"""`tocsin worker`: prepares the environment that Prefect reads when it is imported, and only then imports it."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import httpx

from flows.pace import Pace
from flows.server import prefect_home

FOREIGN = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH")
"""The user's own Prefect profile is neither read nor written."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`prefect_api_url` ends in `/api`. `live_runs` bounds the incidents that this worker drives at once."""

    home: Path
    prefect_api_url: str
    live_runs: int = 200
    pace: Pace = field(default_factory=Pace)


def run_worker(settings: WorkerSettings) -> int:
    """Carry flow runs until told to stop; gives the exit code. Blocks; call it from the main thread of its own process.

    The order to stop is the end of a pipe on standard input (or a line `stop` from it), SIGTERM or SIGINT: every run
    parks first. Waits for an engine and for a Prefect server that are not there yet.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(worker_environment(settings, os.environ))
    # Prefect reads its settings once, at import: not before the environment stands.
    code: int = import_module("flows.carry").carry(settings)
    return code


def worker_environment(settings: WorkerSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """What Prefect must find in the environment of a worker; writes TOCSIN_HOME/prefect/one.pem."""
    own = prefect_home(settings.home)
    own.mkdir(parents=True, exist_ok=True)
    env = {
        "PREFECT_HOME": str(own),
        "PREFECT_PROFILES_PATH": str(own / "profiles.toml"),
        "PREFECT_API_URL": settings.prefect_api_url,
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": environ.get("PREFECT_LOGGING_LEVEL", "WARNING"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    }
    if settings.prefect_api_url.startswith("http://"):
        # Prefect builds an SSL context from this file twice a flow, over http too: one certificate takes 31 ms of CPU
        # a flow, the whole bundle 114 ms. Over https the real bundle is needed.
        env["PREFECT_API_SSL_CERT_FILE"] = str(one_certificate(own / "one.pem"))
    return env


def one_certificate(path: Path) -> Path:
    """A PEM file with a single certificate, whichever; written once."""
    if not path.exists():
        known = httpx.create_ssl_context().get_ca_certs(binary_form=True)
        path.write_text(ssl.DER_cert_to_PEM_cert(known[0]), encoding="ascii")
    return path
