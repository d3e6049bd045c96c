"""What the home keeps for us alone: whole or not at all, and never empty."""

import os
import stat

import pytest

from engine.home import Home, HomeUnusable

MADE = "m" * 43


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def keepers(home):
    return {
        home.token_file: lambda: home.token(None),
        home.secret_file: lambda: home.secret(None),
        home.push_key_file: lambda: home.push_key(None, lambda: MADE),
    }


def test_what_is_missing_is_made_once_and_is_for_us_alone(home):
    for file, keep in keepers(home).items():
        made = keep()

        assert len(made) >= 32
        assert file.read_text() == made == keep()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(home.path.glob("*.new"))


@pytest.mark.parametrize("text", ["", "  \n", "short", "\n" + "x" * 15 + "\n"])
def test_a_file_that_would_let_strangers_in_is_refused_by_name(home, text):
    for file, keep in keepers(home).items():
        file.write_text(text)

        with pytest.raises(HomeUnusable) as refused:
            keep()

        assert str(file) in str(refused.value)
        assert "delete it" in str(refused.value)
        assert file.read_text() == text, "it may be all that is left to mend"


def test_a_file_that_is_no_text_is_refused(home):
    home.token_file.write_bytes(b"\xff" * 40)

    with pytest.raises(HomeUnusable, match="no text"):
        home.token(None)


def test_what_the_environment_gives_needs_no_file(home):
    home.token_file.touch()

    assert home.token("given") == "given"


def test_the_token_that_is_announced_replaces_the_file_in_one_step(home, monkeypatch):
    home.token(None)
    before = home.token_file.read_text()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(OSError, match="No space"):
        home.write_address("http://127.0.0.1:1", "another token altogether")

    assert home.token_file.read_text() == before


def test_an_old_draft_that_everybody_may_read_does_not_lend_its_mode(home):
    draft = home.path / "token.new"
    draft.touch(mode=0o644)

    home.token(None)

    assert stat.S_IMODE(home.token_file.stat().st_mode) == 0o600
