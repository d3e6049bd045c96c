"""Pingdom's webhooks, of uptime and of transaction checks."""

from datetime import datetime

from pydantic import TypeAdapter

from signals.integration import Integration
from signals.signal import Signal, stable_key
from tocsin.web.senders.reading import (
    KB,
    Body,
    Id,
    Loose,
    LooseList,
    LooseMapping,
    Request,
    labels_of,
    read_json,
    title_of,
)

LIMIT = 256 * KB
_WELL = ("UP", "SUCCESS")


class PingdomBody(Body):
    check_id: Id
    check_name: Loose = ""
    check_type: Loose = ""
    check_params: LooseMapping = {}
    current_state: Id
    """UP or DOWN; SUCCESS or FAILING of a transaction."""
    previous_state: Loose = ""
    importance_level: Loose = ""
    description: Loose = ""
    long_description: Loose = ""
    tags: LooseList = []


_BODY = TypeAdapter(PingdomBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    check = read_json(_BODY, request.body)
    host = check.check_params.get("hostname")
    said = f": {check.long_description or check.description}" if check.long_description or check.description else ""
    labels = labels_of(
        {"hostname": host},
        check_name=check.check_name,
        check_type=check.check_type,
        importance_level=check.importance_level,
        tags=",".join(str(each) for each in check.tags if isinstance(each, str)),
    )
    name = check.check_name or f"check {check.check_id}"
    return [
        Signal(
            "resolve" if check.current_state.upper() in _WELL else "trigger",
            stable_key(check.check_id),
            title_of(f"{name} is {check.current_state}{said}", otherwise="A check of Pingdom"),
            host if isinstance(host, str) else "",
            check.importance_level or None,
            labels,
            request.body,
        )
    ]
