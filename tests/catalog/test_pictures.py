"""Images decoded within bounds and drawn in sizes."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image, ImageCms

from catalog import pictures


def saved(image: Image.Image, name: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def halves(size: tuple[int, int] = (400, 600), mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    return image.convert(mode)


def damaged_avif() -> bytes:
    """An image whose size can be read, and whose picture cannot."""
    data = bytearray(saved(halves((64, 64)), "AVIF"))
    start = data.index(b"mdat") + 4
    data[start : start + 20] = bytes(20)
    return bytes(data)


class TestInspect:
    def test_knows_the_size_as_seen(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        assert pictures.inspect(saved(halves(), exif=exif)) == pictures.Facts(600, 400, "jpg")

    def test_refuses_what_is_too_large(self) -> None:
        with pytest.raises(pictures.Unusable, match="are the most"):
            pictures.inspect(bytes(pictures.MAX_BYTES + 1))

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"", "no JPEG"), (b"GIF89a" + b"\0" * 100, "no JPEG"), (b"<svg xmlns='x'/>", "SVG"),
            (b"\xef\xbb\xbf <?xml version='1.0'?><svg/>", "SVG"), (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "no JPEG"),
            (saved(halves())[:500], "no JPEG"), (saved(Image.new("1", (20_000, 20_000)), "PNG"), "pixels"),
            (saved(Image.new("RGB", (4, 4)), "PNG"), "too small"), (saved(Image.new("1", (10, 17_000)), "PNG"), "No side"),
            (damaged_avif(), "no JPEG"),
            (saved(halves((40, 40)), "WEBP", save_all=True, append_images=[Image.new("RGB", (40, 40))]), "moves"),
            (saved(halves((40, 40)), "PNG", save_all=True, append_images=[Image.new("RGB", (40, 40))]), "moves"),
        ],
    )  # fmt: skip
    def test_refuses_with_a_reason(self, data: bytes, says: str) -> None:
        with pytest.raises(pictures.Unusable, match=says):
            pictures.inspect(data)


class TestRender:
    def test_draws_each_size_in_both_formats_and_none_larger(self) -> None:
        sizes, placeholder = pictures.render(saved(halves((700, 1050))), "poster")
        assert [(size.width, size.height) for size in sizes] == [(160, 240), (320, 480), (700, 1050)]
        for size in sizes:
            for data, name in ((size.avif, "AVIF"), (size.webp, "WEBP")):
                image = opened(data)
                assert (image.format, image.size) == (name, (size.width, size.height))
        tiny = opened(base64.b64decode(placeholder.removeprefix("data:image/webp;base64,")))
        assert (tiny.size, len(placeholder) < 400) == ((11, 16), True)

    @pytest.mark.parametrize(
        ("kind", "own", "widths"), [("logo", 100, [100]), ("backdrop", 500, [500]), ("still", 5000, [240, 480, 960])]
    )
    def test_leaves_out_what_looks_alike(self, kind: str, own: int, widths: list[int]) -> None:
        sizes, _ = pictures.render(saved(halves((own, own // 2))), kind)
        assert [size.width for size in sizes] == widths

    def test_turns_upright_and_forgets_where_it_was_taken(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010F] = "A camera that nobody should know of"
        [*_, largest], _ = pictures.render(saved(halves(), exif=exif), "poster")
        image = opened(largest.webp)
        assert image.size == (600, 400)
        # What was on the left is on top.
        assert image.getpixel((300, 50))[0] > 200  # type: ignore[index]  # three colours
        assert image.getpixel((300, 350))[2] > 200  # type: ignore[index]  # three colours
        assert b"camera" not in largest.webp + largest.avif

    def test_converts_print_colours(self) -> None:
        [*_, largest], _ = pictures.render(saved(halves(mode="CMYK")), "poster")
        red, _, blue = opened(largest.webp).getpixel((50, 50))  # type: ignore[misc]  # three colours
        assert red > 180 > 80 > blue

    def test_converts_by_profile_and_survives_a_broken_one(self) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        for said in (profile, b"no profile"):
            [*_, largest], _ = pictures.render(saved(halves(), icc_profile=said), "poster")
            image = opened(largest.webp)
            assert "icc_profile" not in image.info
            assert image.getpixel((50, 50))[0] > 200  # type: ignore[index]  # three colours

    def test_converts_by_profile_what_is_transparent(self) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        # Its red is our green.
        swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
        logo = halves((300, 100), "RGBA")
        logo.putpixel((299, 99), (0, 0, 255, 0))
        [*_, largest], _ = pictures.render(saved(logo, "PNG", icc_profile=swapped), "logo")
        image = opened(largest.webp)
        assert (image.mode, image.getpixel((299, 99))[3]) == ("RGBA", 0)  # type: ignore[index]  # four colours
        red, green, *_ = image.getpixel((50, 50))  # type: ignore[misc]  # four colours
        assert green > 150 > red

    def test_takes_the_first_picture_of_what_a_camera_put_several_into(self) -> None:
        data = saved(halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 40))])
        assert opened(data).format == "MPO"
        assert pictures.inspect(data) == pictures.Facts(400, 600, "jpg")
        [*_, largest], _ = pictures.render(data, "poster")
        assert opened(largest.webp).size == (400, 600)

    def test_keeps_the_greys_of_a_fine_scan(self) -> None:
        scan = Image.new("I;16", (300, 100), 30_000)
        [*_, largest], _ = pictures.render(saved(scan, "PNG"), "logo")
        assert opened(largest.webp).getpixel((50, 50)) == (116, 116, 116)

    def test_keeps_the_level_of_a_fine_scan_that_is_transparent(self) -> None:
        """A level is one of 65,536: what becomes the same grey as it is shown all the same."""
        scan = Image.new("I;16", (300, 100), 40_000)
        scan.paste(Image.new("I;16", (150, 100), 40_001))
        file = io.BytesIO()
        scan.save(file, "PNG", transparency=40_001)
        [*_, largest], _ = pictures.render(file.getvalue(), "logo")
        left, right = (opened(largest.webp).getpixel(at) for at in ((50, 50), (250, 50)))
        assert isinstance(left, tuple)
        assert (left[3], right) == (0, (155, 155, 155, 255))

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGBA"])
    def test_takes_every_mode_and_keeps_what_is_transparent(self, mode: str) -> None:
        image = Image.new(mode, (300, 100))
        [*_, largest], _ = pictures.render(saved(image, "PNG"), "logo")
        assert ("A" in opened(largest.webp).getbands()) == mode.endswith("A")
