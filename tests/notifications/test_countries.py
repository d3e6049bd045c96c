"""Countries in which an SMS cannot be answered offer the command instead, and no link where links are thrown away."""

import pytest

from notifications.countries import NO_LINKS, NO_REPLIES, takes_links, takes_replies


@pytest.mark.parametrize("prefix", NO_REPLIES)
def test_nobody_is_asked_for_a_reply_that_would_not_come_back(prefix):
    assert not takes_replies(prefix + "1")


def test_everywhere_else_replies_and_links_are_fine():
    for number in ("+447700900001", "+12025550101"):
        assert takes_replies(number)
        assert takes_links(number)
    assert [each for each in NO_REPLIES if not takes_links(each)] == list(NO_LINKS)
