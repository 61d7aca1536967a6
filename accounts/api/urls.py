"""Addresses under /api/v1/."""

from django.urls import path

from accounts.api import activity, consents, deletions, devices, exports, recoveries, televisions, transfers, views

urlpatterns = [
    path("devices", devices.DevicesView.as_view(), name="devices"),
    path("devices/current", devices.CurrentDeviceView.as_view(), name="device-current"),
    path("devices/sign-out-others", devices.SignOutOthersView.as_view(), name="devices-sign-out-others"),
    path("devices/<uuid:device_id>", devices.DeviceView.as_view(), name="device"),
    path("account/activity", activity.ActivityView.as_view(), name="account-activity"),
    path("policies", consents.DocumentsView.as_view(), name="policies"),
    path("account/consents", consents.ConsentsView.as_view(), name="account-consents"),
    path("account/consents/<uuid:document_id>", consents.ConsentView.as_view(), name="account-consent"),
    path("account/notifications", consents.PreferencesView.as_view(), name="account-notifications"),
    path("account/deletion", deletions.DeletionView.as_view(), name="account-deletion"),
    path("account/exports", exports.ExportsView.as_view(), name="account-exports"),
    path("account/exports/<uuid:export_id>", exports.ExportView.as_view(), name="account-export"),
    path("account/exports/<uuid:export_id>/archive", exports.ArchiveView.as_view(), name="account-export-archive"),
    path("account/recovery", recoveries.RecoveryView.as_view(), name="account-recovery"),
    path("recovery", recoveries.RecoveryRequestView.as_view(), name="recovery"),
    path("recovery/complete", recoveries.RecoveryCompleteView.as_view(), name="recovery-complete"),
    path("account", views.AccountView.as_view(), name="account"),
    path("tv/code", televisions.CodeView.as_view(), name="tv-code"),
    path("tv/approve", televisions.ApproveView.as_view(), name="tv-approve"),
    path("tv/deny", televisions.DenyView.as_view(), name="tv-deny"),
    path("profiles", views.ProfilesView.as_view(), name="profiles"),
    path("profiles/<uuid:profile_id>", views.ProfileView.as_view(), name="profile"),
    path("account/master-pin", views.MasterPinView.as_view(), name="master-pin"),
    path("profiles/leave", views.LeaveProfileView.as_view(), name="profile-leave"),
    path("profiles/<uuid:profile_id>/pin", views.ProfilePinView.as_view(), name="profile-pin"),
    path("profiles/<uuid:profile_id>/transfer", transfers.OfferView.as_view(), name="profile-offer"),
    path("profile-transfers", transfers.TransfersView.as_view(), name="profile-transfers"),
    path("profile-transfers/<uuid:transfer_id>", transfers.TransferView.as_view(), name="profile-transfer"),
    path("profile-transfers/<uuid:transfer_id>/accept", transfers.AcceptView.as_view(), name="profile-transfer-accept"),
    path(
        "profile-transfers/<uuid:transfer_id>/decline", transfers.DeclineView.as_view(), name="profile-transfer-decline"
    ),
    path("profiles/<uuid:profile_id>/enter", views.EnterProfileView.as_view(), name="profile-enter"),
]
