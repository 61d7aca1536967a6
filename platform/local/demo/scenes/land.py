"""Hills, trees and what lies under them."""

import math

from local.demo.canvas import Canvas, Colour, mix


def haunted(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, p.glow)
    mx, my = c.fx + rng.choice((-14, 12)) * u, c.fy - 12 * u
    c.glow(mx, my, 62 * u, p.accent, 0.5)
    c.disc(mx, my, 24 * u, p.accent)
    c.ridge(c.fy + 34 * u, 10 * u, mix(p.deep, p.mid, 0.55), rough=0.2)
    x, y = c.fx, c.fy + 42 * u
    c.shape(
        [(x - 90 * u, c.h), (x - 40 * u, y + 6 * u), (x, y - 2 * u), (x + 40 * u, y + 8 * u), (x + 90 * u, c.h)], p.deep
    )
    tilt = rng.uniform(-4, 4) * u
    for dx, wide, high, roof in ((-17, 13, 25, 12), (-4, 15, 36, 18), (11, 11, 20, 13)):
        left, right, top = x + dx * u, x + (dx + wide) * u, y - high * u
        c.shape([(left, y + 3 * u), (left + tilt, top), (right + tilt, top), (right, y + 3 * u)], p.deep)
        c.shape(
            [
                (left + tilt - 2 * u, top),
                ((left + right) / 2 + tilt * 1.6, top - roof * u),
                (right + tilt + 2 * u, top),
            ],
            p.deep,
        )
        if rng.random() < 0.85:
            wx = (left + right) / 2 + tilt * 0.7
            c.shape(
                [
                    (wx - 1.7 * u, top + 9 * u),
                    (wx - 1.7 * u, top + 5 * u),
                    (wx, top + 3 * u),
                    (wx + 1.7 * u, top + 5 * u),
                    (wx + 1.7 * u, top + 9 * u),
                ],
                p.accent,
            )
    for side in (-1, 1):
        _branch(
            c,
            x + side * rng.uniform(36, 46) * u,
            c.fy + 62 * u,
            -math.pi / 2 - side * 0.12,
            rng.uniform(19, 24) * u,
            3.2 * u,
            p.deep,
        )
    for _ in range(7):
        bx, by = mx + rng.uniform(-32, 32) * u, my + rng.uniform(-22, 20) * u
        c.bird(bx, by, rng.uniform(1.4, 3) * u, p.deep)


def _branch(c: Canvas, x: float, y: float, angle: float, length: float, width: float, colour: Colour) -> None:
    if length < 2.2 * c.u:
        return
    x2, y2 = x + math.cos(angle) * length, y + math.sin(angle) * length
    c.line([(x, y), (x2, y2)], colour, width)
    for turn in (c.rng.uniform(0.25, 0.65), -c.rng.uniform(0.25, 0.65)):
        _branch(c, x2, y2, angle + turn, length * c.rng.uniform(0.62, 0.8), width * 0.62, colour)


def woods(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, p.glow, mix(p.glow, p.accent, 0.5))
    c.glow(c.fx, c.fy, 58 * u, p.accent, 0.8)
    c.disc(c.fx, c.fy, 12 * u, mix(p.accent, p.paper, 0.5))
    for layer in range(4):
        colour = mix(p.glow, p.deep, (0.3, 0.55, 0.8, 1)[layer])
        for _ in range((30, 20, 12, 8)[layer]):
            x = rng.uniform(-0.05, 1.05) * c.w
            if layer > 1 and abs(x - c.fx) < (6 + 7 * layer) * u:
                continue
            wide = (0.7 + layer * 1.1) * u * rng.uniform(0.8, 1.5)
            lean = rng.uniform(-3, 3) * u
            c.shape([(x - wide, c.h), (x - wide * 0.6 + lean, 0), (x + wide * 0.6 + lean, 0), (x + wide, c.h)], colour)
            for _ in range(layer + 1):
                y = rng.uniform(0.05, 0.6) * c.h
                side = rng.choice((-1, 1))
                c.line([(x + lean * 0.5, y), (x + side * wide * 5, y - wide * rng.uniform(2, 6))], colour, wide * 0.4)
        c.ridge(c.fy + (44 + 11 * layer) * u, 5 * u, colour, rough=0.1)


def mesas(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, p.glow, mix(p.glow, p.accent, 0.8))
    radius = rng.uniform(24, 32) * u
    c.disc(c.fx, c.fy + 4 * u, radius, p.accent)
    for i in range(3):
        y = c.fy + (10 + i * 6) * u
        c.box(c.fx - radius, y, c.fx + radius, y + (0.9 + i * 0.7) * u, mix(p.glow, p.accent, 0.4 - 0.1 * i))
    for layer in range(3):
        colour = mix(p.mid, p.deep, 0.15 + 0.4 * layer)
        base = c.fy + (32 + 13 * layer) * u
        for _ in range(3):
            x, wide, high = (
                rng.uniform(-0.1, 1.0) * c.w,
                rng.uniform(16, 40) * u,
                rng.uniform(8, 26) * u * (1.1 - 0.25 * layer),
            )
            c.shape(
                [
                    (x - 9 * u, base + 2 * u),
                    (x, base - high * 0.5),
                    (x + 2 * u, base - high),
                    (x + wide, base - high),
                    (x + wide + 2 * u, base - high * 0.45),
                    (x + wide + 11 * u, base + 2 * u),
                ],
                colour,
            )
        c.ridge(base, 3 * u, colour, rough=0.1, waves=1)
    x, top, scale = -4 * u, c.fy + 6 * u, 1.0
    while x < c.w + 20 * u:
        ground = c.fy + 74 * u
        c.line([(x, top + (1 - scale) * 34 * u), (x, ground)], p.deep, 1.1 * u * scale)
        c.line(
            [
                (x - 4 * u * scale, top + 4 * u + (1 - scale) * 34 * u),
                (x + 4 * u * scale, top + 4 * u + (1 - scale) * 34 * u),
            ],
            p.deep,
            0.8 * u * scale,
        )
        x, scale = x + 30 * u * scale, scale * 0.8
        if scale < 0.25:
            break


def peaks(c: Canvas) -> None:
    """Mountains, and the dotted line of an expedition."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, p.glow, p.accent)
    c.disc(c.fx + rng.uniform(-16, 16) * u, c.fy - 12 * u, 11 * u, p.paper)
    for layer in range(5):
        colour = mix(mix(p.glow, p.mid, 0.4), p.deep, layer / 4)
        c.ridge(c.fy + (8 + layer * 13) * u, (34 - 4 * layer) * u, colour, rough=0.75, waves=0.9 + layer * 0.4)
    x, y = c.fx - 34 * u, c.fy + 62 * u
    for _ in range(22):
        nx, ny = x + rng.uniform(1.6, 4.6) * u, y - rng.uniform(0.6, 3.8) * u
        c.line([(x, y), (x + (nx - x) * 0.6, y + (ny - y) * 0.6)], p.accent, 0.8 * u)
        x, y = nx, ny
    c.line([(x - 2 * u, y - 2 * u), (x + 2 * u, y + 2 * u)], p.accent, 1.0 * u)
    c.line([(x - 2 * u, y + 2 * u), (x + 2 * u, y - 2 * u)], p.accent, 1.0 * u)
    for _ in range(5):
        c.bird(c.fx + rng.uniform(-34, 34) * u, c.fy - rng.uniform(4, 30) * u, rng.uniform(1.4, 2.4) * u, p.deep)


def hills(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(mix(p.accent, p.paper, 0.55), mix(p.accent, p.paper, 0.85), p.paper)
    sx, sy = c.fx + rng.uniform(-18, 18) * u, c.fy - 10 * u
    for i in range(18):
        a = i / 18 * math.tau
        c.shape(
            [
                (sx + math.cos(a - 0.07) * 18 * u, sy + math.sin(a - 0.07) * 18 * u),
                (sx + math.cos(a) * 25 * u, sy + math.sin(a) * 25 * u),
                (sx + math.cos(a + 0.07) * 18 * u, sy + math.sin(a + 0.07) * 18 * u),
            ],
            p.glow,
        )
    c.disc(sx, sy, 16 * u, p.glow)
    for _ in range(4):
        x, y, size = rng.uniform(0, 1) * c.w, c.fy + rng.uniform(-42, 6) * u, rng.uniform(4, 7) * u
        for dx, dy, r in ((-1.5, 0.3, 0.8), (-0.5, -0.3, 1.1), (0.7, -0.1, 1.0), (1.7, 0.35, 0.7)):
            c.disc(x + dx * size, y + dy * size, r * size, p.paper)
        c.pen.rounded_rectangle(
            (x - 2.3 * size, y + 0.1 * size, x + 2.4 * size, y + 1.1 * size), round(0.5 * size), fill=p.paper
        )
    for layer in range(4):
        colour = (mix(p.accent, p.glow, 0.5), p.mid, p.accent, p.deep)[layer]
        line = c.ridge(c.fy + (20 + layer * 15) * u, 9 * u, colour, rough=0.0, waves=0.8)
        for _ in range(5 if layer < 3 else 0):
            x, y = line[rng.randrange(5, len(line) - 5)]
            size = rng.uniform(2.4, 4.6) * u
            c.line([(x, y + u), (x, y - size * 2)], p.deep, 0.7 * u)
            if rng.random() < 0.5:
                c.disc(x, y - size * 2.4, size, mix(colour, p.deep, 0.35))
            else:
                c.shape(
                    [(x - size * 0.8, y - size), (x, y - size * 4.2), (x + size * 0.8, y - size)],
                    mix(colour, p.deep, 0.35),
                )
    x, y = c.fx, c.fy + 62 * u
    c.pen.ellipse((x - 22 * u, y, x + 22 * u, y + 9 * u), fill=mix(p.accent, p.paper, 0.6))
    c.pen.ellipse((x - 13 * u, y + 2 * u, x + 9 * u, y + 5 * u), fill=p.paper)


def strata(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(mix(p.glow, p.paper, 0.4), p.glow)
    c.disc(c.fx, c.fy - 16 * u, 9 * u, p.accent)
    colours = (p.glow, p.mid, mix(p.mid, p.accent, 0.5), p.deep, mix(p.mid, p.deep, 0.5), p.accent)
    y = c.fy - 4 * u
    while y < c.h:
        c.ridge(
            y,
            rng.uniform(4, 10) * u,
            mix(rng.choice(colours), p.deep, min(0.7, (y - c.fy) / c.h)),
            rough=rng.choice((0.1, 0.3)),
            waves=rng.uniform(0.6, 1.6),
        )
        y += rng.uniform(6, 13) * u
    for _ in range(3):
        x, y, size = c.fx + rng.uniform(-32, 32) * u, c.fy + rng.uniform(26, 62) * u, rng.uniform(4, 8) * u
        turn = rng.uniform(0, math.tau)
        c.line(
            [
                (x + math.cos(turn + a * 0.22) * size * a / 60, y + math.sin(turn + a * 0.22) * size * a / 60)
                for a in range(62)
            ],
            p.paper,
            0.8 * u,
            220,
        )


def contours(c: Canvas) -> None:
    """The height lines of a map."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, mix(p.deep, p.mid, 0.55))
    bumps = [(rng.uniform(2, 7), rng.uniform(0, math.tau), rng.uniform(0.03, 0.1)) for _ in range(4)]
    for i in range(26, 0, -1):
        points = []
        for k in range(121):
            a = k / 120 * math.tau
            r = i * 4.6 * u * (1 + sum(m * math.sin(round(f) * a + q + i * 0.07) for f, q, m in bumps))
            points.append((c.fx + math.cos(a) * r * 1.15, c.fy + math.sin(a) * r))
        if i in (4, 8, 13):
            c.shape(points, mix(p.mid, p.glow, {13: 0.15, 8: 0.5, 4: 0.9}[i]))
        c.line(points, p.accent, (0.7 if i % 4 == 0 else 0.3) * u, 230 if i % 4 == 0 else 130)
    x, y = c.fx + 3 * u, c.fy - 2 * u
    c.shape([(x, y), (x - 3.6 * u, y - 8 * u), (x + 3.6 * u, y - 8 * u)], p.paper)
    c.disc(x, y - 9 * u, 4.2 * u, p.paper)
    c.disc(x, y - 9 * u, 1.7 * u, p.deep)


def leaves(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(mix(p.glow, p.paper, 0.5), p.glow)
    c.disc(c.fx, c.fy - 6 * u, 24 * u, mix(p.accent, p.paper, 0.3))
    for layer in range(3):
        colour = mix(p.mid, p.deep, layer / 2)
        for _ in range((14, 10, 8)[layer]):
            x, y = rng.uniform(-0.05, 1.05) * c.w, c.h + 5 * u
            reach, bend = c.h - c.fy - rng.uniform(-16, 34) * u + layer * -16 * u, rng.uniform(-18, 18) * u
            stem = [(x + bend * (t / 20) ** 2, y - reach * t / 20) for t in range(21)]
            c.line(stem, colour, (0.6 + 0.3 * layer) * u)
            for t in range(5, 21, 2 if rng.random() < 0.6 else 3):
                sx, sy = stem[t]
                for side in (-1, 1):
                    size = (2.4 + layer * 1.3) * u * (1.3 - t / 24)
                    tip = (sx + side * size * 2.2, sy - size * 1.5)
                    c.shape(
                        [
                            (sx, sy),
                            (sx + side * size * 0.7, sy - size * 1.4),
                            tip,
                            (sx + side * size * 1.4, sy - size * 0.2),
                        ],
                        colour,
                    )
    x, y = c.fx + 6 * u, c.fy - 2 * u
    for _ in range(4):
        c.bird(x + rng.uniform(-16, 16) * u, y + rng.uniform(-18, 8) * u, rng.uniform(1.6, 2.8) * u, p.deep)
