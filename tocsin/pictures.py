"""A picture as PNG: the shapes of `signals/pictures.py` painted with Pillow, black on white, twice as large."""

from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from signals.pictures import Box, Drawing, Line, Shape, Wedge, Words

SCALE = 2
_FONTS = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def png(drawing: Drawing) -> bytes:
    """The picture as a PNG of twice its size in shades of grey."""
    sheet = Image.new("L", (drawing.width * SCALE, drawing.height * SCALE), 255)
    for shape in drawing.shapes:
        _paint(sheet, shape)
    written = BytesIO()
    sheet.save(written, "PNG", optimize=True)
    return written.getvalue()


def _paint(sheet: Image.Image, shape: Shape) -> None:
    draw = ImageDraw.Draw(sheet)
    match shape:
        case Box(x, y, width, height, shade):
            _shade(sheet, (x, y, x + width, y + height), shade)
        case Line(x, y, to_x, to_y, dashes, shade):
            for each in _pieces(x, y, to_x, to_y, dashes):
                draw.line([each_part * SCALE for each_part in each], fill=round(255 * (1 - shade)), width=SCALE)
        case Wedge(x, y):
            corners = [(x, y), (x - 5, y - 9), (x + 5, y - 9)]
            draw.polygon([(across * SCALE, down * SCALE) for across, down in corners], fill=0)
        case Words(x, y, text, anchor, size, bold):
            place = (x * SCALE, y * SCALE)
            draw.text(place, text.replace("\n", " "), fill=0, font=_font(size, bold), anchor=_ANCHORS[anchor])


def _shade(sheet: Image.Image, corners: tuple[float, float, float, float], shade: float) -> None:
    """Darken what lies under a box: bars stay visible on bands."""
    left, top, right, bottom = (round(each * SCALE) for each in corners)
    if right <= left or bottom <= top:
        return
    part = sheet.crop((left, top, right, bottom))
    sheet.paste(part.point([round(each * (1 - shade)) for each in range(256)]), (left, top))


def _pieces(
    x: float, y: float, to_x: float, to_y: float, dashes: tuple[int, int] | None
) -> list[tuple[float, float, float, float]]:
    length = max(abs(to_x - x), abs(to_y - y))
    if dashes is None or length == 0:
        return [(x, y, to_x, to_y)]
    on, off = dashes
    pieces = []
    for place in range(int(length // (on + off)) + 1):
        first, last = place * (on + off) / length, min((place * (on + off) + on) / length, 1.0)
        pieces.append((x + (to_x - x) * first, y + (to_y - y) * first, x + (to_x - x) * last, y + (to_y - y) * last))
    return pieces


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(_FONTS[bold], size * SCALE)
    except OSError:
        return ImageFont.load_default(size * SCALE)
