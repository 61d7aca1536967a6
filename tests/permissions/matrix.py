"""Who may call what: the whole platform, as data. `test_matrix` walks it.

An endpoint that is not here fails the walk: add its line, with the kind that it is of. A kind says what each
role gets: see `kinds`. Of an address with an id in it, say in THINGS how to make that thing for
another account, or why anybody may see it, and in BODIES what a good request holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from accounts.models import User
from tests.factories.accounts import DeviceFactory, ProfileFactory, ProfileTransferFactory
from tests.factories.billing import PaymentMethodFactory
from tests.permissions import foreign
from tests.permissions.kinds import (
    ACCOUNT,
    CHANGE_OF_ADDRESS,
    OWN_DEVICE,
    OWN_PROFILE,
    OWNERS_PAGE,
    PROFILE,
    PROVIDERS_PAGE,
    PUBLIC,
    SECOND_STEP,
    SENSITIVE,
    SIGN_IN,
    SIGN_IN_ACCOUNT,
    SIGN_IN_SENSITIVE,
    SIGN_IN_STATE,
    SIGN_OUT,
    SIGNED_IN,
    Kind,
)

API: Mapping[str, Kind] = {
    # ------------------------------------------------ accounts
    "GET /api/v1/account": ACCOUNT,
    "PATCH /api/v1/account": ACCOUNT,
    "GET /api/v1/account/activity": ACCOUNT,
    "GET /api/v1/account/deletion": OWN_DEVICE,
    "POST /api/v1/account/deletion": SENSITIVE,
    "DELETE /api/v1/account/deletion": OWN_DEVICE,
    "GET /api/v1/account/exports": OWN_DEVICE,
    "POST /api/v1/account/exports": SENSITIVE,
    "GET /api/v1/account/exports/<uuid:export_id>": OWN_DEVICE,
    "GET /api/v1/account/exports/<uuid:export_id>/archive": SENSITIVE,
    "GET /api/v1/account/recovery": ACCOUNT,
    "DELETE /api/v1/account/recovery": ACCOUNT,
    # For who cannot sign in; address and password are in the body.
    "POST /api/v1/recovery": PUBLIC,
    "POST /api/v1/recovery/complete": PUBLIC,
    "GET /api/v1/policies": PUBLIC,
    "GET /api/v1/account/consents": OWN_DEVICE,
    "POST /api/v1/account/consents": OWN_DEVICE,
    "DELETE /api/v1/account/consents/<uuid:document_id>": OWN_DEVICE,
    "GET /api/v1/account/notifications": OWN_DEVICE,
    "PATCH /api/v1/account/notifications": OWN_DEVICE,
    "GET /api/v1/devices": ACCOUNT,
    "PUT /api/v1/devices/current": ACCOUNT,
    "POST /api/v1/devices/sign-out-others": OWN_DEVICE,
    "PATCH /api/v1/devices/<uuid:device_id>": OWN_DEVICE,
    "DELETE /api/v1/devices/<uuid:device_id>": OWN_DEVICE,
    "GET /api/v1/profiles": SIGNED_IN,
    "POST /api/v1/profiles": ACCOUNT,
    "GET /api/v1/profiles/<uuid:profile_id>": OWN_PROFILE,
    "PATCH /api/v1/profiles/<uuid:profile_id>": ACCOUNT,
    "DELETE /api/v1/profiles/<uuid:profile_id>": ACCOUNT,
    "POST /api/v1/profiles/<uuid:profile_id>/enter": SIGNED_IN,
    "POST /api/v1/profiles/leave": SIGNED_IN,
    "POST /api/v1/profiles/<uuid:profile_id>/transfer": SENSITIVE,
    "GET /api/v1/profile-transfers": OWN_DEVICE,
    "GET /api/v1/profile-transfers/<uuid:transfer_id>": OWN_DEVICE,
    "DELETE /api/v1/profile-transfers/<uuid:transfer_id>": OWN_DEVICE,
    "POST /api/v1/profile-transfers/<uuid:transfer_id>/accept": SENSITIVE,
    "POST /api/v1/profile-transfers/<uuid:transfer_id>/decline": SENSITIVE,
    "PUT /api/v1/profiles/<uuid:profile_id>/pin": SENSITIVE,
    "DELETE /api/v1/profiles/<uuid:profile_id>/pin": SENSITIVE,
    "GET /api/v1/account/master-pin": ACCOUNT,
    "PUT /api/v1/account/master-pin": SENSITIVE,
    "DELETE /api/v1/account/master-pin": SENSITIVE,
    "POST /api/v1/tv/code": OWN_DEVICE,
    "POST /api/v1/tv/approve": OWN_DEVICE,
    "POST /api/v1/tv/deny": OWN_DEVICE,
    # ------------------------------------------------ billing
    "GET /api/v1/plans": PUBLIC,
    "GET /api/v1/payment-methods": ACCOUNT,
    "POST /api/v1/payment-methods": SENSITIVE,
    "POST /api/v1/payment-methods/setup": SENSITIVE,
    "DELETE /api/v1/payment-methods/<uuid:card_id>": SENSITIVE,
    "POST /api/v1/payment-methods/<uuid:card_id>/default": SENSITIVE,
    "POST /api/v1/payment-methods/<uuid:card_id>/backup": SENSITIVE,
    "DELETE /api/v1/payment-methods/<uuid:card_id>/backup": SENSITIVE,
    "POST /api/v1/subscriptions": ACCOUNT,
    "GET /api/v1/subscription": ACCOUNT,
    "POST /api/v1/subscription/cancel": ACCOUNT,
    "DELETE /api/v1/subscription/cancel": ACCOUNT,
    "POST /api/v1/subscription/quotes": ACCOUNT,
    "POST /api/v1/subscription/quotes/<uuid:quote_id>/accept": ACCOUNT,
    "POST /api/v1/subscription/downgrade": ACCOUNT,
    "GET /api/v1/invoices": ACCOUNT,
    "GET /api/v1/invoices/<uuid:invoice_id>": ACCOUNT,
    "GET /api/v1/invoices/<uuid:invoice_id>/explain": ACCOUNT,
    "GET /api/v1/invoices/<uuid:invoice_id>/pdf": ACCOUNT,
    "GET /api/v1/credit-notes": ACCOUNT,
    "GET /api/v1/credit-notes/<uuid:credit_note_id>/pdf": ACCOUNT,
    "GET /api/v1/billing-details": ACCOUNT,
    "PUT /api/v1/billing-details": ACCOUNT,
    "GET /api/v1/legal-documents": PUBLIC,
    "POST /api/v1/subscriptions/quote": ACCOUNT,
    "POST /api/v1/subscriptions/trial": ACCOUNT,
    "POST /api/v1/subscription/pause": ACCOUNT,
    "DELETE /api/v1/subscription/pause": ACCOUNT,
    "POST /api/v1/subscription/resume": ACCOUNT,
    "GET /api/v1/subscription/reactivate": ACCOUNT,
    "POST /api/v1/subscription/reactivate": ACCOUNT,
    "POST /api/v1/subscription/withdraw": ACCOUNT,
    "GET /api/v1/entitlement": ACCOUNT,
    "GET /api/v1/gifts": ACCOUNT,
    "POST /api/v1/gifts": ACCOUNT,
    "POST /api/v1/gifts/redeem": ACCOUNT,
    "GET /api/v1/gifts/<uuid:gift_id>": ACCOUNT,
    "POST /api/v1/gifts/<uuid:gift_id>/refund": ACCOUNT,
    "GET /api/v1/credit": ACCOUNT,
    "GET /api/v1/credit/balance": ACCOUNT,
    # ------------------------------------------------ catalog
    "GET /api/v1/titles": PROFILE,
    "GET /api/v1/titles/coming-soon": PROFILE,
    "GET /api/v1/titles/leaving-soon": PROFILE,
    "GET /api/v1/titles/withdrawn": PROFILE,
    "GET /api/v1/titles/<uuid:title_id>": PROFILE,
    "GET /api/v1/titles/<uuid:title_id>/episodes": PROFILE,
    "GET /api/v1/genres": PROFILE,
    "GET /api/v1/rows": PROFILE,
    "GET /api/v1/collections/<slug:slug>": PROFILE,
    "GET /api/v1/search": PROFILE,
    "GET /api/v1/search/suggestions": PROFILE,
    "GET /api/v1/people/<uuid:person_id>": PROFILE,
    "GET /api/v1/profiles/<uuid:profile_id>/blocks": ACCOUNT,
    "POST /api/v1/profiles/<uuid:profile_id>/blocks": ACCOUNT,
    "POST /api/v1/profiles/<uuid:profile_id>/blocks/<uuid:block_id>/lift": ACCOUNT,
    # ------------------------------------------------ for everybody
    "GET /api/v1/countries": PUBLIC,
    "GET /api/schema": PUBLIC,
    "GET /api/problems": PUBLIC,
    "GET /api/docs": PUBLIC,
}

PAGES: Mapping[str, Kind] = {
    "GET /": PUBLIC,
    "GET /status": PUBLIC,  # of staff alone in production: tests/test_production.py
    "GET /favicon.ico": PUBLIC,
    "GET /media/<path:path>": PUBLIC,
    # The link in a mail is the key.
    "GET /pay/<str:token>": PUBLIC,
    "GET /gift/<str:token>": PUBLIC,
    "GET /documents/<str:token>": PUBLIC,
    "GET /documents/<str:token>/pdf": PUBLIC,
    "GET /invoices/<uuid:invoice_id>": OWNERS_PAGE,
    "GET /invoices/<uuid:invoice_id>.pdf": OWNERS_PAGE,
    "GET /recovery/stop": PUBLIC,
    # Between a provider's site and ours, within a sign-in.
    "GET /oidc/<str:provider_id>/login/": PROVIDERS_PAGE,
    "GET /oidc/<str:provider_id>/login/callback/": PROVIDERS_PAGE,
    "GET /unsubscribe": PUBLIC,
    "GET /tv": PUBLIC,
    # A television has nothing but its code; Stripe signs what it sends.
    "POST /oauth/device_authorization": PUBLIC,
    "POST /oauth/token": PUBLIC,
    "POST /webhooks/stripe": PUBLIC,
    "POST /webhooks/mail-events": PUBLIC,
    "GET /_allauth/openapi.yaml": PUBLIC,
    "GET /_allauth/openapi.json": PUBLIC,
}

SIGN_IN_API: Mapping[str, Kind] = {
    # Below /_allauth/app/v1, and below /_allauth/browser/v1 but for the tokens.
    "GET /config": PUBLIC,
    "GET /auth/session": SIGN_IN_STATE,
    "DELETE /auth/session": SIGN_OUT,
    "POST /auth/reauthenticate": SIGN_IN_ACCOUNT,
    "POST /auth/code/confirm": SIGN_IN,
    "POST /auth/password/request": SIGN_IN,
    "GET /auth/password/reset": SIGN_IN,
    "POST /auth/password/reset": SIGN_IN,
    "POST /auth/login": SIGN_IN,
    "POST /auth/signup": SIGN_IN,
    "GET /auth/email/verify": SIGN_IN,
    "POST /auth/email/verify": SIGN_IN,
    "POST /auth/email/verify/resend": SIGN_IN,
    "POST /auth/phone/verify": SIGN_IN,
    "POST /auth/phone/verify/resend": SIGN_IN,
    "POST /auth/code/request": SIGN_IN,
    "POST /auth/code/resend": SIGN_IN,
    "POST /account/password/change": SIGN_IN_ACCOUNT,
    "GET /account/email": SIGN_IN_ACCOUNT,
    "POST /account/email": CHANGE_OF_ADDRESS,
    "PUT /account/email": SIGN_IN_ACCOUNT,
    "PATCH /account/email": SIGN_IN_ACCOUNT,
    "DELETE /account/email": SIGN_IN_ACCOUNT,
    "GET /account/phone": SIGN_IN,
    "POST /account/phone": SIGN_IN,
    "POST /auth/2fa/authenticate": SECOND_STEP,
    "POST /auth/2fa/reauthenticate": SIGN_IN_ACCOUNT,
    "GET /account/authenticators": SIGN_IN_ACCOUNT,
    "GET /account/authenticators/totp": SIGN_IN_ACCOUNT,
    "POST /account/authenticators/totp": SIGN_IN_ACCOUNT,
    "DELETE /account/authenticators/totp": SIGN_IN_SENSITIVE,
    "GET /account/authenticators/recovery-codes": SIGN_IN_SENSITIVE,
    "POST /account/authenticators/recovery-codes": SIGN_IN_SENSITIVE,
    "GET /account/providers": SIGN_IN_ACCOUNT,
    "DELETE /account/providers": SIGN_IN_ACCOUNT,
    "GET /auth/provider/signup": SIGN_IN,
    "POST /auth/provider/signup": SIGN_IN,
    "POST /auth/provider/redirect": SIGN_IN,
    "POST /auth/provider/token": SIGN_IN,
    "GET /auth/webauthn/authenticate": SECOND_STEP,
    "POST /auth/webauthn/authenticate": SECOND_STEP,
    "GET /auth/webauthn/reauthenticate": SIGN_IN_ACCOUNT,
    "POST /auth/webauthn/reauthenticate": SIGN_IN_ACCOUNT,
    "GET /auth/webauthn/login": SIGN_IN,
    "POST /auth/webauthn/login": SIGN_IN,
    "GET /auth/webauthn/signup": SIGN_IN,
    "POST /auth/webauthn/signup": SIGN_IN,
    "PUT /auth/webauthn/signup": SIGN_IN,
    "GET /account/authenticators/webauthn": SIGN_IN_SENSITIVE,
    "POST /account/authenticators/webauthn": SIGN_IN_ACCOUNT,
    "PUT /account/authenticators/webauthn": SIGN_IN_ACCOUNT,
    "DELETE /account/authenticators/webauthn": SIGN_IN_ACCOUNT,
    "GET /auth/sessions": SIGN_IN_ACCOUNT,
    "DELETE /auth/sessions": SIGN_IN_ACCOUNT,
    "POST /tokens/refresh": SIGN_IN,
}

# v: view, a: add, c: change, d: delete. Everybody else is kept from all of it.
ADMIN = """
model                        support  content  author   billing  administrator
core.outboxdelivery          -        -        -        -        v
accounts.user                v        -        -        v        vac
accounts.outgoingemail       v        -        -        v        v
accounts.auditentry          v        -        -        -        v
accounts.policydocument      -        -        -        -        vacd
accounts.suppressedaddress   v        -        -        -        vd
accounts.accountdeletion     v        -        -        -        v
accounts.recovery            v        -        -        -        v
accounts.profiletransfer     v        -        -        -        v
catalog.feedsource           v        vacd     v        -        vacd
catalog.mediapackage         v        vac      v        -        vac
billing.outage               v        -        -        vac      vac
billing.creditgrant          v        -        -        va       va
billing.gift                 v        -        -        v        v
billing.accessgrant          v        -        -        va       va
auth.group                   -        -        -        -        v
catalog.review               v        vc       v        -        vc
catalog.profileblock         v        v        v        -        v
catalog.collection           v        vacd     v        -        vacd
catalog.provider             v        vac      v        -        vac
catalog.ingestrun            v        vac      v        -        vac
catalog.title                v        vac      vac      -        vac
catalog.matchcandidate       v        vc       v        -        vc
catalog.titlemerge           v        vc       v        -        vc
catalog.person               v        vac      va       -        vac
catalog.genre                v        vacd     v        -        vacd
catalog.searchmiss           v        v        v        -        v
catalog.scheduledact         v        vc       v        -        vc
catalog.keyword              v        vac      va       -        vac
billing.taxrate              v        -        -        v        vacd
billing.journalentry         v        -        -        v        v
billing.tieout               v        -        -        v        v
billing.invoice              v        -        -        v        v
billing.creditnote           v        -        -        v        v
billing.planfamily           v        -        -        vac      vacd
billing.plan                 v        -        -        vac      vac
billing.price                v        -        -        va       va
billing.coupon               v        -        -        vac      vac
billing.paymentattempt       v        -        -        v        v
billing.paymentmethod        v        -        -        v        v
billing.webhookevent         v        -        -        v        v
billing.setback              v        -        -        v        v
billing.refund               v        -        -        va       va
billing.dispute              v        -        -        v        v
billing.fraudwarning         v        -        -        v        v
billing.subscription         v        -        -        v        v
billing.parkedsubscription   v        -        -        v        v
billing.trial                v        -        -        v        v
billing.cancellation         v        -        -        v        v
billing.withdrawal           v        -        -        v        v
billing.pricenotice          v        -        -        v        v
billing.reminder             v        -        -        v        v
billing.consumerlaw          v        -        -        vac      vacd
billing.legaldocument        v        -        -        va       va
billing.recurringrevenueday  v        -        -        v        v
catalog.personmerge          v        vc       v        -        vc
"""

# Whose rows each tell of a person: who of the staff opens one is on that person's record. Their files are too.
ADMIN_ON_RECORD = {
    "accounts.accountdeletion",
    "accounts.auditentry",
    "accounts.outgoingemail",
    "accounts.profiletransfer",
    "accounts.recovery",
    "accounts.user",
    "billing.accessgrant",
    "billing.cancellation",
    "billing.creditgrant",
    "billing.creditnote",
    "billing.dispute",
    "billing.fraudwarning",
    "billing.gift",
    "billing.invoice",
    "billing.parkedsubscription",
    "billing.paymentattempt",
    "billing.paymentmethod",
    "billing.pricenotice",
    "billing.refund",
    "billing.reminder",
    "billing.subscription",
    "billing.trial",
    "billing.webhookevent",
    "billing.withdrawal",
}

# Of the admin's own pages those that belong to one model: who gets past the door.
ADMIN_PAGES: Mapping[str, Collection[str]] = {
    # Superusers alone: staff set their passwords themselves, by a code in their mail.
    "/admin/accounts/user/<id>/password/": [],
    "/admin/billing/recurringrevenueday/export/<slug:what>": ["billing", "administrator"],
    "/admin/billing/invoice/<uuid:pk>/pdf/": ["support", "billing", "administrator"],
    "/admin/billing/creditnote/<uuid:pk>/pdf/": ["support", "billing", "administrator"],
    "/admin/billing/dispute/<int:pk>/evidence/": ["billing", "administrator"],
    "/admin/catalog/ingestrun/<uuid:run_id>/problems.<str:extension>": [
        "support",
        "content",
        "author",
        "administrator",
    ],
    "/admin/catalog/ingestrun/<uuid:run_id>/offer-status.xml": ["support", "content", "author", "administrator"],
    "/admin/catalog/mediapackage/<uuid:package_id>/posters/<int:number>": [
        "support",
        "content",
        "author",
        "administrator",
    ],
    "/admin/catalog/mediapackage/<uuid:package_id>/files/<path:name>": ["content", "administrator"],
    "/admin/catalog/mediapackage/<uuid:package_id>/posters/<int:number>/use": ["content", "administrator"],
    "/admin/catalog/mediapackage/<uuid:package_id>/retry": ["content", "administrator"],
    "/admin/catalog/mediapackage/<uuid:package_id>/subtitles": ["content", "administrator"],
    "/admin/catalog/collection/preview": ["content", "administrator"],
    "/admin/catalog/title/calendar/": ["support", "content", "author", "administrator"],
    "/admin/catalog/title/ages/": ["support", "content", "author", "administrator"],
    "/admin/catalog/title/<path:object_id>/viewers/": ["support", "content", "author", "administrator"],
    "/admin/catalog/title/<path:object_id>/sources/": ["content", "administrator"],
    "/admin/catalog/person/<path:object_id>/split/": ["content", "administrator"],
    "/admin/catalog/title/gaps/": ["support", "content", "author", "administrator"],
    "/admin/catalog/title/<uuid:title_id>/revert/<int:number>": ["content", "author", "administrator"],
    "/admin/catalog/title/<path:object_id>/artwork/": ["content", "author", "administrator"],
    "/admin/catalog/title/<uuid:title_id>/artwork/<int:image_id>/": ["content", "author", "administrator"],
    "/admin/catalog/title/<uuid:title_id>/artwork/<int:image_id>/focus": ["content", "author", "administrator"],
    "/admin/catalog/title/<uuid:title_id>/artwork/<int:image_id>/retry": ["content", "author", "administrator"],
    "/admin/catalog/title/<uuid:title_id>/artwork/<int:image_id>/remove": ["content", "author", "administrator"],
    "/admin/catalog/title/<path:object_id>/publish/": ["content", "administrator"],
    "/admin/catalog/title/<path:object_id>/withdraw/": ["content", "administrator"],
    "/admin/catalog/title/<path:object_id>/versions/": ["content", "author", "administrator"],
    "/admin/catalog/title/<path:object_id>/ask-review/": ["content", "author", "administrator"],
    "/admin/catalog/title/<path:object_id>/plan/": ["content", "administrator"],
    "/admin/catalog/title/<path:object_id>/lock/": ["content", "author", "administrator"],
    "/admin/catalog/title/<path:object_id>/release/": ["content", "author", "administrator"],
}

# What the ids in addresses stand for: how to make it for another account, or why it is nobody's.
THINGS: Mapping[str, Callable[[User], Any] | str] = {
    "profile_id": lambda account: ProfileFactory.create(account=account).pk,
    "transfer_id": lambda account: ProfileTransferFactory.create(from_account=account).pk,
    "device_id": lambda account: DeviceFactory.create(account=account).pk,
    "invoice_id": foreign.invoice,
    "quote_id": foreign.quote,
    "credit_note_id": foreign.credit_note,
    "gift_id": foreign.gift,
    "card_id": lambda account: PaymentMethodFactory.create(account=account).pk,
    "export_id": foreign.export,
    "block_id": foreign.block,
    "document_id": "what is agreed to is everybody's to read",
    "slug": "the catalogue is everybody's",
    "provider_id": "everybody may sign in with one",
    "title_id": "the catalogue is everybody's",
    "person_id": "the catalogue is everybody's",
    "path": "files of the catalogue are public",
    "token": "a secret and no id: whoever has it may use it",
}

# A good request, where an empty one is refused before anybody looks for the thing.
BODIES: Mapping[str, Mapping[str, Any]] = {
    "PUT /api/v1/profiles/<uuid:profile_id>/pin": {"pin": "8264"},
    "POST /api/v1/profiles/<uuid:profile_id>/enter": {"pin": "8264"},
    "PATCH /api/v1/profiles/<uuid:profile_id>": {"name": "Mine"},
    "POST /api/v1/profiles/<uuid:profile_id>/transfer": {"email": "another@example.com"},
    "POST /api/v1/profile-transfers/<uuid:transfer_id>/accept": {"name": "Mine"},
    "POST /api/v1/profiles/<uuid:profile_id>/blocks": {"genre": "drama"},
    "POST /api/v1/profiles/<uuid:profile_id>/blocks/<uuid:block_id>/lift": {"master_pin": "8264"},
    "PATCH /api/v1/devices/<uuid:device_id>": {"name": "Mine"},
    "POST /_allauth/app/v1/account/email": {"email": "another@example.com"},
    "POST /_allauth/browser/v1/account/email": {"email": "another@example.com"},
}
