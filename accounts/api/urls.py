"""Addresses under /api/v1/."""

from django.urls import path

from accounts.api import views

urlpatterns = [
    path("account", views.AccountView.as_view(), name="account"),
    path("profiles", views.ProfilesView.as_view(), name="profiles"),
    path("profiles/<uuid:profile_id>", views.ProfileView.as_view(), name="profile"),
    path("profiles/<uuid:profile_id>/enter", views.EnterProfileView.as_view(), name="profile-enter"),
]
