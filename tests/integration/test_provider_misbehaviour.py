"""A provider in trouble, seen by a real engine: the next channel goes at once, and copies only as "Sending" allows."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from tests.integration.carrier import message_id_of
from tests.support.counterparties import Emulators, free_port
from tests.support.misbehaving_provider import How, Listing, MisbehavingProvider
from tests.support.real_engine import Engines, Person, PlanFiles, RealEngine, person, rung

pytestmark = pytest.mark.slow

AUTH_TOKEN = Emulators("", "").auth_token


class Moody(MisbehavingProvider):
    """Treats every number, and SMS and calls, in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.sms: dict[str, How] = {}
        self.lists: dict[str, Listing] = {}
        self.before_answering: Callable[[dict[str, Any]], Awaitable[None]] | None = None

    def messages(self, to: Person) -> list[dict[str, Any]]:
        return [each for each in self.accepted if each["To"] == to.channels["sms"] and "Body" in each]

    def calls(self, to: Person) -> list[dict[str, Any]]:
        return [each for each in self.accepted if each["To"] == to.channels["voice"] and "Body" not in each]

    def has_copies(self, to: Person) -> bool:
        return len(self.messages(to)) > 1

    async def _created(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        if self.before_answering is not None:
            await self.before_answering(form)
        # Read at once by what follows, before anything else can run.
        self.how = self.sms.get(str(form.get("To")), "answers") if "Body" in form else "answers"
        return await super()._created(request)

    async def _listed(self, request: web.Request) -> web.StreamResponse:
        self.listing = self.lists.get(request.query.get("To", ""), "truth")
        return await super()._listed(request)


@pytest.fixture
async def provider() -> AsyncIterator[Moody]:
    found = Moody()
    await found.start(free_port())
    yield found
    await found.stop()


async def page_of(engine: RealEngine, contact: str, channel: str, incident: str = "INC-1") -> dict[str, Any]:
    """The first page to this contact on this channel, as the log has it; waits for it."""

    async def asked() -> dict[str, Any] | None:
        pages = (await engine.show(incident))["pages"]
        return next((each for each in pages if (each["contact"], each["channel"]) == (contact, channel)), None)

    return await engine.eventually(asked, f"a page to {contact} by {channel}")


TROUBLES: list[tuple[How, str, int]] = [
    # what the provider does with an SMS, what the log says of it, how many the provider has
    ("never answers", "unknown", 1),
    ("answers late", "unknown", 1),
    ("hangs up", "unknown", 1),
    ("half a body", "unknown", 1),
    ("fails", "unknown", 0),
    ("too many", "provider-error", 0),
    ("unavailable", "provider-error", 0),
    ("unauthorized", "provider-error", 0),
    ("refuses", "refused", 0),
]


@pytest.mark.parametrize(("trouble", "failure", "accepted"), TROUBLES, ids=[each for each, _, _ in TROUBLES])
async def test_the_next_channel_goes_at_once(
    engines: Engines, provider: Moody, trouble: How, failure: str, accepted: int
):
    ana, bob, dora = person("ana", "sms", "voice"), person("bob"), person("dora")
    engine = await engines.make(
        PlanFiles([ana, bob, dora], [rung("ana"), rung("bob")], ["dora"]), twilio_url=provider.url
    ).up()
    provider.sms[ana.channels["sms"]] = trouble
    provider.retry_after = "3600"

    await engine.hears("alert")
    await engine.until(lambda: provider.calls(ana), "the call, long before the rung is over")

    by_sms = await page_of(engine, "ana", "sms")
    assert by_sms["failure"] == failure
    assert len(provider.messages(ana)) == accepted
    assert not provider.messages(bob), "ana has been called: her rung's time runs"
    assert not (await page_of(engine, "ana", "voice"))["possible_duplicate"]


async def test_unknown_pages_are_repeated_only_where_no_other_channel_is_left_and_proven_ones_never(
    engines: Engines, provider: Moody
):
    listed, empty, refused, silent, failed, lucky, other = people = [
        *(person(each, "sms") for each in ("listed", "empty", "refused", "silent", "failed", "lucky")),
        person("other", "sms", "voice"),
    ]
    names = [each.id for each in people]
    plan = PlanFiles([*people, person("dora")], [rung(*names)], ["dora"])
    engine = await engines.make(plan, twilio_url=provider.url).up()
    provider.sms = {each.channels["sms"]: "never answers" for each in people}
    provider.sms |= {failed.channels["sms"]: "fails", lucky.channels["sms"]: "answers"}
    provider.lists = {
        empty.channels["sms"]: "empty",
        refused.channels["sms"]: "refused",
        silent.channels["sms"]: "never answers",
        other.channels["sms"]: "empty",
    }

    await engine.hears("alert")
    await engine.until(lambda: provider.calls(other), "the other channel")
    for unproven in (empty, refused, silent):
        await engine.until(partial(provider.has_copies, unproven), f"{unproven.id}'s copy", 90)
        first, second = (each["Body"] for each in provider.messages(unproven))
        assert not first.startswith("COPY?")
        assert second.startswith("COPY? SEV1 INC-1 ")
    await page_of(engine, "failed", "sms")

    assert len(provider.messages(listed)) == len(provider.messages(lucky)) == 1
    assert len(provider.messages(other)) == len(provider.calls(other)) == 1
    assert (await page_of(engine, "listed", "sms"))["state"] == "sent", "found in the provider's list"


async def test_a_notice_waits_as_long_as_the_provider_asks_and_goes_once(engines: Engines, provider: Moody):
    ana, bob, dora = person("ana", "sms"), person("bob", "sms"), person("dora")
    plan = PlanFiles([ana, bob, dora], [rung("ana", "bob")], ["dora"])
    engine = await engines.make(plan, twilio_url=provider.url).up()
    await engine.hears("alert")
    await engine.until(lambda: provider.messages(ana) and provider.messages(bob), "both pages")
    await page_of(engine, "ana", "sms")
    provider.sms[ana.channels["sms"]] = "too many"
    provider.retry_after = "3"
    asked = len(provider.asked)

    await engine.eventually(lambda: _both_left(engine), "both have left")
    await engine.does("INC-1", "acknowledge", "bob")
    await engine.until(lambda: len(provider.asked) > asked, "the refusal")
    provider.sms[ana.channels["sms"]] = "answers"

    def told() -> list[str]:
        return [each["Body"] for each in provider.messages(ana) if "already taken by Bob" in each["Body"]]

    await engine.until(told, "the notice")
    assert len(told()) == 1


async def _both_left(engine: RealEngine) -> bool:
    return [each["state"] for each in (await engine.show())["pages"]] == ["sent", "sent"]


# --- callbacks ---


async def answered_call_back(engine: RealEngine, message_id: str, *statuses: str) -> None:
    """Callbacks of one SMS, in this order, as Twilio sends them."""
    for status in statuses:
        form = {"MessageSid": "SM" + "7" * 32, "MessageStatus": status, "To": "+12025550100"}
        assert (await engine.twilio(f"/twilio/status/{message_id}", form, AUTH_TOKEN)).status == 200


@pytest.mark.parametrize(
    ("statuses", "state"),
    [(("queued", "sent", "delivered"), "delivered"), (("queued", "sent", "undelivered"), "failed")],
)
async def test_callbacks_in_every_order_and_doubled_come_to_the_same(
    engines: Engines, provider: Moody, statuses: tuple[str, ...], state: str
):
    ana, bob, dora = person("ana", "sms"), person("bob", "sms"), person("dora")
    engine = await engines.make(
        PlanFiles([ana, bob, dora], [rung("ana"), rung("bob")], ["dora"]), twilio_url=provider.url
    ).up()
    stories = []
    for number, order in enumerate(itertools.permutations(statuses), start=1):
        incident = f"INC-{number}"
        await engine.hears(f"alert {number}")
        page = await page_of(engine, "ana", "sms", incident)
        doubled = [*order, *order] if number % 2 else [each for each in order for _ in range(2)]
        await answered_call_back(engine, page["message_id"], *doubled)

        async def settled(incident: str = incident) -> bool:
            return bool((await page_of(engine, "ana", "sms", incident))["state"] == state)

        await engine.eventually(settled, f"{incident} {state} after {order}")
        if state == "failed":
            await page_of(engine, "bob", "sms", incident)
        shown = await engine.show(incident)
        stories.append(
            (
                [each["failure"] for each in shown["pages"] if each["contact"] == "ana"],
                len(shown["pages"]),
                sorted({each["kind"] for each in shown["timeline"]} - {"PageSent"}),
            )
        )
        for kind in ("PageSent", "PageDelivered", "PageFailed"):
            told = [each for each in shown["timeline"] if each["kind"] == kind and "c1.1" in each["sentence"]]
            about_ana = [each for each in told if ".r1." in each["sentence"]]
            assert len(about_ana) <= 1, f"{kind} twice after {order}"
    assert all(story == stories[0] for story in stories), stories


async def test_the_callbacks_of_a_call_in_every_order_come_to_the_same(engines: Engines, provider: Moody):
    ana, bob, dora = person("ana", "voice"), person("bob", "sms"), person("dora")
    engine = await engines.make(
        PlanFiles([ana, bob, dora], [rung("ana"), rung("bob")], ["dora"]), twilio_url=provider.url
    ).up()
    ends = set()
    for number, order in enumerate(itertools.permutations(("initiated", "ringing", "busy")), start=1):
        incident = f"INC-{number}"
        await engine.hears(f"alert {number}")
        page = await page_of(engine, "ana", "voice", incident)
        for status in [*order, *order]:
            form = {"CallSid": "CA" + "7" * 32, "CallStatus": status, "To": ana.channels["voice"]}
            await engine.twilio(f"/twilio/status/{page['message_id']}", form, AUTH_TOKEN)
        await page_of(engine, "bob", "sms", incident)
        shown = await engine.show(incident)
        ends.add((shown["pages"][0]["state"], shown["pages"][0]["failure"], len(shown["pages"])))
    assert ends == {("failed", "busy", 2)}


async def test_a_callback_before_the_create_call_has_returned(engines: Engines, provider: Moody):
    ana, dora = person("ana", "sms", "voice"), person("dora")
    engine = await engines.make(PlanFiles([ana, dora], [rung("ana")], ["dora"]), twilio_url=provider.url).up()

    async def calls_back_first(form: dict[str, Any]) -> None:
        await answered_call_back(engine, message_id_of(form), "sent", "delivered")

    provider.before_answering = calls_back_first
    await engine.hears("alert")

    async def sent() -> bool:
        rows = (await engine.get("/api/v1/status"))["outbox"]
        return bool(rows == {"delivered": 1})

    await engine.eventually(sent, "one delivered page and no other")
    kinds = await engine.kinds()
    assert (kinds.count("PageDelivered"), kinds.count("PageFailed"), kinds.count("PageRequested")) == (1, 0, 1)
    assert (await page_of(engine, "ana", "sms"))["state"] == "delivered"
    assert not provider.calls(ana)


async def test_a_callback_before_the_create_call_fails_is_believed(engines: Engines, provider: Moody):
    """Twilio says that it was delivered, and only then our request to it breaks."""
    ana, dora = person("ana", "sms", "voice"), person("dora")
    engine = await engines.make(PlanFiles([ana, dora], [rung("ana")], ["dora"]), twilio_url=provider.url).up()
    provider.sms[ana.channels["sms"]] = "hangs up"

    async def calls_back_first(form: dict[str, Any]) -> None:
        await answered_call_back(engine, message_id_of(form), "sent", "delivered")

    provider.before_answering = calls_back_first
    await engine.hears("alert")

    async def over() -> bool:
        return (await page_of(engine, "ana", "sms"))["state"] == "delivered" and not (
            await engine.get("/api/v1/status")
        )["in_flight"]

    await engine.eventually(over, "a delivered page")
    await asyncio.sleep(1)
    assert not provider.calls(ana), "what was delivered needs no other channel"
    assert len(provider.messages(ana)) == 1
