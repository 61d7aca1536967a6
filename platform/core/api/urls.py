"""Addresses under /api/v1/."""

from django.urls import path

from core.api import views

urlpatterns = [path("countries", views.CountriesView.as_view(), name="countries")]
