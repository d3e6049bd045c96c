"""What becomes of a vendor's telephone numbers, however they are written."""

import pytest

from tocsin.importers.target import e164


@pytest.mark.parametrize("number", ["+447700900101", "447700900101", "+44 7700 900101", "44-7700-900101"])
def test_a_number_with_its_country_code_is_taken_however_it_is_written(number):
    assert e164(number) == "+447700900101"


@pytest.mark.parametrize(
    "number", ["+44" + "77009001", "+12025550", "1-555-0123", "+44 7700 CALL", "1-800-PAGER-ME", ""]
)
def test_a_number_that_cannot_be_dialled_from_anywhere_is_left_out(number):
    assert e164(number) is None
