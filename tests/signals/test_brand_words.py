"""Which brands a text is about: what is found, and what must not be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.brands import Brands, camel_parts, prepare, search_words
from signals.edits import one_edit
from signals.listening import Brand
from signals.words import LONGEST_TEXT, WORD, _fold_any, fold, split, words

NORTHWIND = Brand(
    id="northwind",
    names=("Northwind", "Peña Bank", "AT&T"),
    misspellings=("Norfwind", "NW"),
    products=("Blue Card",),
    people=("Íñigo Arana",),
    hashtags=("nwcares",),
    accounts=("care.northwind.example", "@care@social.example", "u/northwind_care"),
    leave_out=("regatta", "wind farm*"),
)
SHELL = Brand(id="shell", names=("Shell",))
ACME = Brand(id="acme", names=("Acme",))
BRANDS = Brands([NORTHWIND, SHELL, ACME], real_words={"smell", "shelf"})


def found(text):
    return BRANDS.find(prepare(text))


@pytest.mark.parametrize(
    "text",
    [
        "I love Northwind",
        "NORTHWIND!!!",
        "northwind's app",
        "see https://northwind.example/help",
        "Peña Bank",
        "pena bank",
        "PEN\u0303A   BANK",
        "penabank.example is down",
        "AT&T again",
        "my norfwind account",
        "the Blue Card was declined",
        "blue-card",
        "Inigo Arana must go",
        "\U0001d40d\U0001d428\U0001d42b\U0001d42d\U0001d421\U0001d430\U0001d422\U0001d427\U0001d41d in fancy letters",
        "north\u200bwind with a blank that nobody sees",
        "N\u043erthwind with a Cyrillic letter",
    ],
)
def test_a_brand_is_found_however_its_words_are_written(text):
    assert found(text) == {"northwind"}


@pytest.mark.parametrize(
    "text", ["northwnd", "nothwind", "northhwind", "norhtwind", "northwint", "xorthwind", "nrthwind", "pena bnak"]
)
def test_a_name_one_slip_away_is_found(text):
    assert found(f"what is up with {text} today") == {"northwind"}


@pytest.mark.parametrize("text", ["nrthwnd", "onrthwidn", "northwindss", "nort wind"])
def test_a_name_two_slips_away_and_a_blank_put_in_are_none(text):
    assert found(f"what is up with {text} today") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "through the northwindow",
        "at T-Mobile",
        "nwcares without its sign",
        "the acne cream",
        "acmes",
        "what a smell",
        "on the shelf",
        "bluecard and cards",
        "",
        "#",
        "@",
    ],
)
def test_a_longer_word_a_short_name_with_a_slip_and_everyday_words_are_nobody_s(text):
    assert found(text) == frozenset()


def test_an_everyday_word_is_no_slip_but_other_slips_of_the_same_name_are():
    assert found("shel raised its prices") == {"shell"}


def test_a_name_that_is_near_another_brand_s_name_stands_for_itself_alone():
    brands = Brands([Brand(id="norte", names=("Norte",)), Brand(id="nortel", names=("Nortel",))])

    assert brands.find(prepare("Nortel is late")) == {"nortel"}


@pytest.mark.parametrize(
    "text",
    ["#NorthwindFail", "#BoycottNorthwind", "#NorthWindFails2026", "#northwindfail", "#boicotnorthwind", "#nwcares"],
)
def test_hashtags_are_looked_into(text):
    assert found(f"enough is enough {text}") == {"northwind"}


def test_small_letters_of_a_hashtag_are_cut_at_words_of_quarrel_only():
    assert found("#northwindows #mynorthwinding") == frozenset()


@pytest.mark.parametrize("text", ["hey @care@social.example", "ask u/northwind_care.", "cc @care.northwind.example."])
def test_who_names_one_of_our_accounts_means_us(text):
    assert "northwind" in found(text)


def test_words_to_leave_out_make_it_somebody_else_s_name():
    assert found("The northwind regatta starts at noon") == frozenset()
    assert found("northwind builds wind farms") == frozenset()


def test_words_to_leave_out_do_not_silence_who_names_our_account():
    assert found("@care@social.example did you sponsor the regatta?") == {"northwind"}


def test_one_text_may_be_about_several_brands():
    assert found("Northwind and Shell signed") == {"northwind", "shell"}


def test_a_name_in_a_script_without_blanks_is_found_between_other_letters():
    brands = Brands([Brand(id="kita", names=("\u5317\u98a8\u9280\u884c",))])

    assert brands.find(prepare("\u6628\u65e5\u5317\u98a8\u9280\u884c\u306f\u6700\u60aa\u3060\u3063\u305f")) == {"kita"}


def test_networks_are_asked_for_every_word_once():
    brand = Brand(id="b", names=("Peña", "pena"), products=("Card",), hashtags=("#cares", "care"), people=("Ana Gil",))

    assert search_words(brand) == ("Peña", "Card", "Ana Gil", "#cares", "#care")


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("BoycottNorthWind2024", ["boycott", "north", "wind", "2024"]),
        ("ABCNews", ["abc", "news"]),
        ("northwind", ["northwind"]),
        ("UPPER", ["upper"]),
        ("ÑandúÁgil", ["nandu", "agil"]),
        ("a_b", ["a", "b"]),
    ],
)
def test_camel_case_is_cut_where_a_reader_cuts_it(tag, parts):
    assert camel_parts(tag) == parts


def test_folding_drops_marks_before_they_are_put_in_order():
    assert fold("e\u0301" + "\u05b0\u0591" * 30_000 + "x") == "ex"
    assert fold("x" + "\U0001d165\U0001d16d" * 10_000 + "y") == "xy"


def test_a_text_that_swells_when_it_is_folded_is_cut():
    assert len(fold("\ufdfa" * LONGEST_TEXT)) <= LONGEST_TEXT


def test_accents_and_the_enye_are_the_plain_letter():
    assert words("¡El AÑO pasó! Straße") == ["el", "ano", "paso", "strasse"]


def test_a_trade_mark_sign_is_no_letter():
    assert words("Northwind\u2122 y Peña\u2122") == ["northwind", "y", "pena"]


LATIN = st.text(
    st.sampled_from("aZ09_ .,#@&+-áÑüßçÆøªº¿¡«»·'\u2019\u201c\u2026\u20ac\u2122😡🤦\u00ad\u00bd\n\t"), max_size=30
)


@given(LATIN)
def test_the_quick_way_gives_the_words_that_the_long_way_gives(text):
    assert split(fold(text)) == WORD.findall(_fold_any(text))


@given(st.text())
def test_both_ways_agree_on_any_text(text):
    assert split(fold(text)) == WORD.findall(_fold_any(text))


SHORT = st.text(alphabet="abc", max_size=6)


def slips(word):
    """Every word that one slip makes of it, the long way."""
    letters = "abc"
    places = range(len(word) + 1)
    return {
        *(word[:at] + word[at + 1 :] for at in places if at < len(word)),
        *(word[:at] + letter + word[at:] for at in places for letter in letters),
        *(word[:at] + letter + word[at + 1 :] for at in places if at < len(word) for letter in letters),
        *(word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places if at + 1 < len(word)),
    } - {word}


@given(SHORT, SHORT)
def test_one_slip_is_what_trying_all_slips_says(one, other):
    assert one_edit(one, other) == (other in slips(one))
    assert one_edit(one, other) == one_edit(other, one)


@given(st.text(alphabet="abcdefgh", min_size=5, max_size=9), st.data())
def test_every_slip_of_a_long_enough_name_is_found(name, data):
    slip = data.draw(st.sampled_from(sorted(slips(name))))
    brands = Brands([Brand(id="b", names=(name,))])

    assert brands.find(prepare(f"xx {slip} yy")) == {"b"}


@given(st.text())
def test_any_text_at_all_is_read(text):
    assert found(text) <= {"northwind", "shell", "acme"}
