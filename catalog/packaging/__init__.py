"""How a source file becomes what players stream: probed, planned, encoded, packaged. Files in, files out.

`planning` decides and is pure; the other modules run ffmpeg, ffprobe and shaka-packager on files under names of
ours. Nothing here knows the database or the storage: `catalog.services.media` does.
"""
