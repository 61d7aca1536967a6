"""Every address of the platform."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.static import serve
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.api import mail, recoveries, televisions
from billing.api import pages as billing_pages
from billing.api.views import StripeWebhookView
from config import views
from core.api.views import ProblemsView

urlpatterns = [
    path("", views.Landing.as_view(), name="landing"),
    path("status", views.Status.as_view(), name="status"),
    # Asked for by browsers on pages that name no icon of their own.
    path("favicon.ico", views.icon, name="icon"),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/problems", ProblemsView.as_view(), name="problems"),
    # What is asked for most comes first: addresses are tried one by one.
    path("api/v1/", include("catalog.api.urls")),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("billing.api.urls")),
    path("api/v1/", include("core.api.urls")),
    path("pay/<str:token>", billing_pages.PayPage.as_view(), name="pay"),
    path("gift/<str:token>", billing_pages.GiftPage.as_view(), name="gift"),
    path("invoices/<uuid:invoice_id>", billing_pages.invoice, name="invoice-page"),
    path("invoices/<uuid:invoice_id>.pdf", billing_pages.invoice, {"form": "pdf"}, name="invoice-page-pdf"),
    path("documents/<str:token>", billing_pages.linked, name="document"),
    path("documents/<str:token>/pdf", billing_pages.linked, {"form": "pdf"}, name="document-pdf"),
    path("oauth/device_authorization", televisions.DeviceAuthorizationView.as_view(), name="device-authorization"),
    path("oauth/token", televisions.TokenView.as_view(), name="oauth-token"),
    path("unsubscribe", mail.unsubscribe_page, name="unsubscribe"),
    path("webhooks/mail-events", mail.MailEventsView.as_view(), name="mail-events"),
    path("recovery/stop", recoveries.stop_page, name="stop-recovery"),
    path("tv", televisions.page, name="tv"),
    path("webhooks/stripe", StripeWebhookView.as_view(), name="stripe-webhook"),
    # Where OpenID providers send people back: /oidc/<provider>/login/callback/.
    path("", include("allauth.urls")),
    path("_allauth/", include("accounts.api.second_factors")),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]

# In production a bucket or a web server has the uploaded files; on one machine nobody else serves them.
if not settings.PRODUCTION:
    urlpatterns += [path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT})]

# Below /api/ every error is a problem (RFC 9457), outside of views too.
handler400 = "core.api.problems.bad_request"
handler403 = "core.api.problems.permission_denied"
handler404 = "core.api.problems.page_not_found"
handler500 = "core.api.problems.server_error"
