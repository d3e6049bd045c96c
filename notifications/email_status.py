"""What is kept of a mail server's answer: its numbers. Its words may name a person ("User ana.ruiz does not exist")."""

import re

_STATUS = re.compile(r"\s*(?P<code>[245]\d\d)?(?:[ -]|$)?#?(?P<enhanced>[245]\.\d{1,3}\.\d{1,3})?(?![\w.])")


def status_of(answer: str) -> str:
    """`550 5.1.1` of `550-5.1.1 <ana@x>: unknown` (RFC 5321, RFC 3463); empty where there are no such numbers."""
    found = _STATUS.match(answer)
    return "" if found is None else " ".join(each for each in found.groups() if each)
