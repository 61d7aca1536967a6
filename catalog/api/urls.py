"""Addresses under /api/v1/."""

from django.urls import path

from catalog.api import blocks, collections, views

urlpatterns = [
    path("titles", views.TitlesView.as_view(), name="titles"),
    path("titles/coming-soon", views.ComingView.as_view(), name="coming-soon"),
    path("titles/leaving-soon", views.LeavingView.as_view(), name="leaving-soon"),
    path("titles/withdrawn", views.WithdrawnView.as_view(), name="withdrawn"),
    path("titles/<uuid:title_id>", views.TitleView.as_view(), name="title"),
    path("titles/<uuid:title_id>/episodes", views.EpisodesView.as_view(), name="episodes"),
    path("genres", views.GenresView.as_view(), name="genres"),
    path("search", views.SearchView.as_view(), name="search"),
    path("search/suggestions", views.SuggestionsView.as_view(), name="search-suggestions"),
    path("rows", collections.RowsView.as_view(), name="rows"),
    path("collections/<slug:slug>", collections.CollectionView.as_view(), name="collection"),
    path("profiles/<uuid:profile_id>/blocks", blocks.BlocksView.as_view(), name="blocks"),
    path("profiles/<uuid:profile_id>/blocks/<uuid:block_id>/lift", blocks.LiftBlockView.as_view(), name="lift-block"),
    path("people/<uuid:person_id>", views.PersonView.as_view(), name="person"),
]
