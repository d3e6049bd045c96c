"""Telephones for the Twilio emulator, which itself neither rings nor runs TwiML.

A reverse proxy in front of it: it sees each call that is created, asks the caller's server for TwiML in Twilio's way
(signed by Twilio's own RequestValidator), obeys Gather, Redirect and Hangup, and presses the keys of the script.
"""

import asyncio
import base64
import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urljoin

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

_DOCUMENTS_A_CALL = 12


@dataclass
class Phone:
    """One telephone. `keys` are pressed one a menu, then nothing is; `picks_up` says who answers, if anybody."""

    picks_up: str = "human"
    """human, machine, nobody (rings out), busy, or rings (until the caller gives up)."""
    keys: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    """Every sentence said into it, in order."""
    rang: int = 0
    ended_with: list[str] = field(default_factory=list)
    """The last status of each call."""

    def presses(self, *keys: str) -> "Phone":
        self.keys.extend(keys)
        return self


class VoiceRobot:
    """All the telephones. `phone(number)` is a human who presses nothing until told otherwise."""

    def __init__(self, upstream: str, account_sid: str, auth_token: str) -> None:
        self.url = ""
        self._upstream = upstream
        self._account_sid = account_sid
        self._signer = RequestValidator(auth_token)
        pair = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._authorization = {"Authorization": f"Basic {pair}"}
        self._phones: dict[str, Phone] = {}
        self._calls: dict[str, asyncio.Task[None]] = {}

    def phone(self, number: str) -> Phone:
        return self._phones.setdefault(number, Phone())

    async def all_calls_over(self) -> None:
        """Wait until no telephone is in use. Raises whatever went wrong in a call that was not cancelled."""
        while waiting := [task for task in self._calls.values() if not task.done()]:
            await asyncio.wait(waiting)
        for task in self._calls.values():
            if not task.cancelled():
                task.result()

    async def start(self, port: int) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        for task in self._calls.values():
            task.cancel()
        await asyncio.gather(*self._calls.values(), return_exceptions=True)
        await self._runner.cleanup()
        await self._session.close()

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        dropped = ("host", "content-length", "accept-encoding")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        async with self._session.request(
            request.method, self._upstream + request.path_qs, data=body, headers=headers
        ) as answer:
            given = await answer.read()
            if request.method == "POST" and "/Calls" in request.path and answer.status in (200, 201):
                self._call_changed(json.loads(given)["sid"], dict(parse_qsl(body.decode())))
            return web.Response(body=given, status=answer.status, content_type=answer.content_type)

    def _call_changed(self, sid: str, form: dict[str, str]) -> None:
        if form.get("Status") in ("canceled", "completed"):
            if sid in self._calls:
                self._calls[sid].cancel()
        elif "To" in form:
            self._calls[sid] = asyncio.create_task(self._call(sid, form))

    async def _call(self, sid: str, form: dict[str, str]) -> None:
        phone = self.phone(form["To"])
        phone.rang += 1
        if phone.picks_up == "rings":
            await asyncio.Event().wait()
        if phone.picks_up in ("nobody", "busy"):
            await self._becomes(phone, sid, {"nobody": "no-answer"}.get(phone.picks_up, phone.picks_up))
            return
        await self._becomes(phone, sid, "in-progress")
        await self._listen(phone, sid, form)
        await self._becomes(phone, sid, "completed")

    async def _listen(self, phone: Phone, sid: str, form: dict[str, str]) -> None:
        told = {"CallSid": sid, "AccountSid": self._account_sid, "To": form["To"], "From": form["From"]}
        told |= {"Direction": "outbound-api", "ApiVersion": "2010-04-01", "CallStatus": "in-progress"}
        if form.get("MachineDetection"):
            told["AnsweredBy"] = "machine_start" if phone.picks_up == "machine" else "human"
        url = form.get("Url", "")
        document = form.get("Twiml") or await self._ask(url, told)
        for _ in range(_DOCUMENTS_A_CALL):
            following = self._obey(phone, document, url, told)
            if following is None:
                return
            url, parameters = following
            document = await self._ask(url, parameters)

    def _obey(self, phone: Phone, document: str, url: str, told: dict[str, str]) -> tuple[str, dict[str, str]] | None:
        """Hear one TwiML document; gives the next request it leads to, or None where the call ends."""
        for verb in ET.fromstring(document):
            phone.heard += [each.text or "" for each in verb.iter("Say")]
            if verb.tag == "Gather":
                if phone.picks_up == "human" and phone.keys:
                    return urljoin(url, verb.get("action", url)), {**told, "Digits": phone.keys.pop(0)}
                if verb.get("actionOnEmptyResult") == "true":
                    return urljoin(url, verb.get("action", url)), {**told, "Digits": ""}
            if verb.tag == "Redirect":
                return urljoin(url, (verb.text or "").strip()), told
            if verb.tag == "Hangup":
                return None
        return None

    async def _ask(self, url: str, parameters: dict[str, str]) -> str:
        signature = self._signer.compute_signature(url, parameters)
        async with self._session.post(url, data=parameters, headers={"X-Twilio-Signature": signature}) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def _becomes(self, phone: Phone, sid: str, status: str) -> None:
        """The emulator moves the call on and sends the signed status callback."""
        simulate = f"{self._upstream}/_twilio/simulate/call-status"
        form = {"CallSid": sid, "Status": status}
        async with self._session.post(simulate, data=form, headers=self._authorization) as answer:
            answer.raise_for_status()
        if status not in ("queued", "ringing", "in-progress"):
            phone.ended_with.append(status)
