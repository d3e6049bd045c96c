"""The command line of a Prefect server of our own, for whoever supervises it. Imports no Prefect."""

import sys
from collections.abc import Mapping
from pathlib import Path

FOREIGN = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "PREFECT_API_URL", "PREFECT_API_KEY")
"""The user's own Prefect: no server of ours may read it."""


def prefect_home(home: Path) -> Path:
    """Where our Prefect keeps its own: the user's profile is neither read nor written."""
    return home.resolve() / "prefect"


def prefect_api_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def prefect_server_command(home: Path, port: int, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The argv and the whole environment of `prefect server start` with its SQLite file in TOCSIN_HOME/prefect.

    `environ` is what the supervisor's own children inherit. Healthy (GET /api/health) 11-16 s after its start.
    """
    own = prefect_home(home)
    argv = [sys.executable, "-m", "flows.prefect_server", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    env = {name: value for name, value in environ.items() if name not in FOREIGN}
    env |= {
        "PREFECT_HOME": str(own),
        "PREFECT_PROFILES_PATH": str(own / "profiles.toml"),
        "PREFECT_API_URL": prefect_api_url(port),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{own / 'prefect.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Its pages show runs by their own start; runs that wait for the worker are no scheduled work that came late.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        # It grows about 58 KB a flow; by default the vacuum removes events only. It never touches Running runs.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    return argv, env
