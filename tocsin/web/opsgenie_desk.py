"""Opsgenie's alert API, as its clients expect it: 202 at once, and a request id to ask with what became of it.

An alert's id carries its alias. Its tiny id is the number of the incident that it belongs to: an action by tiny id is
meant for everything of this integration that belongs there.
"""

from datetime import datetime

from engine.clock import random_token
from engine.intake import Heard
from engine.services import Engine
from engine.view import stamp
from incidents.errors import Overloaded, SignalRefused
from incidents.ids import incident_number, parse_incident_id
from signals.integration import Integration
from signals.signal import Action, Signal, one_line, stable_key
from tocsin.web.hearing import hear, integration_for, keys_in, read
from tocsin.web.http import Reply, json_reply, overloaded_reply
from tocsin.web.senders import opsgenie
from tocsin.web.senders.opsgenie import Fate
from tocsin.web.senders.reading import Request, named

_ACTIONS: dict[str, tuple[Action, str, str]] = {
    "close": ("resolve", "Close", "Alert closed"),
    "acknowledge": ("acknowledge", "Acknowledge", "Alert acknowledged"),
}
_NO_ALERT = "Alert does not exist"


class OpsgenieDesk:
    """Takes what is asked of `/v2/alerts` and below."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def take(self, request: Request, rest: list[str]) -> Reply:
        """`rest` is the path behind `/v2/alerts`."""
        integration = integration_for(self._engine, "opsgenie", keys_in(request.headers.get("authorization", "")))
        if integration is None:
            refusal = {"message": "Could not authenticate", "took": 0.0, "requestId": random_token(16)}
            return json_reply(401, refusal, (b"www-authenticate", b"GenieKey"))
        if rest[:1] == ["requests"] and len(rest) == 2:
            return self._status(integration, rest[1])
        try:
            found = await _Visit(self._engine, integration, request).answer(rest)
        except SignalRefused as error:
            errors = dict(each.split(": ", 1) for each in error.problems if ": " in each)
            sentence = "Request body is not processable. Please check the errors."
            return self._said(422, message=sentence, errors=errors)
        except Overloaded as error:
            return overloaded_reply(str(error), error.retry_after)
        return found or self._said(404, message="There is no such resource")

    def _said(self, status: int, **more: object) -> Reply:
        return json_reply(status, {**more, "took": 0.0, "requestId": random_token(16)})

    def _status(self, integration: Integration, request_id: str) -> Reply:
        fate = opsgenie.fate_of(request_id)
        if fate is None:
            return self._said(404, message="Request not found. It might not be processed, yet.")
        found = {
            "success": fate.done,
            "isSuccess": fate.done,
            "action": fate.action,
            "processedAt": fate.at,
            "integrationId": integration.name,
            "status": fate.status,
            "alertId": opsgenie.alert_id(fate.alias) if fate.alias else "",
            "alias": fate.alias,
        }
        return json_reply(200, {"data": found, "took": 0.0, "requestId": random_token(16)})


class _Visit:
    """One request of one integration."""

    def __init__(self, engine: Engine, integration: Integration, request: Request) -> None:
        self._engine = engine
        self._integration = integration
        self._request = request

    async def answer(self, rest: list[str]) -> Reply | None:
        """None for what Opsgenie's API does not have, or ours leaves out."""
        match self._request.method, rest:
            case "POST", []:
                return await self.create()
            case "GET", [identifier]:
                return await self.show(identifier)
            case "POST", [identifier, "close" | "acknowledge" as what]:
                return await self.act(identifier, what)
            case "DELETE", [identifier]:
                return await self.act(identifier, "close")
            case "POST", [identifier, "notes"]:
                return await self.note(identifier)
            case "PUT", [identifier, "message" | "description" as what]:
                return await self.rewrite(identifier, what)
        return None

    async def create(self) -> Reply:
        alert = await read(self._request.body, opsgenie.read_alert)
        alias = alert.alias or random_token(16)
        signal = opsgenie.alert_signal(alert, alias, self._integration, self._request.body)
        heard, refused = await hear(self._engine, self._integration, [signal])
        if refused is not None:
            return refused
        if alert.note:
            await self._note([signal.dedup_key], alert.user or alert.source, alert.note)
        return self._taken("Create", _created(heard), alias, done=True)

    async def show(self, identifier: str) -> Reply:
        """How an alert stands, as Opsgenie's own clients ask once it is made; 404 when no open incident has it."""
        keys = await self._keys(identifier)
        found = await self._engine.remarks.alert(self._integration, keys[0]) if keys else None
        more = {"took": 0.0, "requestId": random_token(16)}
        if found is None:
            return json_reply(404, {"message": f"Alert [{identifier[:200]}] does not exist", **more})
        moments = {"createdAt": _now(found.first_at), "updatedAt": _now(found.last_at)}
        data = {
            "id": opsgenie.alert_id(keys[0]),
            "tinyId": str(incident_number(found.incident)),
            "alias": keys[0],
            "message": found.title,
            "status": "open" if found.firing else "closed",
            "acknowledged": found.commander is not None,
            "isSeen": found.commander is not None,
            "owner": found.commander or "",
            "count": found.count,
            "lastOccurredAt": _now(found.last_at),
            "priority": f"P{found.severity[-1]}",
            **moments,
        }
        return json_reply(200, {"data": data, **more})

    async def act(self, identifier: str, what: str) -> Reply:
        action, word, done = _ACTIONS[what]
        said = opsgenie.read_action(self._request.body)
        keys = await self._keys(identifier)
        known = [each for each in keys if await self._engine.remarks.knows(self._integration, each)]
        if said.note:
            await self._note(known, said.user or said.source, said.note)
        signals = [Signal(action, each, named(what, each), said.source, body=self._request.body) for each in known]
        _, refused = await hear(self._engine, self._integration, signals)
        return refused or self._taken(
            word, done if known else _NO_ALERT, self._alias(identifier, keys), done=bool(known)
        )

    async def note(self, identifier: str) -> Reply:
        said = opsgenie.read_action(self._request.body)
        if not one_line(said.note):
            raise SignalRefused(["note: Note can not be empty."])
        keys = await self._keys(identifier)
        told = await self._note(keys, said.user or said.source, said.note)
        return self._taken("AddNote", "Note added" if told else _NO_ALERT, self._alias(identifier, keys), done=told > 0)

    async def rewrite(self, identifier: str, what: str) -> Reply:
        """A title stays what people were called with; what it is now stands in the timeline."""
        text = opsgenie.read_text(self._request.body, what)
        keys = await self._keys(identifier)
        told = await self._engine.remarks.note(self._integration, keys, f"Its {what} is now: {text}")
        status = f"{what.capitalize()} updated" if told else _NO_ALERT
        return self._taken(f"Update{what.capitalize()}", status, self._alias(identifier, keys), done=told > 0)

    async def _keys(self, identifier: str) -> list[str]:
        """The dedup keys that are meant, by id, alias or tiny id as `identifierType` says."""
        match self._request.query.get("identifierType", "id"):
            case "alias":
                return [stable_key(identifier)]
            case "tiny":
                incident = parse_incident_id(identifier)
                return [] if incident is None else await self._engine.remarks.keys_in(self._integration, incident)
            case "id":
                alias = opsgenie.alias_of(identifier)
                return [] if alias is None else [stable_key(alias)]
        raise SignalRefused(["identifierType: must be id, alias or tiny"])

    def _alias(self, identifier: str, keys: list[str]) -> str:
        return keys[0] if keys else identifier

    async def _note(self, keys: list[str], who: str, text: str) -> int:
        return await self._engine.remarks.note(self._integration, keys, f"{who}: {text}" if who else text)

    def _taken(self, action: str, status: str, alias: str, *, done: bool) -> Reply:
        request_id = Fate(action, status, alias, done, _now(self._engine.clock.now())).packed()
        return json_reply(202, {"result": "Request will be processed", "took": 0.0, "requestId": request_id})


def _created(heard: list[Heard]) -> str:
    incident = next((each.incident for each in heard if each.incident), None)
    return "Created alert" if incident is None else f"Created alert (tinyId {incident_number(incident)})"


def _now(moment: datetime) -> str:
    return stamp(moment) or ""
