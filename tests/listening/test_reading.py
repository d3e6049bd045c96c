"""How a mention is read, end to end, with the default judge."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from listening.reading import IMPERSONATION, Reader
from signals.listening import Listening
from signals.mention import Mention

LISTENING = Listening.model_validate(
    {
        "brands": [
            {"id": "northwind", "names": ["Northwind"], "accounts": ["care.northwind.example"]},
            {"id": "contoso", "names": ["Contoso"], "products": ["Blue Card"]},
        ],
        "sources": [{"kind": "feed", "name": "reviews", "url": "https://reviews.example/feed", "brand": "contoso"}],
    }
)
TOPICS = {"injury": ("injur*", "herid*"), "outage": ("is down", "no funciona")}
SAID = Mention(source="fediverse", id="1", at=datetime(2026, 11, 2, tzinfo=UTC), text="")


@pytest.fixture(scope="module")
def reader():
    return Reader(LISTENING, TOPICS)


def test_a_mention_is_read_in_full(reader):
    (tagged,) = reader.read(replace(SAID, text="@northwind is down again and my son was injured. I am furious!"))

    assert tagged.brand == "northwind"
    assert tagged.language == "en"
    assert tagged.tone == "negative"
    assert -1 <= tagged.tone_score < -0.3
    assert tagged.complaint
    assert tagged.topics == {"injury", "outage"}
    assert not tagged.by_us


def test_spanish_is_judged_by_its_own_words(reader):
    (tagged,) = reader.read(replace(SAID, text="Northwind, menudo desastre, no funciona y nadie contesta"))

    assert (tagged.language, tagged.tone, tagged.complaint) == ("es", "negative", True)


def test_a_text_about_nobody_we_listen_for_gives_nothing(reader):
    assert reader.read(replace(SAID, text="The weather is terrible in the north")) == ()


def test_a_text_about_two_brands_gives_one_tagged_each_in_the_order_of_the_file(reader):
    tagged = reader.read(replace(SAID, text="my Blue Card does not work at northwind"))

    assert [each.brand for each in tagged] == ["northwind", "contoso"]


def test_all_that_a_source_of_one_brand_brings_is_about_it(reader):
    (tagged,) = reader.read(replace(SAID, source="reviews", text="Broke after a day", stars=1, title="Meh"))

    assert (tagged.brand, tagged.complaint) == ("contoso", True)


@pytest.mark.parametrize("more", [{"to_us": True}, {"private": True}, {"by_us": True}])
def test_what_reaches_us_without_naming_a_brand_is_the_first_brand_s(reader, more):
    (tagged,) = reader.read(replace(SAID, text="hello?", **more))

    assert tagged.brand == "northwind"


def test_what_our_own_account_writes_is_by_us_and_no_complaint(reader):
    (tagged,) = reader.read(replace(SAID, text="We are sorry that it is down.", author_name="@care.northwind.example"))

    assert tagged.by_us
    assert not tagged.complaint
    assert tagged.topics == {"outage"}


def test_a_look_alike_that_writes_as_if_it_were_us_is_an_impersonation_whatever_it_says_besides(reader):
    scam = replace(SAID, text="Your account is locked. DM us your card number.", author_name="northwind-support")
    (tagged,) = reader.read(scam)

    assert tagged.brand == "northwind"
    assert tagged.topics == {IMPERSONATION}
    assert not tagged.complaint


def test_a_look_alike_that_does_not_is_nobody_in_particular(reader):
    assert reader.read(replace(SAID, text="good morning", author_name="northwind-support")) == ()


def test_a_stranger_who_offers_help_is_no_impersonation(reader):
    (tagged,) = reader.read(replace(SAID, text="Northwind down? DM us, our team can help", author_name="fixit-shop"))

    assert IMPERSONATION not in tagged.topics


def test_the_title_counts_as_text(reader):
    (tagged,) = reader.read(replace(SAID, title="Contoso in court", text="A ruling is expected on Monday."))

    assert tagged.brand == "contoso"


def test_the_network_s_word_for_the_language_is_taken(reader):
    (tagged,) = reader.read(replace(SAID, text="northwind ist kaputt 😡", language="de-DE"))

    assert (tagged.language, tagged.tone) == ("de", "negative")


def test_many_are_read_as_each_is_alone_in_threads_too(reader):
    texts = ["northwind is great", "contoso es un desastre", "nothing", "northwnid 👍", "", "#ContosoFail"] * 20
    mentions = [replace(SAID, id=str(number), text=text) for number, text in enumerate(texts)]
    alone = [reader.read(each) for each in mentions]

    assert reader.read_many(mentions) == alone
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(Reader(LISTENING, TOPICS).read, mentions)) == alone


def test_a_judge_that_is_given_gets_the_texts_of_one_language_together():
    class Judge:
        def __init__(self):
            self.asked = []

        def judge(self, texts, language):
            self.asked.append((list(texts), language))
            return [-1.0 if language == "es" else 1.0 for _ in texts]

    judge = Judge()
    reader = Reader(LISTENING, {}, judge)
    read = reader.read_many(
        [
            replace(SAID, text="northwind a", language="en"),
            replace(SAID, text="northwind b", language="es"),
            replace(SAID, text="nobody", language="en"),
            replace(SAID, text="northwind c", language="en"),
        ]
    )

    assert [each[0].tone_score if each else None for each in read] == [1.0, -1.0, None, 1.0]
    assert sorted(judge.asked, key=str) == [(["northwind a", "northwind c"], "en"), (["northwind b"], "es")]


@pytest.mark.parametrize(
    "text",
    [
        "northwind \ud800",
        "\0northwind\0",
        "northwind " + "#" * 65_000,
        "northwind " + "@a." * 20_000,
        "northwind " + "no good but " * 5_000,
        "northwind " + "\u05b0\u0591" * 30_000,
        "northwind " + "😡" * 60_000,
    ],
)
def test_whatever_a_stranger_writes_is_read(reader, text):
    assert [each.brand for each in reader.read(replace(SAID, text=text, author_name=text, author=text))] == [
        "northwind"
    ]
