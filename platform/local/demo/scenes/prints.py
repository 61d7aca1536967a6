"""Ornament, and things seen from above or from the front."""

import math

from PIL import Image, ImageChops, ImageDraw

from local.demo.canvas import Canvas, mix


def circles(c: Canvas) -> None:
    """Two who overlap."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, mix(p.deep, p.mid, 0.8))
    gap, radius = rng.uniform(13, 17) * u, rng.uniform(25, 29) * u
    for i in range(9):
        c.ring(c.fx, c.fy, radius + gap + (5 + i * 6) * u, p.glow, 0.3 * u, 120 - i * 12)
    one, other = Image.new("L", (c.w, c.h)), Image.new("L", (c.w, c.h))
    ImageDraw.Draw(one).ellipse((c.fx - gap - radius, c.fy - radius, c.fx - gap + radius, c.fy + radius), fill=255)
    ImageDraw.Draw(other).ellipse((c.fx + gap - radius, c.fy - radius, c.fx + gap + radius, c.fy + radius), fill=255)
    c.image.paste(p.glow, (0, 0), one)
    c.image.paste(p.mid, (0, 0), other)
    c.image.paste(p.accent, (0, 0), ImageChops.darker(one, other))
    c.line([(c.fx, c.fy - radius * 1.5), (c.fx, c.fy + radius * 1.5)], p.paper, 0.3 * u, 150)


def tiles(c: Canvas) -> None:
    """Quarter circles, half circles and dots in a grid: the look of a cheerful print."""
    p, rng = c.palette, c.rng
    colours = (p.deep, p.mid, p.glow, p.accent, p.paper)
    c.sky(p.paper, p.paper)
    side = c.w / (4 if c.w < c.h else 8)
    for row in range(math.ceil(c.h / side)):
        for column in range(math.ceil(c.w / side)):
            x, y = column * side, row * side
            ground, figure = rng.sample(colours, 2)
            c.box(x, y, x + side, y + side, ground)
            form = rng.randrange(6)
            if form <= 1:
                cx, cy = x + rng.choice((0, side)), y + rng.choice((0, side))
                start = (0 if cx == x else 90) if cy == y else (270 if cx == x else 180)
                c.pen.pieslice((cx - side, cy - side, cx + side, cy + side), start, start + 90, fill=figure)
            elif form == 2:
                start = rng.choice((0, 90, 180, 270))
                c.pen.pieslice((x, y, x + side, y + side), start, start + 180, fill=figure)
            elif form == 3:
                for k in (0.42, 0.26, 0.1):
                    c.disc(x + side / 2, y + side / 2, side * k, figure if k != 0.26 else ground)
            elif form == 4:
                c.shape(
                    [(x, y), (x + side, y), (x, y + side)]
                    if rng.random() < 0.5
                    else [(x, y), (x + side, y + side), (x, y + side)],
                    figure,
                )
            else:
                for k in range(4):
                    c.box(x + k * side / 4, y, x + (k + 0.5) * side / 4, y + side, figure)


def stage(c: Canvas) -> None:
    """A curtain, a spotlight, nobody there yet."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, mix(p.deep, p.mid, 0.6))
    floor = c.fy + 46 * u
    for reach, alpha in ((30, 50), (24, 60), (17, 80)):
        c.shape(
            [(c.fx - 4 * u, -10 * u), (c.fx + 4 * u, -10 * u), (c.fx + reach * u, floor), (c.fx - reach * u, floor)],
            p.glow,
            alpha,
        )
    c.box(0, floor, c.w, c.h, mix(p.deep, p.mid, 0.35))
    c.pen.ellipse((c.fx - 30 * u, floor - 4 * u, c.fx + 30 * u, floor + 11 * u), fill=p.glow)
    c.line([(c.fx, floor + 3 * u), (c.fx, c.fy - 4 * u)], p.deep, 1.0 * u)
    c.disc(c.fx, c.fy - 7 * u, 3.6 * u, p.deep)
    c.pen.ellipse((c.fx - 9 * u, floor + 1 * u, c.fx + 9 * u, floor + 5 * u), fill=p.deep)
    fold = 6.5 * u
    for side in (-1, 1):
        edge = 0.0 if side < 0 else float(c.w)
        span = (c.fx - 30 * u) if side < 0 else (c.w - c.fx - 30 * u)
        for i in range(int(span / fold) + 2):
            x = edge - side * i * fold
            sway = rng.uniform(0, 4) * u
            c.shape(
                [
                    (x, 0),
                    (x - side * fold, 0),
                    (x - side * (fold + sway), floor + 6 * u),
                    (x + side * sway * 0.2, floor + 6 * u),
                ],
                mix(p.mid, p.deep, 0.1 if i % 2 else 0.4),
            )
    for i in range(math.ceil(c.w / (11 * u))):
        x = i * 11 * u
        c.pen.pieslice(
            (x - 1 * u, -14 * u, x + 12 * u, 13 * u), 0, 180, fill=mix(p.mid, p.glow, 0.25 if i % 2 else 0.05)
        )


def record(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, mix(p.mid, p.deep, 0.6))
    for i in range(18):
        c.ring(c.fx, c.fy, (37 + i * 5.2) * u, p.glow, 0.5 * u, max(0, 150 - i * 9))
    c.disc(c.fx, c.fy, 34 * u, p.deep)
    for i in range(11):
        c.ring(c.fx, c.fy, (14 + i * 1.8) * u, mix(p.deep, p.glow, 0.22), 0.22 * u)
    c.disc(c.fx, c.fy, 11 * u, p.accent)
    c.disc(c.fx, c.fy, 1.5 * u, p.deep)
    wide = 3.4 * u
    for i in range(math.ceil(c.w / wide)):
        high = abs(math.sin(i * 0.37 + rng.uniform(-0.3, 0.3)) + math.sin(i * 0.11)) * 11 * u + 3 * u
        y = c.fy + 66 * u
        c.box(i * wide, y - high, (i + 0.62) * wide, y + high * 0.5, p.accent if i % 5 else p.paper, 235)


def table(c: Canvas) -> None:
    """A laid table from above."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, p.mid)
    for left in range(0, c.w, max(1, int(14 * u))):
        c.box(left, 0, left + 7 * u, c.h, p.glow, 90)
    for top in range(0, c.h, max(1, int(14 * u))):
        c.box(0, top, c.w, top + 7 * u, p.glow, 90)
    for dx, dy, radius in (
        (0, 0, 27),
        (rng.choice((-44, 42)), 30, 15),
        (rng.choice((-38, 40)), -34, 14),
        (rng.uniform(-14, 14), 56, 18),
    ):
        x, y = c.fx + dx * u, c.fy + dy * u
        c.disc(x + 1.5 * u, y + 2 * u, radius * u, p.deep, 110)
        c.disc(x, y, radius * u, p.paper)
        c.ring(x, y, radius * 0.92 * u, p.accent, 0.7 * u)
        c.disc(x, y, radius * 0.66 * u, rng.choice((p.accent, p.glow, mix(p.accent, p.deep, 0.4))))
        for _ in range(int(radius * 1.6)):
            a, r = rng.uniform(0, math.tau), rng.uniform(0, radius * 0.56) * u
            c.disc(
                x + math.cos(a) * r,
                y + math.sin(a) * r,
                rng.uniform(0.5, 1.5) * u,
                rng.choice((p.paper, p.deep, p.mid, p.glow)),
            )
    for dx in (-33, 33):
        c.line([(c.fx + dx * u, c.fy - 22 * u), (c.fx + dx * u, c.fy + 22 * u)], p.deep, 1.5 * u)
        c.pen.ellipse((c.fx + (dx - 2.6) * u, c.fy - 26 * u, c.fx + (dx + 2.6) * u, c.fy - 14 * u), fill=p.deep)


def pitch(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, p.glow)
    c.ridge(c.fy + 6 * u, 30 * u, mix(p.mid, p.deep, 0.5), rough=0.7, waves=1)
    horizon, slope = c.fy + 22 * u, rng.choice((-6, 6)) * u
    grass = mix(p.mid, p.accent, 0.25)
    for i in range(9):
        y0, y1 = horizon + (i / 9) ** 1.8 * (c.h - horizon), horizon + ((i + 1) / 9) ** 1.8 * (c.h - horizon)
        c.shape(
            [(0, y0 - slope), (c.w, y0 + slope), (c.w, y1 + abs(slope) * 2), (0, y1 + abs(slope) * 2)],
            mix(grass, p.deep, 0.18 if i % 2 else 0.32),
        )
    c.pen.ellipse(
        (c.fx - 40 * u, horizon + 14 * u, c.fx + 40 * u, horizon + 42 * u), outline=p.paper, width=round(0.9 * u)
    )
    c.line([(0, horizon + 28 * u - slope * 0.8), (c.w, horizon + 28 * u + slope * 0.8)], p.paper, 0.9 * u)
    for side in (-1, 1):
        x = c.fx + side * 41 * u
        c.line([(x, horizon), (x, c.fy - 34 * u)], p.deep, 1.2 * u)
        c.glow(x, c.fy - 36 * u, 22 * u, p.paper, 0.9)
        c.box(x - 7 * u, c.fy - 40 * u, x + 7 * u, c.fy - 33 * u, p.deep)
        for k in range(8):
            c.disc(x + (-5.2 + 3.5 * (k % 4)) * u, c.fy + (-38 + 3.2 * (k // 4)) * u, 1.2 * u, p.paper)
    x, y = c.fx + rng.uniform(-9, 9) * u, horizon + 27 * u
    c.pen.ellipse((x - 6 * u, y + 4 * u, x + 7 * u, y + 7 * u), fill=(*p.deep, 150))
    c.disc(x, y, 5.4 * u, p.paper)
    for k in range(5):
        a = k / 5 * math.tau + 0.3
        c.disc(x + math.cos(a) * 3.6 * u, y + math.sin(a) * 3.6 * u, 1.2 * u, p.deep)


def weave(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.deep)
    colours, step = (p.mid, p.glow, p.accent, mix(p.mid, p.deep, 0.4)), 5.2 * u
    warp = [rng.choice(colours) for _ in range(math.ceil(c.w / step))]
    weft = [rng.choice(colours) for _ in range(math.ceil(c.h / step))]
    radius = 34 * u
    for row, across in enumerate(weft):
        for column, down in enumerate(warp):
            x, y = column * step, row * step
            near = math.hypot(x + step / 2 - c.fx, y + step / 2 - c.fy) < radius
            over = (column + row) % 4 < 2 if near else (column - row) % 4 < 2
            colour = across if over else down
            colour = mix(colour, p.accent, 0.75) if near and over else mix(colour, p.deep, 0.2 if near else 0.5)
            if over:
                c.box(x - 0.4 * u, y + 0.5 * u, x + step + 0.4 * u, y + step - 0.5 * u, colour)
            else:
                c.box(x + 0.5 * u, y - 0.4 * u, x + step - 0.5 * u, y + step + 0.4 * u, colour)
