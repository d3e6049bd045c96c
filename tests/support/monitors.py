"""An integration of every kind, and what monitors were seen to send: tests/payloads (captured) and, where shared/ is in
the tree, samples from vendors' documentation.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from signals.integration import KINDS, Integration
from tests.support.counterparties import SHARED
from tocsin.web.senders.reading import Request

CAPTURED = Path(__file__).parents[1] / "payloads"
DOCUMENTED = SHARED / "testing" / "payloads" / "docs"

MAPPING: dict[str, Any] = {
    "each": "$.problems[*]",
    "summary": "{{ item.host }} is {{ item.state }}",
    "dedup_key": "$.id",
    "severity": "$.level",
    "source": "{{ body.tool }}",
    "action": {"of": "$.state", "resolve": ["up"], "acknowledge": ["seen"], "ignore": ["test"]},
    "labels": {"host": "$.host", "region": "{{ body.region }}"},
}
_WORDS = {"critical": "SEV1", "error": "SEV2", "warning": "SEV3", "info": "SEV4", "P1": "SEV1"}


def key_of(kind: str) -> str:
    return f"{kind}-key-0123456789"


def integration(kind: str, **more: Any) -> dict[str, Any]:
    """The entry of plan.yaml."""
    entry = {
        "name": f"our-{kind}",
        "kind": kind,
        "key": key_of(kind),
        "severity_words": _WORDS,
        "routes": [{"situation": "SHOP_DOWN"}],
    }
    return {**entry, **({"mapping": MAPPING} if kind == "generic" else {}), **more}


def declared(kind: str, **more: Any) -> Integration:
    return Integration.model_validate_json(json.dumps(integration(kind, **more)))


EVERY_OTHER = [integration(kind) for kind in KINDS if kind not in ("alertmanager", "pagerduty", "signals")]
"""Beside those that every test plan has."""


def captured(name: str) -> dict[str, Any]:
    """A request that a real program made: method, path, headers and body."""
    found: dict[str, Any] = json.loads((CAPTURED / f"{name}.json").read_text(encoding="utf-8"))
    return found


def documented(name: str, sample: str | None = None) -> Any:
    """A body as a vendor's documentation or another project's tests have it."""
    path = DOCUMENTED / f"{name}.json"
    if not path.is_file():
        pytest.skip("needs the documented payloads in $TOCSIN_SHARED/testing/payloads/docs, which are not in this tree")
    found = json.loads(path.read_text(encoding="utf-8"))
    whole = found.get("sample", found.get("samples"))
    return whole if sample is None else whole[sample]


def request(body: object, **headers: str) -> Request:
    """A request with a JSON body; a header's name with _ for -."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(raw, {name.replace("_", "-"): value for name, value in headers.items()})
