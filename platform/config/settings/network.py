"""Where a request comes from, and how far we may reach ourselves."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.deployment import env, production_refuses, required
from core.geo import is_country
from core.proxies import TrustedProxies

try:
    TRUSTED_PROXIES = TrustedProxies.parse(env.str("TRUSTED_PROXIES", ""))
except ValueError as error:
    raise ImproperlyConfigured(
        f"TRUSTED_PROXIES must be how many proxies of yours stand before this, or their networks: {error}."
    ) from None


def said_by_proxies(name: str) -> str:
    """Answer a header's key in request.META; only proxies of ours may say it, so there must be some."""
    header = env.str(name, "")
    if header and not TRUSTED_PROXIES:
        raise ImproperlyConfigured(f"{name} is set, but TRUSTED_PROXIES is not: anybody could send {header}.")
    return f"HTTP_{header.upper().replace('-', '_')}" if header else ""


_scheme_header = said_by_proxies("PROXY_SCHEME_HEADER")
SECURE_PROXY_SSL_HEADER = (_scheme_header, "https") if _scheme_header else None
CDN_COUNTRY_HEADER = said_by_proxies("CDN_COUNTRY_HEADER")
# core.middleware.ClientAddress has put the client's address where these look without any header.
ALLAUTH_TRUSTED_PROXY_COUNT = 0

GEO_DATABASE = env.str("GEO_DATABASE", "")
GEO_ASN_DATABASE = env.str("GEO_ASN_DATABASE", "")
DEFAULT_COUNTRY = required("DEFAULT_COUNTRY", "the country of viewers of whom nothing is known, such as US").upper()
if not is_country(DEFAULT_COUNTRY):
    raise ImproperlyConfigured(f"DEFAULT_COUNTRY is {DEFAULT_COUNTRY!r}; it must be an ISO 3166-1 code such as US.")

OUTBOUND_ALLOW_LOOPBACK = env.bool("OUTBOUND_ALLOW_LOOPBACK", False)
"""Whether feeds and images may be fetched from this very machine, as when a partner's server is tried out beside it."""
production_refuses(
    OUTBOUND_ALLOW_LOOPBACK,
    "OUTBOUND_ALLOW_LOOPBACK lets partners' addresses reach this machine's own services. Unset it.",
)
