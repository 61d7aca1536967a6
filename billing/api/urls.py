"""Addresses under /api/v1/."""

from django.urls import path

from billing.api import cards, documents, gifts, lifecycle, views

urlpatterns = [
    path("plans", views.PlansView.as_view(), name="plans"),
    path("payment-methods", views.PaymentMethodsView.as_view(), name="payment-methods"),
    path("payment-methods/setup", views.CardSetupView.as_view(), name="payment-methods-setup"),
    path("payment-methods/<uuid:card_id>", cards.CardView.as_view(), name="payment-method"),
    path("payment-methods/<uuid:card_id>/default", cards.DefaultCardView.as_view(), name="default-payment-method"),
    path("payment-methods/<uuid:card_id>/backup", cards.BackupCardView.as_view(), name="backup-payment-method"),
    path("legal-documents", lifecycle.LegalDocumentsView.as_view(), name="legal-documents"),
    path("subscriptions/quote", lifecycle.PurchaseQuoteView.as_view(), name="subscriptions-quote"),
    path("subscriptions/trial", lifecycle.TrialView.as_view(), name="subscriptions-trial"),
    path("subscription/pause", lifecycle.PauseView.as_view(), name="subscription-pause"),
    path("subscription/resume", lifecycle.ResumeView.as_view(), name="subscription-resume"),
    path("subscription/reactivate", lifecycle.ReactivateView.as_view(), name="subscription-reactivate"),
    path("subscription/withdraw", lifecycle.WithdrawView.as_view(), name="subscription-withdraw"),
    path("subscriptions", views.SubscriptionsView.as_view(), name="subscriptions"),
    path("subscription", views.SubscriptionView.as_view(), name="subscription"),
    path("subscription/cancel", views.CancelSubscriptionView.as_view(), name="subscription-cancel"),
    path("invoices", views.InvoicesView.as_view(), name="invoices"),
    path("invoices/<uuid:invoice_id>", views.InvoiceView.as_view(), name="invoice"),
    path("invoices/<uuid:invoice_id>/explain", views.ExplainInvoiceView.as_view(), name="invoice-explain"),
    path("invoices/<uuid:invoice_id>/pdf", documents.InvoicePdfView.as_view(), name="invoice-pdf"),
    path("credit-notes", documents.CreditNotesView.as_view(), name="credit-notes"),
    path("credit-notes/<uuid:credit_note_id>/pdf", documents.CreditNotePdfView.as_view(), name="credit-note-pdf"),
    path("billing-details", documents.BillingDetailsView.as_view(), name="billing-details"),
    path("subscription/quotes", views.QuotesView.as_view(), name="subscription-quotes"),
    path("subscription/quotes/<uuid:quote_id>/accept", views.AcceptQuoteView.as_view(), name="accept-quote"),
    path("subscription/downgrade", views.DowngradeView.as_view(), name="subscription-downgrade"),
    path("gifts", gifts.GiftsView.as_view(), name="gifts"),
    path("gifts/redeem", gifts.RedeemGiftView.as_view(), name="redeem-gift"),
    path("gifts/<uuid:gift_id>", gifts.GiftView.as_view(), name="gift"),
    path("gifts/<uuid:gift_id>/refund", gifts.RefundGiftView.as_view(), name="refund-gift"),
    path("credit", gifts.CreditView.as_view(), name="credit"),
    path("credit/balance", gifts.BalanceView.as_view(), name="credit-balance"),
    path("entitlement", views.EntitlementView.as_view(), name="entitlement"),
]
