"""A provider in trouble: each failure becomes the one error that tells the pager what it may assume."""

import pytest

from incidents.errors import OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Channel, Message, Sent
from notifications.slack import SlackChannel
from notifications.twilio_client import TwilioAccount, TwilioClient
from notifications.twilio_sms import TwilioSms
from notifications.twilio_voice import TwilioVoice
from notifications.wording import message_code
from tests.support.misbehaving_provider import MisbehavingProvider

PAGE_ID = "1.INC-7.1.r1.c1.1"
CODE = message_code(PAGE_ID)

EVERY_PROVIDER = pytest.mark.parametrize("channel", ["sms", "voice", "slack"], indirect=True)
WITH_A_MEMORY = pytest.mark.parametrize("channel", ["sms", "slack"], indirect=True)


@pytest.fixture
async def channel(request: pytest.FixtureRequest, misbehaving_provider: MisbehavingProvider):
    found = _channel(request.param, misbehaving_provider)
    yield found
    await found.close()


def _channel(kind: str, provider: MisbehavingProvider) -> Channel:
    if kind == "slack":
        return SlackChannel("xoxb-1", provider.slack_url, two_way=True, timeout_seconds=0.5)
    client = TwilioClient(TwilioAccount("AC" + "0" * 32, "token", provider.url, timeout_seconds=0.5))
    return TwilioSms(client, "+12025550199") if kind == "sms" else TwilioVoice(client, "+12025550199")


@pytest.fixture
def page(channel: Channel) -> Message:
    to = "C0INC" if channel.kind == "slack" else "+12025550123"
    return Message(PAGE_ID, "INC-7", "page", to, f"Card payments fail #{CODE}", "en", CODE, link=None)


@EVERY_PROVIDER
@pytest.mark.parametrize(
    "how",
    ["never answers", "answers late", "hangs up", "fails", "empty body", "half a body", "web page", "no id", "a list"],
)
async def test_an_answer_that_is_missing_or_unreadable_leaves_the_outcome_unknown(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider, how
):
    misbehaving_provider.how = how

    with pytest.raises(OutcomeUnknown):
        await channel.send(page)
    assert len(misbehaving_provider.asked) == 1, "a request of unknown outcome is never repeated by the channel"


@EVERY_PROVIDER
async def test_too_many_requests_is_a_refusal_that_says_when_to_come_back(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider
):
    misbehaving_provider.how = "too many"

    with pytest.raises(ProviderUnavailable) as refused:
        await channel.send(page)
    assert refused.value.retry_after == 7
    assert misbehaving_provider.accepted == []


@EVERY_PROVIDER
async def test_a_wish_to_come_back_that_is_no_number_is_ignored(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider
):
    misbehaving_provider.how, misbehaving_provider.retry_after = "too many", "Sat, 21 Nov 2026 14:05:00 GMT"

    with pytest.raises(ProviderUnavailable) as refused:
        await channel.send(page)
    assert refused.value.retry_after is None


@EVERY_PROVIDER
async def test_an_unavailable_service_has_not_accepted(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider
):
    misbehaving_provider.how = "unavailable"

    with pytest.raises(ProviderUnavailable):
        await channel.send(page)
    assert misbehaving_provider.accepted == []


@pytest.mark.parametrize("channel", ["sms", "voice"], indirect=True)
@pytest.mark.parametrize("code", [21211, 21214, 21408, 21610, 21614, 30003])
async def test_a_number_that_twilio_refuses_is_undeliverable(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider, code: int
):
    misbehaving_provider.how, misbehaving_provider.error_code = "refuses", code

    with pytest.raises(Undeliverable, match=str(code)) as refused:
        await channel.send(page)
    assert page.to not in str(refused.value), "what is logged for ever names no telephone number"


@pytest.mark.parametrize("channel", ["sms", "voice"], indirect=True)
@pytest.mark.parametrize("code", [21210, 21606, 20404])
async def test_a_fault_of_our_own_account_does_not_condemn_the_number(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider, code: int
):
    misbehaving_provider.how, misbehaving_provider.error_code = "refuses", code

    with pytest.raises(ProviderUnavailable, match="our account or sender"):
        await channel.send(page)


@pytest.mark.parametrize("channel", ["sms", "voice"], indirect=True)
async def test_refused_credentials_are_named(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider
):
    misbehaving_provider.how = "unauthorized"

    with pytest.raises(ProviderUnavailable, match="credentials"):
        await channel.send(page)


@WITH_A_MEMORY
@pytest.mark.parametrize("how", ["never answers", "hangs up", "half a body"])
async def test_a_page_of_unknown_outcome_is_found_again(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider, how
):
    misbehaving_provider.how = how
    with pytest.raises(OutcomeUnknown):
        await channel.send(page)

    assert isinstance(await channel.recover(page), Sent)
    assert len(misbehaving_provider.accepted) == 1


@WITH_A_MEMORY
async def test_an_empty_list_is_unknown_although_the_provider_has_the_page(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider
):
    await channel.send(page)
    misbehaving_provider.listing = "empty"

    assert await channel.recover(page) is None


@WITH_A_MEMORY
@pytest.mark.parametrize("listing", ["refused", "never answers"])
async def test_a_list_that_is_refused_or_never_comes_says_nothing_about_the_page(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider, listing
):
    await channel.send(page)
    misbehaving_provider.listing = listing

    with pytest.raises(ProviderUnavailable):
        await channel.recover(page)


@pytest.mark.parametrize("channel", ["voice"], indirect=True)
async def test_a_call_that_is_over_cannot_be_cancelled_and_that_is_fine(
    channel: Channel, misbehaving_provider: MisbehavingProvider
):
    misbehaving_provider.how, misbehaving_provider.error_code = "refuses", 21220

    await channel.cancel("CA" + "0" * 32)

    assert len(misbehaving_provider.asked) == 1


@EVERY_PROVIDER
async def test_a_provider_that_is_well_again_is_used_again(
    channel: Channel, page: Message, misbehaving_provider: MisbehavingProvider
):
    misbehaving_provider.how = "hangs up"
    with pytest.raises(OutcomeUnknown):
        await channel.send(page)
    misbehaving_provider.how = "answers"

    assert (await channel.send(page)).provider_id
    await channel.close()
    assert (await channel.send(page)).provider_id
    assert len(misbehaving_provider.accepted) == 3
