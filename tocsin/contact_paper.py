"""The contact tree as a PDF: A4, black on white, big enough to read by a torch. Nothing overflows silently."""

import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

from tocsin.contact_tree import UNBROKEN, Block, ContactTree, Row, Sheet, Weight

_WIDTH, _HEIGHT = A4
_MARGIN, _LABEL, _FOOT = 42.0, 84.0, 40.0
_TITLE, _SMALL, _LINE, _BETWEEN = 20.0, 8.5, 1.28, 9.0
_SCALES = (1.0, 0.9, 0.8)
"""Type as big as lets a sheet have one page; a sheet that needs more has all of them in full size."""
_SIZES = {Weight.HEADING: 15.0, Weight.NUMBER: 16.0, Weight.TEXT: 11.5}
_TOP = _HEIGHT - _MARGIN - _TITLE * _LINE - 14
_BOTTOM = _MARGIN + _FOOT
# The first that this machine has. Vera comes with reportlab and has the letters of western Europe; DejaVu has more.
_FAMILIES = (("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"), ("Vera.ttf", "VeraBd.ttf"))


@dataclass(frozen=True, slots=True)
class Paper:
    """`missing` are the characters for which this machine has no font: printed without their marks, or as `?`."""

    pdf: bytes
    pages: int
    missing: str = ""


def as_pdf(tree: ContactTree, families: tuple[tuple[str, str], ...] = _FAMILIES) -> Paper:
    """The whole tree. The same tree with the same fonts gives the same bytes."""
    letters = _Letters(families)
    pages = [page for sheet in tree.sheets for page in _pages(sheet, letters)]
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=True)
    canvas.setTitle(letters.able(f"Contact tree of {tree.company}"))
    canvas.setCreator("Tocsin")
    for number, page in enumerate(pages, 1):
        _draw(canvas, letters, page, tree, f"Page {number} of {len(pages)}")
        canvas.showPage()
    canvas.save()
    return Paper(buffer.getvalue(), len(pages), "".join(sorted(letters.missing)))


class _Letters:
    """Two fonts, and what they can write."""

    def __init__(self, families: tuple[tuple[str, str], ...]) -> None:
        self.plain, self.bold = _first_of(families)
        self._can = set(pdfmetrics.getFont(self.plain).face.charToGlyph)
        self.missing: set[str] = set()

    def able(self, text: str) -> str:
        """The text in letters that the font has: one that it lacks loses its marks, or becomes a question mark."""
        return "".join(each if ord(each) in self._can else self._instead(each) for each in text)

    def _instead(self, character: str) -> str:
        self.missing.add(character)
        bare = unicodedata.normalize("NFKD", character)[:1]
        return bare if bare and ord(bare) in self._can else "?"

    def font(self, weight: Weight) -> str:
        return self.plain if weight is Weight.TEXT else self.bold

    def width(self, text: str, weight: Weight, size: float) -> float:
        return float(pdfmetrics.stringWidth(text, self.font(weight), size))

    def wrapped(self, text: str, weight: Weight, size: float, width: float) -> list[str]:
        """Lines no wider than `width`; a word that is longer is broken."""
        lines = [""]
        for word in self.able(text).split(" "):
            longer = f"{lines[-1]} {word}" if lines[-1] else word
            if self.width(longer, weight, size) <= width:
                lines[-1] = longer
                continue
            if lines[-1]:
                lines.append("")
            for letter in word:
                if lines[-1] and self.width(lines[-1] + letter, weight, size) > width:
                    lines.append("")
                lines[-1] += letter
        return [line.replace(UNBROKEN, " ") for line in lines]


def _first_of(families: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    for plain, bold in families:
        try:
            for name in (plain, bold):
                pdfmetrics.registerFont(TTFont(name, name))
        except TTFError:
            continue
        return plain, bold
    raise RuntimeError(f"none of these fonts is here: {families}")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of one row, as it is drawn. `gap` is the space above it, unless it is the first on its page."""

    text: str
    label: str
    weight: Weight
    scale: float
    note: str = ""
    gap: float = 0.0

    @property
    def size(self) -> float:
        return _SIZES[self.weight] * self.scale

    @property
    def height(self) -> float:
        return self.size * _LINE


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    lines: tuple[_Line, ...]


def _pages(sheet: Sheet, letters: _Letters) -> list[_Page]:
    for scale in _SCALES:
        pages = list(_filled(sheet, letters, scale))
        if len(pages) == 1:
            return pages
    return list(_filled(sheet, letters, _SCALES[0]))


def _filled(sheet: Sheet, letters: _Letters, scale: float) -> Iterator[_Page]:
    """A block that does not fit goes to the next page; one that fits no page is continued there."""
    taken: list[_Line] = []
    used, title, room = 0.0, sheet.title, _TOP - _BOTTOM
    for block in sheet.blocks:
        lines = list(_lines(block, letters, scale))
        height = sum(line.height for line in lines)
        whole = height <= room
        for index, line in enumerate(lines):
            wanted = height if whole and index == 0 else line.height
            if taken and used + line.gap + wanted > room:
                yield _Page(title, tuple(taken))
                title, taken, used = f"{sheet.title} (continued)", [], 0.0
            used += line.height + (line.gap if taken else 0.0)
            taken.append(line)
    yield _Page(title, tuple(taken))


def _lines(block: Block, letters: _Letters, scale: float) -> Iterator[_Line]:
    small = _SIZES[Weight.TEXT] * scale
    for index, row in enumerate(block):
        size, width = _SIZES[row.weight] * scale, _WIDTH - 2 * _MARGIN - _indent(row)
        texts = letters.wrapped(row.value, row.weight, size, width)
        note = letters.able(row.note)
        beside = letters.width(texts[-1], row.weight, size) + letters.width(f"  {note}", Weight.TEXT, small)
        for number, text in enumerate(texts):
            first, last = number == 0, number == len(texts) - 1
            yield _Line(
                text,
                letters.able(row.label) if first else "",
                row.weight,
                scale,
                note if last and beside <= width else "",
                _BETWEEN if first and index == 0 else 0.0,
            )
        if note and beside > width:
            under = letters.wrapped(note, Weight.TEXT, small, _WIDTH - 2 * _MARGIN - _LABEL)
            yield from (_Line(text, "", Weight.TEXT, scale) for text in under)


def _indent(row: Row) -> float:
    return 0.0 if row.weight is Weight.HEADING else _LABEL


def _draw(canvas: Canvas, letters: _Letters, page: _Page, tree: ContactTree, number: str) -> None:
    right = _WIDTH - _MARGIN
    _fitted(canvas, letters.bold, _TITLE, letters.able(f"{tree.company}: {page.title}"), _HEIGHT - _MARGIN - _TITLE)
    canvas.setLineWidth(1.2)
    canvas.line(_MARGIN, _TOP + 7, right, _TOP + 7)
    canvas.setLineWidth(0.4)
    y = _TOP
    for index, line in enumerate(page.lines):
        if index and line.gap:
            canvas.line(_MARGIN, y - line.gap / 2, right, y - line.gap / 2)
            y -= line.gap
        _draw_line(canvas, letters, line, y - line.size)
        y -= line.height
    canvas.line(_MARGIN, _MARGIN + 26, right, _MARGIN + 26)
    _fitted(canvas, letters.plain, _SMALL, letters.able(tree.foot), _MARGIN + 13)
    canvas.setFont(letters.plain, _SMALL)
    canvas.drawString(_MARGIN, _MARGIN, "Personal data: keep it where only those who need it can read it.")
    canvas.drawRightString(right, _MARGIN, number)


def _draw_line(canvas: Canvas, letters: _Letters, line: _Line, base: float) -> None:
    start = _MARGIN if line.weight is Weight.HEADING else _MARGIN + _LABEL
    small = _SIZES[Weight.TEXT] * line.scale
    canvas.setFont(letters.bold, small)
    canvas.drawString(_MARGIN, base, line.label)
    canvas.setFont(letters.plain, small)
    if line.note:
        canvas.drawString(start + letters.width(f"{line.text}  ", line.weight, line.size), base, line.note)
    canvas.setFont(letters.font(line.weight), line.size)
    canvas.drawString(start, base, line.text)


def _fitted(canvas: Canvas, font: str, size: float, text: str, base: float) -> None:
    """One line from margin to margin; a long one is written smaller."""
    room = _WIDTH - 2 * _MARGIN
    canvas.setFont(font, min(size, size * room / pdfmetrics.stringWidth(text, font, size)))
    canvas.drawString(_MARGIN, base, text)
