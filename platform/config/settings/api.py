"""The API: who may ask how often, how answers are made, and how it describes itself."""

from typing import Any

from config.settings.deployment import DEPLOYMENT, SITE_NAME, env

# Requests of an address without a sign-in, of an account, and of an account to what makes payments.
THROTTLE_RATES: dict[str, str | None] = {
    "anon": env.str("THROTTLE_ANON", "120/minute"),
    "account": env.str("THROTTLE_ACCOUNT", "600/minute"),
    "payments": env.str("THROTTLE_PAYMENTS", "20/minute"),
    "gift_codes": env.str("THROTTLE_GIFT_CODES", "10/minute"),
}
if DEPLOYMENT == "test":
    THROTTLE_RATES = dict.fromkeys(THROTTLE_RATES)
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.SessionToken",
        "accounts.api.authentication.SessionCookie",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.WithinReach"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsing.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "core.api.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "core.api.throttling.Anonymous",
        "core.api.throttling.Account",
        "core.api.throttling.Scoped",
    ],
    "DEFAULT_THROTTLE_RATES": THROTTLE_RATES,
    # OPTIONS would answer names of views and serializers; the description is at /api/schema.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "core.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
IDEMPOTENCY_LEASE_SECONDS: int = env.int("IDEMPOTENCY_LEASE_SECONDS", 60)
"""How long a request keeps others with its Idempotency-Key away; longer than a request takes."""
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": f"{SITE_NAME} API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "DESCRIPTION": "Conventions of all endpoints: docs/api.md. Error codes: /api/problems.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "TAGS": [
        {"name": "accounts", "description": "The account and its profiles."},
        {"name": "billing", "description": "Plans, cards, subscriptions, invoices."},
        {"name": "catalog", "description": "What can be watched."},
        {"name": "core", "description": "What clients of all kinds need."},
    ],
    # Fields of one name with other choices.
    "ENUM_NAME_OVERRIDES": {
        "PolicyKindEnum": "accounts.models.consents.PolicyDocument.Kind",
        "DeviceKindEnum": "accounts.models.devices.Device.Kind",
        "DeviceKindRequestEnum": "accounts.rules.DEVICE_KINDS",
        "TitleKindEnum": "catalog.models.titles.Kind",
    },
    # What is asked for and what is answered differ: ids, for one.
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.schema.add_components",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    # The page's assets come from us.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # A script, since the page chooses between two descriptions: ours, and that of sign-in.
    "SWAGGER_UI_SETTINGS": """{
        deepLinking: true,
        persistAuthorization: true,
        layout: "StandaloneLayout",
        presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
        urls: [
            {url: "/api/schema", name: "Service"},
            {url: "/_allauth/openapi.json", name: "Sign-up and sign-in"},
        ],
    }""",
}
