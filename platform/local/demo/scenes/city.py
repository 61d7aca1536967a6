"""Streets, houses and rooms."""

import math

from local.demo.canvas import Canvas, mix


def skyline(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, mix(p.mid, p.glow, 0.75))
    c.glow(c.fx, c.fy, 60 * u, p.accent, 0.55)
    c.disc(c.fx, c.fy, rng.uniform(15, 22) * u, p.accent)
    for layer, share in enumerate((0.62, 0.32, 0.0)):
        x, ground = -5 * u, c.h
        colour = mix(p.deep, p.mid, share)
        while x < c.w:
            wide = rng.uniform(8, 20) * u * (0.8 + 0.25 * layer)
            top = c.fy + (6 + 17 * layer) * u + rng.uniform(0, 30) * u
            c.box(x, top, x + wide, ground, colour)
            if rng.random() < 0.35:
                c.box(x + wide * 0.3, top - 5 * u, x + wide * 0.7, top, colour)
            if rng.random() < 0.3:
                c.line([(x + wide / 2, top - 14 * u), (x + wide / 2, top)], colour, 0.5 * u)
            if layer:
                gap = 3.1 * u
                for row in range(int((ground - top) / gap)):
                    for column in range(1, int(wide / gap)):
                        if rng.random() < 0.13:
                            wx, wy = x + column * gap, top + (row + 0.8) * gap
                            c.box(wx, wy, wx + 1.1 * u, wy + 1.6 * u, p.accent, 225)
            x += wide + rng.uniform(-1, 2) * u
    if rng.random() < 0.5:
        for _ in range(120):
            x, y = rng.uniform(-0.1, 1.1) * c.w, rng.uniform(0, c.h)
            c.line([(x, y), (x - 2.2 * u, y + 7 * u)], p.paper, 0.16 * u, 70)


def blinds(c: Canvas) -> None:
    """Light through a venetian blind, and somebody in a hat."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, mix(p.deep, p.mid, 0.8), p.deep)
    lean, left, wide = rng.uniform(-14, -7) * u, c.fx - 46 * u, 92 * u
    for i in range(15):
        y = c.fy - 44 * u + i * 7.2 * u
        c.shape(
            [(left, y), (left + wide, y + lean), (left + wide, y + lean + 4 * u), (left, y + 4 * u)],
            mix(p.glow, p.accent, 1 - i / 18),
            235,
        )
    for x in (left + wide * 0.33, left + wide * 0.68):
        c.line([(x, 0), (x, c.fy + 75 * u)], p.deep, 0.9 * u, 220)
    x, y = c.fx + rng.choice((-16, 15)) * u, c.fy + 4 * u
    c.shape(
        [
            (x - 33 * u, c.h),
            (x - 29 * u, y + 38 * u),
            (x - 9 * u, y + 25 * u),
            (x + 9 * u, y + 25 * u),
            (x + 29 * u, y + 38 * u),
            (x + 33 * u, c.h),
        ],
        p.deep,
    )
    c.box(x - 6 * u, y + 10 * u, x + 6 * u, y + 30 * u, p.deep)
    c.pen.ellipse((x - 11 * u, y - 11 * u, x + 11 * u, y + 18 * u), fill=p.deep)
    c.pen.ellipse((x - 24 * u, y - 7 * u, x + 24 * u, y + 2 * u), fill=p.deep)
    c.shape(
        [
            (x - 13 * u, y - 3 * u),
            (x - 11 * u, y - 18 * u),
            (x - 3 * u, y - 21 * u),
            (x + 2 * u, y - 18.5 * u),
            (x + 10 * u, y - 20 * u),
            (x + 13 * u, y - 3 * u),
        ],
        p.deep,
    )
    c.line([(x - 12.6 * u, y - 5 * u), (x + 12.6 * u, y - 5 * u)], p.accent, 0.7 * u, 170)


def towers(c: Canvas) -> None:
    """A city of the future, and the tower in the middle that all of it works for."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, p.glow, p.accent)
    c.glow(c.fx, c.fy - 20 * u, 54 * u, p.accent, 0.8)
    for layer in range(3):
        colour, x = mix(mix(p.mid, p.glow, 0.5), p.deep, 0.15 + layer * 0.38), -6 * u
        while x < c.w + 6 * u:
            wide = rng.uniform(7, 12) * u * (1 + 0.3 * layer)
            away = abs(x + wide / 2 - c.fx) / u
            top = c.fy + (layer * 17 - 4) * u + rng.uniform(0, 30) * u + (20 * u if away < 9 + 9 * layer else 0)
            for step in range(4):
                inset = step * wide * 0.13
                c.box(x + inset, top - step * 4.5 * u, x + wide - inset, c.h, colour)
            if rng.random() < 0.5:
                c.line([(x + wide / 2, top - 27 * u), (x + wide / 2, top)], colour, 0.5 * u)
            for row in range(14 if layer else 0):
                if rng.random() < 0.6:
                    y = top + (4 + row * 4) * u
                    c.line([(x + wide * 0.2, y), (x + wide * rng.uniform(0.4, 0.8), y)], p.accent, 0.35 * u, 150)
            x += wide + rng.uniform(0.5, 3) * u
        if layer == 0:
            x, y = c.fx, c.fy
            for i in range(4):
                c.ring(x, y - 24 * u, (9 + i * 8) * u, p.paper, 0.5 * u, 190 - i * 40)
            for half, high in ((11, -2), (8, -12), (5.5, -22), (3, -32)):
                c.box(x - half * u, y + high * u, x + half * u, c.h, p.deep)
            c.shape([(x - 1.4 * u, y - 32 * u), (x, y - 52 * u), (x + 1.4 * u, y - 32 * u)], p.deep)
            c.disc(x, y - 24 * u, 2.2 * u, p.accent)
    for _ in range(3):
        x, y = c.fx + rng.uniform(-42, 42) * u, c.fy + rng.uniform(-40, -4) * u
        c.pen.ellipse((x - 4 * u, y - 1.1 * u, x + 4 * u, y + 1.1 * u), fill=p.deep)


def facade(c: Canvas) -> None:
    """A house front at night; in one window someone is awake."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(mix(p.mid, p.deep, 0.3), mix(p.mid, p.deep, 0.65))
    across, down = 17 * u, 23 * u
    left, top = c.fx - across * round(c.fx / across) - across / 2, c.fy - down * round(c.fy / down) - down / 2
    for row in range(math.ceil(c.h / down) + 2):
        y = top + row * down
        c.line([(0, y), (c.w, y)], p.deep, 0.5 * u, 110)
        for column in range(math.ceil(c.w / across) + 2):
            x = left + column * across
            chosen = abs(x + across / 2 - c.fx) < u and abs(y + down / 2 - c.fy) < u
            lit = chosen or rng.random() < 0.14
            colour = (
                p.accent
                if chosen
                else mix(p.glow, p.accent, 0.3)
                if lit
                else mix(p.deep, p.mid, rng.uniform(0.05, 0.3))
            )
            if chosen:
                c.glow(c.fx, c.fy, 40 * u, p.accent, 0.5)
            c.box(x + 3.6 * u, y + 4 * u, x + across - 3.6 * u, y + down - 4.5 * u, colour)
            c.line([(x + across / 2, y + 4 * u), (x + across / 2, y + down - 4.5 * u)], p.deep, 0.5 * u)
            c.line([(x + 3.6 * u, y + 9.5 * u), (x + across - 3.6 * u, y + 9.5 * u)], p.deep, 0.5 * u)
            c.box(x + 2.8 * u, y + down - 4.5 * u, x + across - 2.8 * u, y + down - 3.5 * u, mix(p.mid, p.glow, 0.35))
    c.disc(c.fx + 1.6 * u, c.fy + 0.6 * u, 1.9 * u, p.deep)
    c.shape(
        [
            (c.fx - 1.6 * u, c.fy + 7 * u),
            (c.fx - 0.4 * u, c.fy + 3 * u),
            (c.fx + 3.6 * u, c.fy + 3 * u),
            (c.fx + 4.8 * u, c.fy + 7 * u),
        ],
        p.deep,
    )


def stairs(c: Canvas) -> None:
    """A spiral stair from above."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.deep)
    turn, count = rng.uniform(0, math.tau), rng.choice((15, 18, 21))
    for ring in range(6, 0, -1):
        outer, inner = ring * 15 * u, (ring - 1) * 15 * u + 4 * u
        for i in range(count):
            a, b = turn + ring * 0.5 + i / count * math.tau, turn + ring * 0.5 + (i + 1) / count * math.tau
            shade = 0.15 + 0.75 * ((i + ring * 3) % count) / count
            colour = mix(mix(p.mid, p.deep, ring / 8), p.glow, max(0, shade - 0.12 * ring))
            c.shape(
                [
                    (c.fx + math.cos(a) * inner, c.fy + math.sin(a) * inner),
                    (c.fx + math.cos(a) * outer, c.fy + math.sin(a) * outer),
                    (c.fx + math.cos(b) * outer, c.fy + math.sin(b) * outer),
                    (c.fx + math.cos(b) * inner, c.fy + math.sin(b) * inner),
                ],
                colour,
            )
        c.ring(c.fx, c.fy, outer, p.deep, 1.4 * u)
    c.disc(c.fx, c.fy, 6 * u, p.accent)
    c.glow(c.fx, c.fy, 26 * u, p.accent, 0.6)


def wallpaper(c: Canvas) -> None:
    """A repeating pattern with one place where it looks back."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.mid, mix(p.mid, p.deep, 0.7))
    step = 15 * u
    for row in range(-1, math.ceil(c.h / step) + 1):
        for column in range(-1, math.ceil(c.w / step) + 1):
            x, y = (column + 0.5 * (row % 2)) * step, row * step
            for k in range(6):
                a = k / 6 * math.tau
                px, py = x + math.cos(a) * step * 0.3, y + math.sin(a) * step * 0.3
                c.pen.ellipse(
                    (px - 1.9 * u, py - 1.9 * u, px + 1.9 * u, py + 1.9 * u),
                    outline=(*p.glow, 170),
                    width=max(1, round(0.35 * u)),
                )
            c.disc(x, y, 1.5 * u, p.glow, 190)
    c.glow(c.fx, c.fy, 40 * u, p.deep, 0.95)
    span = [k / 12 - 1 for k in range(25)]
    lids = [(c.fx + t * 25 * u, c.fy - math.cos(t * math.pi / 2) * 14 * u) for t in span]
    lids += [(c.fx - t * 25 * u, c.fy + math.cos(t * math.pi / 2) * 12 * u) for t in span]
    c.shape(lids, p.paper)
    c.disc(c.fx, c.fy - 1 * u, 11.5 * u, p.accent)
    c.disc(c.fx, c.fy - 1 * u, 5.5 * u, p.deep)
    c.disc(c.fx + 3 * u, c.fy - 5 * u, 1.9 * u, p.paper)
    c.line(
        [(c.fx - 26 * u, c.fy - 1 * u), (c.fx, c.fy + rng.uniform(11.5, 12.5) * u), (c.fx + 26 * u, c.fy - 1 * u)],
        p.deep,
        0.5 * u,
        90,
    )


def rails(c: Canvas) -> None:
    """A line that runs straight to the horizon."""
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, p.glow, p.accent)
    horizon = c.fy + 20 * u
    c.glow(c.fx, horizon, 46 * u, p.paper, 0.6)
    c.disc(c.fx, horizon - rng.uniform(0, 14) * u, 11 * u, mix(p.accent, p.paper, 0.4))
    c.ridge(horizon - 1 * u, 4 * u, mix(p.mid, p.deep, 0.4), rough=0.2, waves=2)
    c.box(0, horizon, c.w, c.h, mix(p.mid, p.deep, 0.65))
    for side in (-1, 1):
        for _ in range(16):
            t = rng.random() ** 2
            y = horizon + t * (c.h - horizon)
            x = c.fx + side * rng.uniform(10 + 50 * t, 60 + 70 * t) * u
            c.line([(x - 8 * u * t - u, y), (x + 8 * u * t + u, y)], p.accent, (0.2 + t) * u, 120)
    depth = c.h - horizon
    for k in range(1, 26):
        t = (k / 25) ** 2.2
        y, half = horizon + t * depth, (0.8 + t * 36) * u
        c.line([(c.fx - half, y), (c.fx + half, y)], p.deep, (0.25 + t * 3) * u)
    for side in (-1, 1):
        c.shape(
            [
                (c.fx + side * 0.3 * u, horizon),
                (c.fx + side * 0.6 * u, horizon),
                (c.fx + side * 27 * u, c.h),
                (c.fx + side * 24 * u, c.h),
            ],
            p.paper,
        )
    x = c.fx + rng.choice((-30, 30)) * u
    c.line([(x, c.h), (x, c.fy - 22 * u)], p.deep, 1.6 * u)
    c.shape(
        [(x, c.fy - 21 * u), (x + 15 * u, c.fy - 24 * u), (x + 15 * u, c.fy - 19.5 * u), (x, c.fy - 16.5 * u)], p.deep
    )
    c.disc(x - 2.6 * u, c.fy - 18 * u, 2.2 * u, p.accent)


def road(c: Canvas) -> None:
    p, rng, u = c.palette, c.rng, c.u
    c.sky(p.deep, p.mid, p.glow)
    horizon = c.fy + 16 * u
    c.ridge(horizon - 2 * u, 13 * u, mix(p.mid, p.deep, 0.55), rough=0.7, waves=1.2)
    c.box(0, horizon, c.w, c.h, p.deep)
    bend = rng.uniform(-20, 20) * u
    depth = c.h - horizon
    edge = [((c.fx + bend * (1 - t) ** 2, horizon + t * depth), (1 + 47 * t) * u) for t in (k / 30 for k in range(31))]
    c.shape(
        [*[(x - half, y) for (x, y), half in edge], *[(x + half, y) for (x, y), half in reversed(edge)]],
        mix(p.deep, p.mid, 0.55),
    )
    for k in range(2, 30, 3):
        (x, y), half = edge[k]
        (nx, ny), next_half = edge[min(30, k + 1)]
        c.shape(
            [(x - half * 0.03, y), (x + half * 0.03, y), (nx + next_half * 0.03, ny), (nx - next_half * 0.03, ny)],
            p.accent,
        )
    (x, y), _ = edge[6]
    for dx in (-2.4, 2.4):
        c.glow(x + dx * u, y - 2 * u, 15 * u, p.accent, 0.8)
    for dx in (-2.4, 2.4):
        c.disc(x + dx * u, y - 2 * u, 1.2 * u, p.paper)
    c.stars(50, below=c.fy - 4 * u, colour=p.paper)
