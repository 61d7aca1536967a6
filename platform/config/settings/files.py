"""Where files lie: static ones, uploaded ones, private ones, and packages of films."""

from config.settings.deployment import DEPLOYMENT, ROOT, env, production_refuses

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", ROOT / ".local" / "static")
MEDIA_URL = "media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", ROOT / "media")
S3_BUCKET = env.str("S3_BUCKET", "")
"""Where uploaded files lie when set; keys and region come as boto3 finds them (AWS_ACCESS_KEY_ID, ...)."""
S3_ENDPOINT_URL = env.str("S3_ENDPOINT_URL", "")
S3_PUBLIC_HOST = env.str("S3_PUBLIC_HOST", "")
S3_OPTIONS = {
    "bucket_name": S3_BUCKET,
    "endpoint_url": S3_ENDPOINT_URL or None,
    # Pictures are public and never change under their name; a CDN may keep them for ever.
    "custom_domain": S3_PUBLIC_HOST or None,
    "querystring_auth": not S3_PUBLIC_HOST,
    "file_overwrite": False,
}
MEDIA_ORIGIN = ""
"""Where browsers fetch uploaded files from, when that is not here."""
if S3_BUCKET:
    MEDIA_ORIGIN = f"https://{S3_PUBLIC_HOST}" if S3_PUBLIC_HOST else S3_ENDPOINT_URL or "https://*.amazonaws.com"
PRIVATE_ROOT = env.path("PRIVATE_ROOT", ROOT / "private")
S3_PRIVATE_BUCKET = env.str("S3_PRIVATE_BUCKET", "")
"""Where files lie that nobody outside may read, such as what providers deliver; never behind the CDN."""
production_refuses(
    bool(S3_BUCKET) and S3_PRIVATE_BUCKET in {"", S3_BUCKET},
    "S3_PRIVATE_BUCKET is missing or the public one: partners' deliveries would be readable by everybody.",
)
PACKAGES_ROOT = env.path("PACKAGES_ROOT", ROOT / "packages")
S3_PACKAGES_BUCKET = env.str("S3_PACKAGES_BUCKET", S3_PRIVATE_BUCKET)
"""Where what players stream lies; whoever may play it gets signed addresses, so it is never the public bucket."""
production_refuses(
    bool(S3_BUCKET) and S3_PACKAGES_BUCKET == S3_BUCKET,
    "S3_PACKAGES_BUCKET is the public bucket: anybody could watch anything.",
)
STORAGES = {
    "packages": (
        {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": S3_OPTIONS
            | {"bucket_name": S3_PACKAGES_BUCKET, "custom_domain": None, "querystring_auth": True},
        }
        if S3_PACKAGES_BUCKET
        else {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": PACKAGES_ROOT}}
    ),
    "private": (
        {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": S3_OPTIONS | {"bucket_name": S3_PRIVATE_BUCKET, "custom_domain": None, "querystring_auth": True},
        }
        if S3_PRIVATE_BUCKET
        else {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": PRIVATE_ROOT, "file_permissions_mode": 0o600},
        }
    ),
    "default": (
        {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": S3_OPTIONS}
        if S3_BUCKET
        else {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    ),
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEPLOYMENT == "test"
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# Tests serve static files from where they lie; nobody has collected them.
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = DEPLOYMENT == "test"
