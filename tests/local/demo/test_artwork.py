"""Posters and backdrops: the right size, the same picture every time, readable titles."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image, ImageChops

from local.demo import artwork, scenes
from local.demo.canvas import Canvas

ROOT = Path(__file__).resolve().parents[3]
RECORDS: dict[str, dict[str, Any]] = {
    record["id"]: record
    for record in map(json.loads, (ROOT / "platform/local/demo/catalog.jsonl").read_text(encoding="utf-8").splitlines())
    if "id" in record
}
METROPOLIS: dict[str, Any] = {"key": "metropolis", "title": "Metropolis", "genres": ["Science Fiction"], "year": 1927}
FERRY: dict[str, Any] = {"key": "night-ferry", "title": "Nachtfähre", "genres": ["Thriller"], "year": 2023}


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def differing(one: bytes, other: bytes) -> tuple[int, int, int, int] | None:
    """The box within which two pictures differ clearly, beyond what compression moves about."""
    difference = ImageChops.difference(opened(one).convert("L"), opened(other).convert("L"))
    return difference.point([255 if value > 70 else 0 for value in range(256)]).getbbox()


class TestDraw:
    @pytest.mark.parametrize("title", [METROPOLIS, FERRY], ids=["classic", "modern"])
    @pytest.mark.parametrize(("kind", "size"), [("poster", (800, 1200)), ("backdrop", (1920, 1080))])
    def test_returns_a_webp_of_the_promised_size(
        self, kind: artwork.Kind, size: tuple[int, int], title: dict[str, Any]
    ) -> None:
        data = artwork.draw(kind, **title)
        image = opened(data)
        assert (image.format, image.size, image.mode) == ("WEBP", size, "RGB")
        assert len(data) < 300_000

    @pytest.mark.parametrize("kind", ["poster", "backdrop"])
    def test_draws_the_same_bytes_in_another_process(self, kind: artwork.Kind) -> None:
        program = (
            "import hashlib, json, sys; from local.demo import artwork; "
            "print(hashlib.sha256(artwork.draw(sys.argv[1], **json.loads(sys.argv[2]))).hexdigest())"
        )
        digests = {
            subprocess.run(
                [sys.executable, "-c", program, kind, json.dumps(METROPOLIS)],
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "platform")},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert len(digests) == 1

    def test_draws_another_picture_for_another_key(self) -> None:
        drawn = {artwork.draw("backdrop", **{**METROPOLIS, "key": f"title-{n}"}) for n in range(4)}
        assert len(drawn) == 4

    def test_puts_the_title_on_the_poster_and_no_words_on_the_backdrop(self) -> None:
        renamed = {**METROPOLIS, "title": "Sunrise"}
        assert artwork.draw("backdrop", **METROPOLIS) == artwork.draw("backdrop", **renamed)
        assert differing(artwork.draw("poster", **METROPOLIS), artwork.draw("poster", **renamed)) is not None

    @pytest.mark.parametrize(
        "title",
        [
            "Donaudampfschifffahrtsgesellschaftskapitän",
            "The Curious and Rather Long Journey of an Umbrella from Lübeck to São Paulo and Back",
            "M",
        ],
    )
    @pytest.mark.parametrize("genre", ["Drama", "Crime", "Comedy", "Documentary", "Romance", "Adventure"])
    def test_keeps_every_title_within_the_margins(self, title: str, genre: str) -> None:
        poster: dict[str, Any] = {"key": "margins", "genres": [genre], "year": 1931}
        left, top, right, bottom = differing(
            artwork.draw("poster", title=title, **poster), artwork.draw("poster", title="i", **poster)
        ) or (0, 0, 0, 0)
        assert left >= 60
        assert right <= 740
        assert top >= 880
        assert bottom <= 1110

    def test_lets_a_keyword_choose_the_scene(self) -> None:
        plain, at_sea = (
            artwork.draw("backdrop", **FERRY, keywords=words) for words in ([], ["night shift", "lighthouse"])
        )
        assert plain != at_sea
        assert scenes.look(["Thriller"], ["lighthouse"], Random(1))[0] is scenes.horizon.lighthouse

    def test_draws_something_for_genres_it_has_never_heard_of(self) -> None:
        assert opened(artwork.draw("poster", key="k", title="T", genres=["Shopping"], year=None)).size == (800, 1200)
        assert opened(artwork.draw("backdrop", key="k", title="T", genres=[], year=None)).size == (1920, 1080)

    def test_has_a_letter_for_every_character_it_has_to_write(self) -> None:
        written = {
            character
            for record in RECORDS.values()
            for entry in record.get("artwork", ())
            for character in record["titles"].get(entry.get("language", "en"), record["titles"]["en"])
        } - {" "}
        assert {"ä", "ü", "é"} & written
        for face in artwork.FACES:
            font = artwork._font(face, 40)
            missing = bytes(font.getmask("\uffff"))
            assert [
                c for c in sorted(written | set("ÄÖÜäöüßéèêñçøåłőŠ¿")) if bytes(font.getmask(c)) == missing
            ] == [], face


class TestPictures:
    def test_yields_exactly_the_files_that_the_record_names(self) -> None:
        record = RECORDS["the-last-laugh-1924"]
        files = dict(artwork.pictures(record))
        assert list(files) == [
            "posters/the-last-laugh-1924.webp",
            "posters/the-last-laugh-1924.de.webp",
            "backdrops/the-last-laugh-1924.webp",
        ]
        english, german, backdrop = files.values()
        assert differing(english, german) is not None
        assert opened(backdrop).size == artwork.BACKDROP

    def test_yields_nothing_for_a_record_without_artwork(self) -> None:
        assert list(artwork.pictures(RECORDS["the-understudies"])) == []

    def test_leaves_images_with_an_address_to_whoever_fetches_them(self) -> None:
        record = {"id": "a", "titles": {"en": "A"}, "artwork": [{"kind": "poster", "url": "https://example.com/a.jpg"}]}
        assert list(artwork.pictures(record)) == []


SCENES = sorted(
    {scene for choices, _ in scenes.LOOKS.values() for scene in choices} | set(scenes.MOTIFS.values()),
    key=lambda scene: scene.__name__,
)


class TestEveryScene:
    @pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
    def test_fills_any_canvas(self, scene: scenes.Scene) -> None:
        for seed, size in enumerate([(200, 300), (384, 216), (300, 300), (200, 300)]):
            canvas = Canvas(size, rng=Random(seed), palette=scenes.NIGHT[seed], focus=(0.5, 0.4))
            scene(canvas)
            colours = canvas.image.getcolors(maxcolors=size[0] * size[1])
            assert colours is not None
            assert len(colours) >= 5, "the canvas is as good as empty"
