"""What comes from partners, and how films are packaged."""

from config.settings.deployment import env

FEED_FOLDER: str = env.str("FEED_FOLDER", "")
"""Below it lie the folders in which partners leave deliveries; empty: none is watched."""
FEED_CREDENTIALS: dict[str, str] = env.dict("FEED_CREDENTIALS", default={})
"""What authorises us at partners' addresses, by the name that a feed source gives."""
FEED_MAX_BYTES: int = env.int("FEED_MAX_BYTES", 4 * 1024**3)
FEED_MAX_SECONDS: float = env.float("FEED_MAX_SECONDS", 3600)
MOVIELABS_SCHEMAS = env.str("MOVIELABS_SCHEMAS", "")
"""The folder of MovieLabs schemas (avails-v2.4.xsd and so on) that deliveries are checked by; empty: not checked."""
# ffmpeg, ffprobe and shaka-packager, as the shell would find them or by their paths.
FFMPEG = env.str("FFMPEG", "ffmpeg")
FFPROBE = env.str("FFPROBE", "ffprobe")
PACKAGER = env.str("PACKAGER", "packager")
VIDEO_PRESET = env.str("VIDEO_PRESET", "medium")
"""x264's preset: slower ones make smaller files."""
VIDEO_MAX_BYTES: int = env.int("VIDEO_MAX_BYTES", 100_000_000_000)
VIDEO_MAX_SECONDS: int = env.int("VIDEO_MAX_SECONDS", 6 * 3600)
VIDEO_TIMEOUT_SECONDS: int = env.int("VIDEO_TIMEOUT_SECONDS", 12 * 3600)
"""How long one program may work on one track."""
VIDEO_SCRATCH = env.str("VIDEO_SCRATCH", "")
"""Where a worker keeps what it works on; empty: the system's folder for such files."""
