"""Posters and backdrops, drawn from what a title's record says and from nothing else.

The same title looks the same wherever it is drawn (with the same Pillow): its id is the seed. Films from before 1970 are
printed as one collection, a framed picture on paper; everything newer fills its poster to the edge. Posters carry the
title, backdrops no words, since pages lay their own over them.
"""

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, Literal

from fontpkg.pil import truetype
from PIL import Image, ImageChops, ImageDraw, ImageFont

from local.demo.canvas import Canvas, Colour, Palette, mix
from local.demo.scenes import look

Kind = Literal["poster", "backdrop"]

POSTER = (800, 1200)
BACKDROP = (1920, 1080)
CLASSIC_UNTIL = 1970

# Pillow draws without smoothing edges: pictures are drawn larger and reduced. The backdrop has the pixels to do with less.
OVERSIZE = {"poster": 2.0, "backdrop": 1.5}


def draw(
    kind: Kind, *, key: str, title: str, genres: Sequence[str], year: int | None, keywords: Sequence[str] = ()
) -> bytes:
    """Return the picture as WebP: a poster of 800x1200 pixels with the title on it, or a backdrop of 1920x1080.

    `key` seeds all chance, and is the title's id; `genres` and `keywords` are the feed's, most fitting first, and choose
    the scene; `year` decides between the two families of layout.
    """
    # Two sequences, so that the layout of a poster does not hang on how much chance its scene used up.
    rng, layout = Random(key), Random(f"{key} layout")  # noqa: S311  pictures, not secrets
    scene, palette = look(genres, keywords, rng)
    if kind == "backdrop":
        canvas = _canvas(BACKDROP, OVERSIZE[kind], rng, palette, focus=(0.66, 0.45))
        scene(canvas)
        image = canvas.image.resize(BACKDROP, Image.Resampling.BILINEAR)
    elif year is not None and year < CLASSIC_UNTIL:
        canvas = _canvas(POSTER, OVERSIZE[kind], rng, palette, focus=(0.5, 0.36))
        scene(canvas)
        image = _classic(canvas, layout, title, genres, year)
    else:
        canvas = _canvas(POSTER, OVERSIZE[kind], rng, palette, focus=(0.5, 0.37))
        scene(canvas)
        image = _modern(canvas, layout, title, genres)
    return _webp(_grain(image, rng))


def pictures(record: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Draw what a record of the feed names as `file` under its artwork: pairs of that name and the WebP.

    A poster with a language carries the title in it, and the English one where there is none.
    """
    titles: Mapping[str, str] = record["titles"]
    released = record.get("release_date")
    for entry in record.get("artwork", ()):
        if "file" in entry and entry["kind"] in ("poster", "backdrop"):
            yield (
                entry["file"],
                draw(
                    entry["kind"],
                    key=record["id"],
                    title=titles.get(entry.get("language", "en")) or titles["en"],
                    genres=record.get("genres", ()),
                    year=int(released[:4]) if released else None,
                    keywords=record.get("keywords", ()),
                ),
            )


def drawn_pictures(record: Mapping[str, Any]) -> list[tuple[str, str, bytes]]:
    """Draw all pictures of a record in one go, for a process of its own: its id, their names, their bytes."""
    return [(record["id"], name, data) for name, data in pictures(record)]


def _canvas(
    size: tuple[int, int], oversize: float, rng: Random, palette: Palette, focus: tuple[float, float]
) -> Canvas:
    return Canvas((round(size[0] * oversize), round(size[1] * oversize)), rng=rng, palette=palette, focus=focus)


def _webp(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=80, method=2)
    return file.getvalue()


def _grain(image: Image.Image, rng: Random) -> Image.Image:
    """A breath of film grain: it hides the bands that a gradient leaves in eight bits."""
    side = 256
    noise = Image.frombytes("L", (side, side), rng.randbytes(side * side)).point(
        [round(128 + (v - 128) * 0.1) for v in range(256)]
    )
    sheet = Image.new("L", image.size)
    for x, y in itertools.product(range(0, image.width, side), range(0, image.height, side)):
        sheet.paste(noise, (x, y))
    return ImageChops.soft_light(image, Image.merge("RGB", (sheet, sheet, sheet)))


# Lettering


# Family, weight and style of each kind of lettering.
FACES = {
    "serif": ("Playfair Display", 800, "normal"),
    "italic": ("Playfair Display", 600, "italic"),
    "narrow": ("Oswald", 600, "normal"),
    "deco": ("Josefin Sans", 600, "normal"),
    "round": ("Fredoka", 600, "normal"),
    "wide": ("Syne", 700, "normal"),
}
CAPITALS = frozenset({"narrow", "deco"})
LETTERING = {
    "film noir": "narrow", "crime": "narrow", "thriller": "narrow", "western": "narrow", "war": "narrow", "sport": "narrow",
    "horror": "serif", "mystery": "serif", "drama": "serif", "history": "serif", "romance": "italic", "food": "italic",
    "science fiction": "deco", "fantasy": "deco", "adventure": "deco", "short": "deco",
    "comedy": "round", "animation": "round", "kids": "round", "family": "round",
    "documentary": "wide", "nature": "wide", "science": "wide", "music": "wide",
}  # fmt: skip


@cache
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    family, weight, style = FACES[face]
    return truetype(family, size, weight=weight, style=style)


def _face(genres: Sequence[str], *, classic: bool) -> str:
    faces = [LETTERING[genre.lower()] for genre in genres if genre.lower() in LETTERING] or ["serif"]
    # Neither rounded nor extended letters existed on the posters that the collection remembers.
    return {"round": "deco", "wide": "narrow"}.get(faces[0], faces[0]) if classic else faces[0]


def _lines(words: Sequence[str], count: int) -> Iterator[list[str]]:
    for cuts in itertools.combinations(range(1, len(words)), count - 1):
        bounds = [0, *cuts, len(words)]
        yield [" ".join(words[a:b]) for a, b in itertools.pairwise(bounds)]


def _fit(title: str, face: str, width: float, height: float, leading: float) -> tuple[list[str], int]:
    """The breaking of the title into lines at which it can be set largest within the box."""
    words = (title.upper() if face in CAPITALS else title).split()
    probe = _font(face, 100)
    best: tuple[float, list[str]] = (0.0, [" ".join(words)])
    for count in range(1, min(5, len(words)) + 1):
        for lines in _lines(words, count):
            size = min(width / (max(probe.getlength(line) for line in lines) / 100), height / (count * leading))
            if size > best[0]:
                best = (size, lines)
    return best[1], int(best[0])


def _set_title(
    image: Image.Image,
    title: str,
    face: str,
    box: tuple[float, float, float, float],
    colour: Colour,
    *,
    align: str,
    anchor: str,
    largest: float,
) -> tuple[float, float]:
    """Write the title into the box (left, top, right, bottom); return where its first line begins and its last one ends."""
    left, top, right, bottom = box
    leading = {"narrow": 1.16, "deco": 1.02, "round": 1.02, "wide": 1.06}.get(face, 1.1)
    lines, size = _fit(title, face, right - left, bottom - top, leading)
    size = min(size, int(largest))
    font, step = _font(face, size), size * leading
    total = step * len(lines)
    y = {"top": top, "middle": (top + bottom - total) / 2, "bottom": bottom - total}[anchor]
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        x, mark = (left, "lm") if align == "left" else ((left + right) / 2, "mm")
        pen.text((x, y + (i + 0.5) * step), line, font=font, fill=colour, anchor=mark)
    return y, y + total


# Layouts

FRAMES = ("rectangle", "rectangle", "arch", "arch", "oval", "full")


def _classic(canvas: Canvas, rng: Random, title: str, genres: Sequence[str], year: int) -> Image.Image:
    """A picture with a border on paper, the title and the year below."""
    width, height = POSTER
    palette, face = canvas.palette, _face(genres, classic=True)
    picture = canvas.image.resize(POSTER, Image.Resampling.BOX)
    ink, paper = mix(palette.deep, palette.mid, 0.12), palette.paper
    frame = rng.choice(FRAMES)
    if rng.random() < 0.4:
        ink, paper = palette.paper, palette.deep
    image = Image.new("RGB", POSTER, paper)
    edge, foot = 56, 880
    mask = Image.new("L", (width * 2, height * 2))
    pen = ImageDraw.Draw(mask)
    if frame == "arch":
        pen.pieslice((edge * 2, edge * 2, (width - edge) * 2, edge * 2 + (width - 2 * edge) * 2), 180, 360, fill=255)
        pen.rectangle((edge * 2, edge * 2 + (width - 2 * edge), (width - edge) * 2, foot * 2), fill=255)
    elif frame == "oval":
        pen.ellipse(((edge + 10) * 2, edge * 2, (width - edge - 10) * 2, foot * 2), fill=255)
    elif frame == "full":
        pen.rectangle((0, 0, width * 2, foot * 2), fill=255)
    else:
        pen.rectangle((edge * 2, edge * 2, (width - edge) * 2, foot * 2), fill=255)
    image.paste(picture, (0, 0), mask.resize(POSTER, Image.Resampling.BOX))
    marks = ImageDraw.Draw(image)
    _set_title(
        image,
        title,
        face,
        (edge + 14, foot + 34, width - edge - 14, height - 108),
        ink,
        align="center",
        anchor="middle",
        largest=104,
    )
    label, font = " ".join(str(year)), _font("deco", 30)
    marks.text((width / 2, height - 66), label, font=font, fill=ink, anchor="mm")
    reach = font.getlength(label) / 2 + 26
    accent = palette.accent if paper == palette.deep else palette.glow
    for side in (-1, 1):
        marks.line(
            [(width / 2 + side * reach, height - 68), (width / 2 + side * (width / 2 - edge - 14), height - 68)],
            fill=accent,
            width=3,
        )
    return image


def _modern(canvas: Canvas, rng: Random, title: str, genres: Sequence[str]) -> Image.Image:
    """The picture to the edge, the title large upon it."""
    width, height = POSTER
    palette, face = canvas.palette, _face(genres, classic=False)
    image = canvas.image.resize(POSTER, Image.Resampling.BOX)
    align = rng.choice(("left", "center"))
    if face == "round" and rng.random() < 0.7:
        # a label, as if stuck on
        ImageDraw.Draw(image).rounded_rectangle((44, 836, width - 44, height - 44), 38, fill=palette.paper)
        _set_title(
            image,
            title,
            face,
            (84, 866, width - 84, height - 74),
            palette.deep,
            align="center",
            anchor="middle",
            largest=150,
        )
        return image
    shade = Image.linear_gradient("L").resize((1, 256)).point([min(255, int((v / 255) * 400)) for v in range(256)])
    image.paste(palette.deep, (0, height - 660), shade.resize((width, 660)))
    top, _ = _set_title(
        image, title, face, (60, 770, width - 60, height - 64), palette.paper, align=align, anchor="bottom", largest=176
    )
    bar = 60 if align == "left" else width / 2 - 45
    ImageDraw.Draw(image).rectangle((bar, top - 26, bar + 90, top - 19), fill=palette.accent)
    return image
