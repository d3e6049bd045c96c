"""Whether two words are one slip apart. Pure."""


def one_edit(one: str, other: str) -> bool:
    """Whether one letter more, one less, another one or two neighbours swapped makes `other` of `one`; False when they
    are the same. Linear."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    if len(one) > len(other):
        one, other = other, one
    place = 0
    while place < len(one) and one[place] == other[place]:
        place += 1
    if len(one) < len(other):
        return one[place:] == other[place + 1 :]
    if one[place + 1 :] == other[place + 1 :]:
        return True
    swapped = one[place : place + 2] == other[place : place + 2][::-1]
    return swapped and one[place + 2 :] == other[place + 2 :]
