"""What a scene draws on: flat shapes, soft light and hill lines, in the five colours of a palette."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Five colours that go together: shadow, body, light near the horizon, the one accent, and paper."""

    deep: Colour
    mid: Colour
    glow: Colour
    accent: Colour
    paper: Colour


class Canvas:
    """An image to draw on, with its generator of chance, its palette and its focus (fx, fy) in pixels."""

    def __init__(self, size: tuple[int, int], *, rng: Random, palette: Palette, focus: Point) -> None:
        self.image = Image.new("RGB", size, palette.mid)
        self.pen = ImageDraw.Draw(self.image, "RGBA")
        self.rng = rng
        self.palette = palette
        self.w, self.h = size
        self.u = min(size) / 100
        self.fx, self.fy = self.w * focus[0], self.h * focus[1]

    def sky(self, *stops: Colour) -> None:
        """Fill with a vertical gradient through the stops, top first."""
        strip = Image.new("RGB", (1, len(stops)))
        strip.putdata(stops)
        self.image.paste(strip.resize((1, self.h), Image.Resampling.BICUBIC).resize((self.w, self.h)))

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float = 0.7) -> None:
        """Lay a soft light over what is there."""
        # Pillow's gradient is 181 where the circle touches the square, and only 255 in the corners.
        spot = Image.radial_gradient("L").point([int(max(0, 1 - v / 180) ** 1.6 * 255 * strength) for v in range(256)])
        side = max(2, int(radius * 2))
        self.image.paste(
            colour, (int(x - radius), int(y - radius)), spot.resize((side, side), Image.Resampling.BILINEAR)
        )

    def disc(self, x: float, y: float, radius: float, colour: Colour, alpha: int = 255) -> None:
        self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*colour, alpha))

    def ring(self, x: float, y: float, radius: float, colour: Colour, width: float, alpha: int = 255) -> None:
        self.pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius), outline=(*colour, alpha), width=max(1, round(width))
        )

    def shape(self, points: Sequence[Point], colour: Colour, alpha: int = 255) -> None:
        self.pen.polygon(points, fill=(*colour, alpha))

    def line(self, points: Sequence[Point], colour: Colour, width: float, alpha: int = 255) -> None:
        self.pen.line(points, fill=(*colour, alpha), width=max(1, round(width)), joint="curve")

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, alpha: int = 255) -> None:
        self.pen.rectangle((x0, y0, max(x0, x1), max(y0, y1)), fill=(*colour, alpha))

    def ridge(self, base: float, height: float, colour: Colour, *, rough: float, waves: float = 1.5) -> list[Point]:
        """Fill everything below a hill line around `base`; `rough` 0 is rolling, 1 is craggy. Returns the line."""
        rng = self.rng
        parts = [
            (waves * 2**k * rng.uniform(0.8, 1.25), rng.uniform(0, math.tau), (0.3 + 0.34 * rough) ** k)
            for k in range(6)
        ]
        steps = 160
        line = []
        for i in range(steps + 1):
            t = i / steps
            lift = sum(
                amount
                * (
                    abs(math.sin(t * freq * math.pi + phase)) * 2 - 1
                    if rough > 0.5
                    else math.sin(t * freq * math.tau + phase)
                )
                for freq, phase, amount in parts
            )
            line.append((t * self.w, base - lift * height * 0.5))
        self.shape([*line, (self.w, self.h), (0, self.h)], colour)
        return line

    def stars(self, count: int, *, below: float, colour: Colour) -> None:
        for _ in range(count):
            x, y = self.rng.uniform(0, self.w), self.rng.uniform(0, below)
            self.disc(x, y, self.u * self.rng.choice((0.1, 0.12, 0.16, 0.28)), colour, self.rng.randint(90, 230))

    def bird(self, x: float, y: float, size: float, colour: Colour) -> None:
        wings = ((-1, -0.5), (-0.35, -0.55), (0, 0), (0.35, -0.55), (1, -0.5))
        self.line([(x + dx * size, y + dy * size) for dx, dy in wings], colour, size * 0.26)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The colour that lies `share` of the way from one to the other."""
    a, b, c = (round(p + (q - p) * share) for p, q in zip(one, other, strict=True))
    return a, b, c
