"""Sea and sky."""

import math

from PIL import Image, ImageDraw

from local.demo.canvas import Canvas, mix


def waves(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, p.glow)
    c.stars(70, below=c.fy, colour=p.paper)
    mx = c.fx + rng.choice((-16, 16)) * u
    c.glow(mx, c.fy - 16 * u, 46 * u, p.accent, 0.6)
    c.disc(mx, c.fy - 16 * u, 10 * u, p.accent)
    x, y = c.fx, c.fy + 25 * u
    c.shape([(x - 30 * u, y), (x + 31 * u, y - 2 * u), (x + 25 * u, y + 12 * u), (x - 24 * u, y + 12 * u)], p.deep)
    for i, (left, right, top) in enumerate(((-22, 18, -6), (-18, 12, -12), (-12, 4, -18))):
        c.box(x + left * u, y + top * u, x + right * u, y + (top + 7) * u, mix(p.deep, p.mid, 0.12 + 0.1 * i))
        for k in range(int((right - left) / 3.4)):
            c.box(
                x + (left + 2 + k * 3.4) * u,
                y + (top + 2) * u,
                x + (left + 3.2 + k * 3.4) * u,
                y + (top + 3.4) * u,
                p.accent,
            )
    c.box(x + 5 * u, y - 26 * u, x + 10 * u, y - 10 * u, p.deep)
    c.box(x + 5 * u, y - 23 * u, x + 10 * u, y - 20 * u, p.accent)
    for layer in range(6):
        colour = mix(mix(p.mid, p.glow, 0.35), p.deep, layer / 5.5)
        phase, step, base = rng.uniform(0, math.tau), rng.uniform(15, 22) * u, c.fy + (27 + layer * 10) * u
        line = [
            (px, base - (2.2 + 0.5 * layer) * u * (1 - abs(math.sin(px / step + phase)) * 2))
            for px in range(0, c.w + 12, 12)
        ]
        c.shape([*line, (c.w, c.h), (0, c.h)], colour)
        c.line(line, p.paper, 0.3 * u, 80)


def lighthouse(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, mix(p.mid, p.glow, 0.8))
    c.stars(110, below=c.fy + 30 * u, colour=p.paper)
    x, y = c.fx, c.fy - 18 * u
    for angle in (rng.uniform(2.7, 3.0), rng.uniform(-0.25, 0.1)):
        for spread, alpha in ((0.2, 60), (0.12, 80), (0.05, 120)):
            c.shape(
                [
                    (x, y),
                    (x + math.cos(angle - spread) * 3 * c.w, y + math.sin(angle - spread) * 3 * c.w),
                    (x + math.cos(angle + spread) * 3 * c.w, y + math.sin(angle + spread) * 3 * c.w),
                ],
                p.accent,
                alpha,
            )
    c.glow(x, y, 24 * u, p.paper, 0.9)
    for i in range(5):
        t, b = i / 5, (i + 1) / 5
        upper, lower = (4.4 + 4.2 * t) * u, (4.4 + 4.2 * b) * u
        y0, y1 = y + (5 + t * 58) * u, y + (5 + b * 58) * u
        c.shape([(x - upper, y0), (x + upper, y0), (x + lower, y1), (x - lower, y1)], p.paper if i % 2 else p.deep)
    c.box(x - 6 * u, y + 3 * u, x + 6 * u, y + 5.4 * u, p.deep)
    c.box(x - 3.4 * u, y - 3.5 * u, x + 3.4 * u, y + 3 * u, p.accent)
    c.shape([(x - 5 * u, y - 3.5 * u), (x, y - 9 * u), (x + 5 * u, y - 3.5 * u)], p.deep)
    c.ridge(c.fy + 46 * u, 9 * u, p.deep, rough=0.65, waves=1.2)
    for _ in range(9):
        c.bird(x + rng.uniform(-40, 40) * u, y + rng.uniform(-26, 34) * u, rng.uniform(1.6, 3.8) * u, p.deep)


def lake(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, p.glow, p.accent)
    shore, radius = c.fy + 18 * u, rng.uniform(17, 24) * u
    c.glow(c.fx, c.fy, 56 * u, p.paper, 0.5)
    c.disc(c.fx, shore - radius * rng.uniform(0.3, 0.9), radius, mix(p.accent, p.paper, 0.35))
    c.ridge(shore - 5 * u, 13 * u, mix(p.glow, p.mid, 0.65), rough=0.25)
    c.ridge(shore - 1 * u, 6 * u, mix(p.mid, p.deep, 0.45), rough=0.3, waves=2.4)
    c.box(0, shore, c.w, c.h, mix(p.mid, p.deep, 0.3))
    for i in range(26):
        y = shore + (1.2 + i * 2.6) * u
        wide = radius * rng.uniform(0.35, 1.15) * (1 - i / 40)
        x = c.fx + rng.uniform(-4, 4) * u
        c.line([(x - wide, y), (x + wide, y)], p.accent, (0.4 + 0.03 * i) * u, 215)
    x, y = c.fx + rng.choice((-24, 20)) * u, shore + 26 * u
    c.shape(
        [(x - 15 * u, y - 3 * u), (x + 15 * u, y - 3 * u), (x + 10 * u, y + 2.4 * u), (x - 10 * u, y + 2.4 * u)], p.deep
    )
    for dx in (-5, 5):
        c.disc(x + dx * u, y - 11.4 * u, 2 * u, p.deep)
        c.shape(
            [
                (x + (dx - 2.8) * u, y - 2 * u),
                (x + (dx - 1.6) * u, y - 9 * u),
                (x + (dx + 1.6) * u, y - 9 * u),
                (x + (dx + 2.8) * u, y - 2 * u),
            ],
            p.deep,
        )
    c.line([(x - 6 * u, y - 7 * u), (x - 19 * u, y + 5 * u)], p.deep, 0.6 * u)


def planets(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, mix(p.deep, p.mid, 0.7), p.mid)
    c.stars(220, below=c.h, colour=p.paper)
    c.glow(c.fx, c.fy, 74 * u, p.glow, 0.8)
    radius = rng.uniform(22, 29) * u
    for i in range(3):
        c.ring(c.fx, c.fy, radius + (14 + i * 13) * u, p.paper, 0.2 * u, 70)
        angle = rng.uniform(0, math.tau)
        c.disc(
            c.fx + math.cos(angle) * (radius + (14 + i * 13) * u),
            c.fy + math.sin(angle) * (radius + (14 + i * 13) * u),
            rng.uniform(1.2, 3.2) * u,
            rng.choice((p.accent, p.glow, p.paper)),
        )
    ball = Image.new("L", (400, 400))
    ImageDraw.Draw(ball).ellipse((2, 2, 397, 397), fill=255)
    skin = Image.new("RGB", (400, 400), p.accent)
    pen = ImageDraw.Draw(skin, "RGBA")
    y = 0
    while y < 400:
        high = rng.randint(10, 52)
        pen.rectangle(
            (0, y, 400, y + high), fill=mix(p.accent, rng.choice((p.glow, p.mid, p.paper)), rng.uniform(0.1, 0.65))
        )
        y += high
    shade = Image.new("L", (400, 400))
    ImageDraw.Draw(shade).ellipse((-170, -120, 330, 380), fill=255)
    skin = Image.composite(skin, Image.blend(skin, Image.new("RGB", skin.size, p.deep), 0.62), shade)
    side = int(radius * 2)
    turn = rng.uniform(-28, 28)
    c.image.paste(
        skin.rotate(turn, Image.Resampling.BICUBIC).resize((side, side), Image.Resampling.LANCZOS),
        (int(c.fx - radius), int(c.fy - radius)),
        ball.resize((side, side), Image.Resampling.LANCZOS),
    )
    tilt = rng.uniform(0.25, 0.5)
    for i in range(3):
        wide = radius * (1.5 + i * 0.13)
        points = [
            (
                c.fx + math.cos(a / 60 * math.pi) * wide,
                c.fy + math.sin(a / 60 * math.pi) * wide * tilt * 0.5 + math.cos(a / 60 * math.pi) * wide * -0.22,
            )
            for a in range(-3, 64)
        ]
        c.line(points, p.paper, (0.9 - 0.25 * i) * u, 220)
    if rng.random() < 0.6:
        c.ridge(c.fy + 66 * u, 10 * u, p.deep, rough=0.6, waves=2)


def domes(c: Canvas) -> None:
    """Domes under a crescent, cut as if from paper."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, p.glow, p.accent)
    c.stars(90, below=c.fy, colour=p.paper)
    mx, my = c.fx + rng.choice((-12, 12)) * u, c.fy - 16 * u
    moon = Image.new("L", (c.w, c.h))
    pen = ImageDraw.Draw(moon)
    pen.ellipse((mx - 17 * u, my - 17 * u, mx + 17 * u, my + 17 * u), fill=255)
    pen.ellipse((mx - 9 * u, my - 20 * u, mx + 22 * u, my + 12 * u), fill=0)
    c.image.paste(p.paper, (0, 0), moon)
    for layer in range(3):
        colour, ground = mix(p.mid, p.deep, 0.35 + layer * 0.32), c.fy + (44 + layer * 12) * u
        for _ in range(5):
            x, r = rng.uniform(0, 1) * c.w, rng.uniform(5, 10) * u * (1 + 0.3 * layer)
            top = ground - rng.uniform(6, 26) * u
            c.box(x - r, top, x + r, c.h, colour)
            curve = [(x + math.sin(t / 12 * math.pi) * r * 1.12, top - t / 12 * r * 1.5) for t in range(13)]
            c.shape([(x - r, top), *[(2 * x - px, py) for px, py in curve], *reversed(curve), (x + r, top)], colour)
            c.line([(x, top - r * 1.4), (x, top - r * 2.2)], colour, 0.6 * u)
            c.disc(x, top - r * 2.2, 0.9 * u, colour)
        for _ in range(3):
            x, top = rng.uniform(0, 1) * c.w, ground - rng.uniform(26, 46) * u
            c.box(x - 1.8 * u, top, x + 1.8 * u, c.h, colour)
            c.box(x - 2.9 * u, top + 5 * u, x + 2.9 * u, top + 6.6 * u, colour)
            c.shape([(x - 1.9 * u, top), (x, top - 7 * u), (x + 1.9 * u, top)], colour)
        c.box(0, ground + 4 * u, c.w, c.h, colour)


def searchlights(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, mix(p.deep, p.mid, 0.8), p.glow)
    base = c.fy + 46 * u
    for _ in range(5):
        x, angle = c.fx + rng.uniform(-46, 46) * u, -math.pi / 2 + rng.uniform(-0.6, 0.6)
        for spread, alpha in ((0.075, 40), (0.045, 50)):
            c.shape(
                [
                    (x, base),
                    (x + math.cos(angle - spread) * 2 * c.h, base + math.sin(angle - spread) * 2 * c.h),
                    (x + math.cos(angle + spread) * 2 * c.h, base + math.sin(angle + spread) * 2 * c.h),
                ],
                p.accent,
                alpha,
            )
    for _ in range(3):
        x, y, s = c.fx + rng.uniform(-36, 36) * u, c.fy + rng.uniform(-34, 14) * u, rng.uniform(3.4, 7) * u
        c.shape(
            [(x - s * 1.6, y), (x + s * 1.4, y - s * 0.12), (x + s * 1.7, y + s * 0.1), (x - s * 1.6, y + s * 0.22)],
            p.deep,
        )
        c.shape([(x - s * 0.1, y - s), (x + s * 0.35, y - s), (x + s * 0.5, y + s), (x + s * 0.05, y + s)], p.deep)
        c.shape(
            [
                (x - s * 1.6, y - s * 0.4),
                (x - s * 1.35, y - s * 0.4),
                (x - s * 1.25, y + s * 0.4),
                (x - s * 1.5, y + s * 0.4),
            ],
            p.deep,
        )
    c.ridge(base, 8 * u, mix(p.mid, p.deep, 0.6), rough=0.6, waves=2)
    c.ridge(base + 10 * u, 6 * u, p.deep, rough=0.6, waves=3)
    for x0 in range(0, c.w + int(12 * u), int(12 * u)):
        x = x0 + rng.uniform(-2, 2) * u
        c.line([(x, base + 14 * u), (x + rng.uniform(-2, 2) * u, base - 7 * u)], p.deep, 1.0 * u)
    for k in range(2):
        y = base - (4 - 6 * k) * u
        c.line([(x, y + math.sin(x / (5 * u)) * 1.1 * u) for x in range(0, c.w + 8, 8)], p.deep, 0.4 * u)
        for x in range(0, c.w, int(4.4 * u)):
            c.line([(x - 0.9 * u, y - 0.9 * u), (x + 0.9 * u, y + 0.9 * u)], p.deep, 0.35 * u)


def sunburst(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, p.mid)
    x, y, count, reach = c.fx, c.fy + 22 * u, rng.choice((22, 28, 34)), c.w + c.h
    for i in range(count):
        a, b = (i / count) * math.tau, ((i + 0.5) / count) * math.tau
        c.shape(
            [
                (x, y),
                (x + math.cos(a) * reach, y + math.sin(a) * reach),
                (x + math.cos(b) * reach, y + math.sin(b) * reach),
            ],
            mix(p.mid, p.glow, 0.42),
        )
    for i in range(5, 0, -1):
        c.disc(x, y, i * 9.4 * u, (p.deep, p.glow, p.mid, p.accent, p.glow)[i - 1])
        c.ring(x, y, i * 9.4 * u, p.deep, 0.6 * u)
    c.box(0, y, c.w, c.h, p.deep)
    for i in range(7):
        high = y + (3 + i * i * 1.5) * u
        c.line([(0, high), (c.w, high)], p.glow, (0.35 + 0.12 * i) * u, 190)
