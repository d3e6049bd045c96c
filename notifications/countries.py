"""Where an SMS cannot be answered, or carries no link, as GoAlert's users found out (shared/design/interfaces.md)."""

NO_REPLIES = ("+84", "+86", "+91", "+502", "+506", "+507")
"""Replies from these countries do not come back to a foreign number."""
NO_LINKS = ("+86",)
"""An SMS with a link is thrown away there."""


def takes_replies(number: str) -> bool:
    """Whether whoever has this number can answer an SMS."""
    return not number.startswith(NO_REPLIES)


def takes_links(number: str) -> bool:
    return not number.startswith(NO_LINKS)
