"""The telephones of a story: a robot that picks up and presses keys, before Prism, before Twilio's emulator."""

import asyncio
from typing import Any

from tests.support.counterparties import Emulators
from tests.support.phones import Phone, VoiceRobot
from tests.support.real_engine import Person, RealEngine


class StrictRobot(VoiceRobot):
    """Every request of ours goes through Prism; what the telephones themselves do is told to the emulator."""

    def __init__(self, strict_twilio: str, emulators: Emulators) -> None:
        super().__init__(strict_twilio, emulators.account_sid, emulators.auth_token)
        self._emulators = emulators

    async def _becomes(self, phone: Phone, sid: str, status: str) -> None:
        await asyncio.to_thread(self._emulators.call_becomes, sid, status)
        if status not in ("queued", "ringing", "in-progress"):
            phone.ended_with.append(status)


class Network:
    """What people outside see and do. Its questions are answered from the providers' own lists."""

    def __init__(self, emulators: Emulators, robot: VoiceRobot) -> None:
        self.emulators = emulators
        self.robot = robot

    def telephone(self, owner: Person) -> Phone:
        return self.robot.phone(owner.channels["voice"])

    async def messages(self, to: Person) -> list[dict[str, Any]]:
        """Every SMS to this person, the first one first."""
        found = await asyncio.to_thread(self.emulators.messages, to.channels["sms"])
        return found[::-1]

    async def calls(self, to: Person) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.emulators.calls, to.channels["voice"])

    async def posts(self, to: Person) -> list[dict[str, Any]]:
        """What stands in the direct messages of this person in Slack, the first one first."""
        return await asyncio.to_thread(self._posts, to.channels["slack"])

    def _posts(self, user: str) -> list[dict[str, Any]]:
        conversation = self.emulators.slack("conversations.open", users=user)["channel"]["id"]
        found: list[dict[str, Any]] = self.emulators.slack(
            "conversations.history", channel=conversation, limit="200", include_all_metadata="true"
        )["messages"]
        return found[::-1]

    async def gets_an_sms(self, engine: RealEngine, who: Person, words: str = "") -> dict[str, Any]:
        """Wait for an SMS with these words; gives it."""

        async def arrived() -> dict[str, Any] | None:
            return next((each for each in await self.messages(who) if words in each["body"]), None)

        return await engine.eventually(arrived, f"an SMS to {who.id} with {words!r}")

    async def receives(self, sms: dict[str, Any]) -> None:
        """The telephone gives its receipt."""
        await asyncio.to_thread(self.emulators.message_becomes, sms["sid"], "delivered")

    async def writes(self, engine: RealEngine, who: Person, text: str) -> None:
        """This person answers our number by SMS, through the emulator."""
        await asyncio.to_thread(self.emulators.replies_go_to, f"{engine.url}/twilio/sms")
        await asyncio.to_thread(self.emulators.text_us, who.channels["sms"], text)
