"""Who is looking: country, languages and audience of a request."""

from __future__ import annotations

from django.utils.translation.trans_real import parse_accept_lang_header
from rest_framework.request import Request

from accounts.api.authentication import current_profile
from accounts.maturity import YOUNGEST, Audience
from catalog.rules import Blocks, Viewer
from core import geo

MAX_LANGUAGES = 5


def viewer_of(request: Request) -> Viewer:
    """Answer for whom a request's answer is made.

    Languages are the client's (Accept-Language), then the profile's. Without a profile, of which no endpoint
    of ours knows, the audience is the youngest.
    """
    wanted = [language for language, _ in parse_accept_lang_header(request.headers.get("Accept-Language", ""))]
    languages = [language for language in wanted if language != "*"][:MAX_LANGUAGES]
    audience, blocks = YOUNGEST, None
    if profile := current_profile(request):
        languages.append(profile.language)
        audience = Audience(profile.highest_age, profile.allows_unrated)
        blocks = Blocks(profile.pk, profile.blocks_version) if profile.blocks_version else None
    return Viewer(geo.viewer_country(request).code, tuple(dict.fromkeys(languages)), audience, blocks)
