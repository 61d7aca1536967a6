"""The pictures on posters and backdrops: thirty compositions in flat shapes.

A scene fills the whole canvas and knows nothing of words. All its chance comes from the canvas's own generator, so that
a title looks the same wherever it is drawn. What matters sits around the canvas's focus: above the title on a poster,
right of the middle on a backdrop, where a page lays its text on the left.
"""

from collections.abc import Callable, Sequence
from random import Random

from local.demo.canvas import Canvas, Palette
from local.demo.scenes import city, horizon, land, prints


def _palette(deep: str, mid: str, glow: str, accent: str, paper: str = "f6efe0") -> Palette:
    return Palette(deep=_rgb(deep), mid=_rgb(mid), glow=_rgb(glow), accent=_rgb(accent), paper=_rgb(paper))


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


NIGHT = (
    _palette("0c0f1d", "27304f", "7d86a8", "f0cf86"),
    _palette("0b1417", "1d3f49", "5f9492", "f2dfae"),
    _palette("160e14", "4a1f30", "a84851", "f4cda4"),
    _palette("121212", "35363a", "83807a", "e9b949"),
)
DREAD = (
    _palette("0d0a10", "3c1a2c", "93303c", "f3d9b4"),
    _palette("08110f", "1d3a31", "6a8a57", "e9ecb9"),
    _palette("0f0c19", "31275a", "7c64a3", "efe3c2"),
    _palette("0b0f14", "22364a", "6f8ea0", "e4572e"),
)
DUST = (
    _palette("321512", "9c3f28", "e8a052", "fbe5b4"),
    _palette("2a1a26", "84424a", "e08e5c", "f9dfab"),
    _palette("1f2430", "5b5a63", "d29b63", "f6e6c0"),
)
SEA = (
    _palette("0a2233", "1d5673", "8bbcbc", "f4d79d"),
    _palette("10182b", "2f4a7a", "94a9c9", "f3b562"),
    _palette("0c2a2a", "1f6a66", "9fcdb2", "f7e3b0"),
)
LEAF = (
    _palette("14241b", "3c6146", "b1bd77", "f4e4a8"),
    _palette("1c2a1e", "58734b", "d9c98a", "e8743b"),
    _palette("12262b", "2f6467", "a6c6a1", "f5d97e"),
)
BRIGHT = (
    _palette("26335a", "e4572e", "f4b942", "4fb0a5", "fbf3df"),
    _palette("472344", "d9577e", "f3a65a", "4c9f9a", "fdf4e3"),
    _palette("1d4a5c", "ef7d54", "f6d55c", "8fc0a9", "fff7e6"),
    _palette("23364f", "3f7cac", "f2c14e", "f78154", "fbf5e6"),
)
ROSE = (
    _palette("28162d", "7b395a", "dd928a", "f9dfc0"),
    _palette("1d1f3a", "5b4b86", "e0a1a6", "fbe2b8"),
    _palette("33181a", "8f4038", "eba77d", "fbe8c6"),
)
GILT = (
    _palette("13203a", "28456a", "c9a45c", "f4e3b2"),
    _palette("231a16", "5f3b2a", "c7923e", "f3dfae"),
    _palette("10211f", "23504a", "bfa75f", "f2e7bd"),
    _palette("2b1220", "6d2740", "c98f5b", "f4debb"),
)
SPACE = (
    _palette("070a1c", "1c2456", "6152a4", "f3a65a"),
    _palette("06131a", "0e3b4c", "2f93a0", "f7c767"),
    _palette("140a1e", "43205c", "b8497e", "f8d48a"),
)

Scene = Callable[[Canvas], None]

# What each genre may look like: scenes, and the palettes that suit them.
LOOKS: dict[str, tuple[tuple[Scene, ...], tuple[Palette, ...]]] = {
    "film noir": ((city.blinds, city.skyline, city.road), NIGHT),
    "crime": ((city.skyline, city.blinds, city.rails), NIGHT),
    "thriller": ((horizon.waves, city.road, city.stairs), (*NIGHT, *SEA)),
    "mystery": ((city.stairs, city.facade, land.woods), NIGHT),
    "horror": ((land.haunted, land.woods, city.wallpaper), DREAD),
    "western": ((land.mesas, city.rails), DUST),
    "war": ((horizon.searchlights,), (*DUST, *NIGHT)),
    "history": ((horizon.sunburst, prints.weave), GILT),
    "science fiction": ((horizon.planets, city.towers), SPACE),
    "science": ((land.strata, land.contours), LEAF),
    "fantasy": ((horizon.domes, horizon.lighthouse), (*ROSE, *SPACE)),
    "adventure": ((land.peaks, horizon.domes, land.mesas), (*DUST, *SEA)),
    "action": ((city.road, land.peaks), DUST),
    "romance": ((horizon.lake, prints.circles), ROSE),
    "drama": ((city.facade, horizon.sunburst, horizon.lake), (*GILT, *ROSE, *SEA)),
    "comedy": ((prints.tiles, prints.stage), BRIGHT),
    "music": ((prints.record, prints.stage), (*GILT, *ROSE)),
    "musical": ((prints.stage, prints.record), BRIGHT),
    "animation": ((land.hills, horizon.domes), BRIGHT),
    "kids": ((land.hills,), BRIGHT),
    "family": ((land.hills, horizon.lake), BRIGHT),
    "documentary": ((land.contours, land.strata), (*LEAF, *SEA)),
    "nature": ((land.leaves,), LEAF),
    "food": ((prints.table,), (*BRIGHT, *ROSE)),
    "sport": ((prints.pitch,), (*LEAF, *SEA)),
}
EVERYDAY: tuple[tuple[Scene, ...], tuple[Palette, ...]] = (
    (horizon.sunburst, prints.circles, city.facade),
    (*GILT, *SEA),
)


# What a keyword shows at once. It beats the genre's choice of scene, and leaves it the colours.
MOTIFS: dict[str, Scene] = {
    "train": city.rails, "railway": city.rails, "locomotive": city.rails,
    "ferry": horizon.waves, "mutiny": horizon.waves, "riverboat": horizon.waves, "shipwreck": horizon.waves, "icebreaker": horizon.waves,
    "lighthouse": horizon.lighthouse,
    "lake": horizon.lake, "clouds": land.hills, "weather": land.hills, "flying horse": horizon.domes,
    "moon": horizon.planets, "space station": horizon.planets, "future city": city.towers,
    "aviation": horizon.searchlights, "trenches": horizon.searchlights,
    "haunted house": land.haunted, "vampire": land.haunted, "zombie": land.haunted, "zombies": land.haunted,
    "witchcraft": land.woods, "hunt": land.woods, "new year": land.woods, "plant": land.leaves, "wildlife": land.leaves,
    "rooms": city.wallpaper, "sleepwalker": city.wallpaper, "surrealism": city.wallpaper,
    "hypnosis": city.stairs, "catacombs": city.stairs, "clock tower": city.stairs,
    "hotel": city.facade, "letters": city.facade, "call centre": city.facade,
    "revenge": city.blinds, "blackmail": city.blinds, "deception": city.blinds,
    "skyscraper": city.skyline, "plague": city.skyline, "road": city.road, "desert": city.road,
    "mining": land.mesas, "klondike": land.peaks, "arctic": land.peaks, "expedition": land.peaks,
    "geology": land.strata, "circus": prints.stage, "cabaret": prints.stage, "theatre": prints.stage, "hollywood": prints.stage, "fairground": prints.stage,
    "football": prints.pitch, "women's football": prints.pitch, "textile mill": prints.weave,
    "samba": prints.record, "concert": prints.record, "cooking": prints.table, "paella": prints.table,
    "divorce": prints.circles, "butler": prints.tiles, "stamps": prints.tiles, "trial": horizon.sunburst, "montage": prints.tiles, "school": prints.tiles,
}  # fmt: skip
# Where a motif has colours of its own, whatever the genre.
TINTS: dict[str, tuple[Palette, ...]] = {"arctic": SEA, "klondike": SEA, "winter": SEA, "silhouette": ROSE}


def look(genres: Sequence[str], keywords: Sequence[str], rng: Random) -> tuple[Scene, Palette]:
    """A scene and a palette. The first keyword with a motif decides the scene, else the genres, the first of them most."""
    known = [LOOKS[genre.lower()] for genre in genres if genre.lower() in LOOKS] or [EVERYDAY]
    scenes, palettes = rng.choices(known, weights=[5, 4, 2, *[1] * len(known)][: len(known)])[0]
    scene, palette = rng.choice(scenes), rng.choice(palettes)
    for word in keywords:
        if word.lower() in TINTS:
            palette = rng.choice(TINTS[word.lower()])
            break
    return next((MOTIFS[word.lower()] for word in keywords if word.lower() in MOTIFS), scene), palette
