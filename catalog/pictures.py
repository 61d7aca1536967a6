"""Images decoded within bounds, made upright and plain, and drawn in the sizes that screens ask for. Bytes in, bytes out."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageMath, UnidentifiedImageError

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 40_000_000
"""7680 by 5120, more than any screen shows; decoded it takes 160 MB."""
SMALLEST_SIDE = 8
LONGEST_SIDE = 16_383
"""The most that WebP has."""
FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif"}
SEVERAL = "MPO"
"""What a JPEG is called that has more pictures behind the first: cameras and telephones put depths and previews there."""
WIDTHS = {
    "poster": (160, 320, 640, 960),
    "backdrop": (480, 960, 1920, 3840),
    "logo": (240, 480, 960),
    "still": (240, 480, 960),
}
"""By kind of artwork: for lists and pages, on plain and dense screens."""
SHARP = {"poster": 640, "backdrop": 1920, "logo": 480, "still": 480}
"""By kind, the width from which an image is sharp on dense screens where it is usually shown; a narrower one is blurred."""
PLACEHOLDER_SIDE = 16
ORIENTATION = 0x0112
"""The tag of EXIF that says how an image is turned."""
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""By orientation, what makes an image upright."""
# AVIF's decoder says RuntimeError; what is read of damaged EXIF, anything.
_DAMAGED = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError, struct.error)
_COLOURS = {"1": "L", "LA": "L", "RGBA": "RGB", "P": "RGB", "PA": "RGB"}
WEBP = {"quality": 80, "method": 4}
AVIF = {"quality": 60, "speed": 8}


class Unusable(Exception):
    """This is no image that we can show; the message says why and what to do."""


@dataclass(frozen=True)
class Facts:
    """An image as it is shown, upright; `extension` is that of its format."""

    width: int
    height: int
    extension: str


@dataclass(frozen=True)
class Rendition:
    """One size, in both formats."""

    width: int
    height: int
    avif: bytes
    webp: bytes


def inspect(data: bytes) -> Facts:
    """Decode an image to be sure that it is one. Raises Unusable."""
    with _opened(data) as image:
        image.load()
        turned = image.getexif().get(ORIENTATION) in {5, 6, 7, 8}
        width, height = (image.height, image.width) if turned else (image.width, image.height)
        return Facts(width, height, FORMATS.get(image.format or "", "jpg"))


def render(data: bytes, kind: str) -> tuple[list[Rendition], str]:
    """Answer an image's sizes, smallest first and none larger than itself, and its placeholder. Raises Unusable."""
    with _opened(data) as image:
        plain = _plain(image)
    widest = max(WIDTHS[kind])
    own = min(plain.width, widest)
    widths = [width for width in WIDTHS[kind] if width < 0.9 * own] + [own]
    return [_rendition(plain, width) for width in widths], _placeholder(plain)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Yield an image that is neither too large nor moving; what its decoder says is told in words for editors."""
    if len(data) > MAX_BYTES:
        raise Unusable(f"The image has {len(data):,} bytes; {MAX_BYTES:,} are the most. Make it smaller.")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:5].lower() in {b"<svg ", b"<?xml", b"<svg>", b"<svg/"}:
        raise Unusable("SVG is a program, not a picture: it is not taken. Save it as PNG.")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images; our own bound below refuses them.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                if min(image.size) < SMALLEST_SIDE:
                    raise Unusable(f"The image is {image.width} by {image.height}: too small to show.")
                if max(image.size) > LONGEST_SIDE:
                    raise Unusable(f"No side may have more than {LONGEST_SIDE:,} pixels. Make the image smaller.")
                if image.format != SEVERAL and getattr(image, "n_frames", 1) > 1:
                    raise Unusable("The image moves; artwork stands still. Save its best frame.")
                yield image
    except Image.DecompressionBombError as error:
        raise Unusable(f"The image has more than {MAX_PIXELS:,} pixels. Make it smaller.") from error
    except _DAMAGED as error:
        raise Unusable("This is no JPEG, PNG, WebP or AVIF image, or it is damaged. Save it anew.") from error


def _plain(image: Image.Image) -> Image.Image:
    """Answer the image upright, in sRGB, without anything that is not picture: no place, no camera, no profile."""
    image.load()
    turned = _TURNED.get(image.getexif().get(ORIENTATION, 1))
    upright = image if turned is None else image.transpose(turned)
    if upright.mode.startswith("I"):
        # Sixteen bits of grey, of which a conversion would keep the lower ones: all but black became white.
        alpha = _other_than(upright, upright.info.get("transparency"))
        upright = upright.point(lambda level: level * (1 / 257)).convert("L")
    else:
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        alpha = upright.convert("RGBA").getchannel("A") if has_alpha else None
    plain = _in_srgb(upright).convert("RGB")
    if alpha is not None:
        plain.putalpha(alpha)
    plain.info.clear()
    return plain


def _other_than(image: Image.Image, transparent: object) -> Image.Image | None:
    """Answer what shows of an image of sixteen bits of grey, one level of which is transparent; None of one without such."""
    if not isinstance(transparent, int):
        return None
    shown = ImageMath.lambda_eval(
        lambda given: given["convert"]((given["levels"] != transparent) * 255, "L"), levels=image.convert("I")
    )
    assert isinstance(shown, Image.Image), "an image was converted"
    return shown


def _in_srgb(image: Image.Image) -> Image.Image:
    """Answer an image whose colours its profile explains, if it has one, without what is transparent of it."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    # Profiles explain no palettes, and nothing that is transparent.
    colours = _COLOURS.get(image.mode, image.mode)
    opaque = image if colours == image.mode else image.convert("RGBA").convert(colours)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or opaque
    except (ImageCms.PyCMSError, OSError):
        # A broken profile is no reason to lose the picture.
        return image


def _rendition(image: Image.Image, width: int) -> Rendition:
    height = max(1, round(image.height * width / image.width))
    sized = image if width == image.width else image.resize((width, height), Image.Resampling.LANCZOS)
    return Rendition(width, height, _saved(sized, "AVIF", AVIF), _saved(sized, "WEBP", WEBP))


def _placeholder(image: Image.Image) -> str:
    tiny = image.copy()
    tiny.thumbnail((PLACEHOLDER_SIDE, PLACEHOLDER_SIDE), Image.Resampling.BOX)
    data = _saved(tiny, "WEBP", {"quality": 40, "method": 6})
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _saved(image: Image.Image, name: str, options: dict[str, int]) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()
