"""A proof is written beside its address, and nothing else in the file is touched."""

from datetime import date, timedelta

import pytest

from incidents.errors import CommandRefused
from tocsin.contacts_file import record, with_proofs

MONTH = timedelta(days=30)
DAY = date(2026, 11, 24)
FLOW = """\
# The people.
contacts:
  - id: ana   # who is first
    name: "Ana"
    channels:
      - {kind: sms, to: "+12025550101"}   # her own
      - { to: ana , kind: console }
"""
BLOCK = """\
contacts:
    -   id: bob
        name: Bob
        channels:
        -   kind: voice
            to: "+447700900102"  # at home
            network: home
        -   kind: sms
            verified: 2026-01-02
            to: '+447700900102'
            expires: "2026-02-01"
roles: []
"""
ANA, BOB = ("ana", "sms", "+12025550101"), ("bob", "voice", "+447700900102")
BOB_SMS = ("bob", "sms", "+447700900102")


def changed_lines(before, after):
    return [line for line in after.splitlines() if line not in before.splitlines()]


def test_in_a_flow_mapping_it_stands_in_the_same_line_before_the_comment():
    after, changes = with_proofs(FLOW, {ANA: DAY}, MONTH)

    assert changed_lines(FLOW, after) == ['      - {kind: sms, to: "+12025550101", verified: 2026-11-24}   # her own']
    assert [str(each) for each in changes] == ["ana, sms +12025550101: verified: 2026-11-24"]


def test_in_a_block_mapping_it_gets_a_line_of_its_own_under_the_address():
    after, _ = with_proofs(BLOCK, {BOB: DAY}, MONTH)

    assert after == BLOCK.replace("# at home\n", "# at home\n            verified: 2026-11-24\n")


def test_an_older_day_is_replaced_and_an_end_that_would_make_the_proof_old_moves_along():
    after, changes = with_proofs(BLOCK, {BOB_SMS: DAY}, MONTH)

    assert after == BLOCK.replace("2026-01-02", "2026-11-24").replace('"2026-02-01"', '"2026-12-24"')
    assert [(each.key, each.before, each.after) for each in changes] == [
        ("verified", "2026-01-02", "2026-11-24"),
        ("expires", "2026-02-01", "2026-12-24"),
    ]


def test_a_second_time_an_older_proof_and_a_stranger_change_nothing():
    proofs = {ANA: DAY, BOB: DAY, BOB_SMS: DAY, ("eve", "sms", "+12025550199"): DAY}
    for text in (FLOW, BLOCK):
        once, changes = with_proofs(text, proofs, MONTH)
        assert changes
        assert with_proofs(once, proofs, MONTH) == (once, ())
        assert with_proofs(once, dict.fromkeys(proofs, date(2026, 1, 1)), MONTH) == (once, ())


@pytest.mark.parametrize("end", ["\r\n", ""])
def test_line_ends_and_a_missing_last_one_stay_as_they_are(end):
    text = "contacts:\n- id: bob\n  channels:\n  - kind: voice\n    to: '+447700900102'\n"
    text = text.replace("\n", "\r\n") if end else text.rstrip("\n")

    after, _ = with_proofs(text, {BOB: DAY}, MONTH)

    assert after == text + ("    verified: 2026-11-24\r\n" if end else "\n    verified: 2026-11-24")


def test_the_file_keeps_its_permissions_and_its_mark_and_is_written_whole(tmp_path):
    file = tmp_path / "contacts.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + FLOW.encode())
    file.chmod(0o640)

    assert len(record(file, {ANA: DAY}, MONTH)) == 1
    assert record(file, {ANA: DAY}, MONTH) == ()

    assert file.read_bytes() == b"\xef\xbb\xbf" + with_proofs(FLOW, {ANA: DAY}, MONTH)[0].encode()
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["contacts.yaml"]


def test_a_file_in_which_the_place_would_be_wrong_is_left_alone(tmp_path):
    text = "contacts:\n- id: ana\n  channels:\n  - kind: sms\n    ? to\n    : '+12025550101'\n"
    file = tmp_path / "contacts.yaml"
    file.write_text(text)

    with pytest.raises(CommandRefused):
        record(file, {ANA: DAY}, MONTH)

    assert file.read_text() == text
