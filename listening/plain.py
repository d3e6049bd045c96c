"""A stranger's text as every store takes it. Pure."""

LONGEST = 65_536
"""Characters of a mention's text: with the longest of them, 64 KB for most scripts and never more than 256 KB."""
LONGEST_NAME = 300


def plain(text: str, longest: int = LONGEST) -> str:
    """The text cut to size, without NUL and with what is no character (half a surrogate pair) as a question mark."""
    cut = text[:longest].replace("\0", "")
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode("utf-8")
