"""Whose account wrote: ours, one that is like ours, or somebody's."""

import pytest

from signals.accounts import Accounts, canonical, skeleton, speaks_as_us
from signals.listening import Brand
from signals.words import words

NORTHWIND = Brand(
    id="northwind",
    names=("Northwind", "Norma"),
    accounts=("care.northwind.example", "@northwind@social.example", "u/northwind_care", "northwind.bsky.social"),
)
ACCOUNTS = Accounts([NORTHWIND])


@pytest.mark.parametrize(
    "handle",
    [
        "care.northwind.example",
        "@CARE.northwind.example",
        "northwind@social.example",
        "/u/northwind_care",
        "northwind.bsky.social",
    ],
)
def test_our_own_accounts_are_ours_and_no_look_alikes(handle):
    assert ACCOUNTS.owner([handle]) == "northwind"
    assert ACCOUNTS.like([handle]) == frozenset()


@pytest.mark.parametrize(
    "handle",
    [
        "northwind_support",
        "real_northwind_official",
        "northwind-help.bsky.social",
        "soporte.northwind",
        "northwindayuda",
        "n0rthwind",
        "northw1nd",
        "n\u043erthwind.bsky.social",  # Cyrillic o
        "northvvind",
        "Northwlnd",
        "northwiind",
        "northwnid-care",
        "no.rth.wind",
        "@northwind@evil.example",
        "northwind-support.com",
        "Northwind Customer Support",
        "norrna",
        "\uff4e\uff4f\uff52\uff54\uff48\uff57\uff49\uff4e\uff44_care",  # full width
    ],
)
def test_a_handle_like_ours_is_told(handle):
    assert ACCOUNTS.owner([handle]) is None
    assert ACCOUNTS.like([handle]) == {"northwind"}


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "carol",
        "northwindfan",
        "i_hate_northwind",
        "northern_wind",
        "care",
        "support",
        "help.example",
        "did:plc:abc",
    ],
)
def test_a_customer_is_no_look_alike(handle):
    assert ACCOUNTS.like([handle]) == frozenset()


def test_our_handle_without_its_server_is_nobody_s():
    assert ACCOUNTS.like(["northwind"]) == frozenset()
    assert ACCOUNTS.owner(["northwind"]) is None


def test_a_handle_of_nothing_but_service_words_is_like_nobody():
    accounts = Accounts([Brand(id="b", names=("Ab",), accounts=("support@social.example", "customer-care.example"))])

    assert accounts.like(["support@other.example", "customercare", "help-support"]) == frozenset()


def test_letters_that_look_alike_have_one_skeleton():
    assert skeleton("R\u0430yrn0nd") == skeleton("Raym-ond")
    assert canonical(" @Care.Example/ ") == "care.example"


@pytest.mark.parametrize(
    "text",
    [
        "We're sorry to hear that. DM us your card number.",
        "Dear customer, click the link to claim your refund",
        "Verify your account here",
        "Lamentamos lo ocurrido, escríbenos por DM",
        "Haz clic en el enlace y verifica tu cuenta",
    ],
)
def test_offering_help_or_asking_for_data_is_speaking_as_us(text):
    assert speaks_as_us(words(text))


@pytest.mark.parametrize("text", ["my card does not work", "lol northwind is down again", "¿me ayudáis?"])
def test_complaining_is_not(text):
    assert not speaks_as_us(words(text))
