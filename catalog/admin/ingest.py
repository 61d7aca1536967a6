"""Deliveries: uploaded, watched, read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from catalog import problems, reports
from catalog.admin.lists import LargeList, Refusing
from catalog.admin.precedence import EXPLAINED, PRECEDENCES, PrecedenceForm
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.ingestion.formats import READERS
from catalog.labels import FIELDS
from catalog.models import FeedSource, IngestProblem, IngestRun, Provider
from catalog.refusals import REFUSALS
from catalog.selectors import ingest as selectors
from catalog.selectors import offers
from catalog.services import ingestion, providers, sources
from catalog.tasks import check_source, run_ingest
from core import clock
from core.errors import DomainError
from core.words import told

SHOWN = 100


class ProviderForm(PrecedenceForm, forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A provider, and in which fields its word counts for more or less than elsewhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show what is stored."""
        super().__init__(*args, **kwargs)
        self.fill_in_precedence(self.instance.precedence_by_field)


@admin.register(Provider)
class ProviderAdmin(Refusing, LargeList):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Who delivers, and what becomes of it."""

    form = ProviderForm
    list_display = ("name", "code", "publish", "has_default_licence", "last_delivery", "looked_at")
    ordering = ("name",)
    readonly_fields = ("policy_version", "outcomes")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "code"),
                    "publish",
                    "max_retired_percent",
                    "precedence",
                    "policy_version",
                    "outcomes",
                )
            },
        ),
        (
            _("Default licence, for titles that come without one"),
            {
                "fields": (
                    "has_default_licence",
                    ("default_license_type", "default_territories"),
                    ("default_starts_on", "default_ends_on"),
                )
            },
        ),
        (
            _("Precedence by field"),
            {
                "fields": [
                    *zip(PRECEDENCES[::2], PRECEDENCES[1::2], strict=False),
                    *PRECEDENCES[len(PRECEDENCES) & ~1 :],
                ],
                "classes": ("collapse",),
                "description": EXPLAINED,
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the code that feeds and commands know a provider by."""
        return (*self.readonly_fields, "code") if obj else self.readonly_fields

    @display(description=_("last delivery"))
    def last_delivery(self, provider: Provider) -> SafeString | str:
        """Link the newest run."""
        run = provider.runs.order_by("-pk").first()
        return format_html('<a href="{}">{}</a>', _address(run.pk), run) if run else "-"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """Count the places that are looked at, and those where the last look failed."""
        found: QuerySet[Provider] = super().get_queryset(request)
        return found.annotate(
            places=Count("sources", filter=Q(sources__enabled=True)),
            failing=Count("sources", filter=Q(sources__enabled=True, sources__failures__gt=0)),
        )

    @display(description=_("feed sources"), label={"well": "success", "worse": "danger"})
    def looked_at(self, provider: Any) -> tuple[str, str] | str:
        """Say where the last look failed, or else how many places are looked at."""
        if not provider.places:
            return "-"
        if not provider.failing:
            return "well", f"{provider.places}"
        said = gettext("%(failing)s of %(places)s fail")
        return "worse", said % {"failing": provider.failing, "places": provider.places}

    @display(description=_("last looks"))
    def outcomes(self, provider: Provider) -> SafeString | str:
        """Say what the last look at each place came to."""
        looks = [
            (reverse("admin:catalog_feedsource_change", args=[source.pk]), _masked(source), _outcome_of(source))
            for source in provider.sources.filter(enabled=True).order_by("pk")
        ]
        return format_html_join(SafeString("<br>"), '<a class="underline" href="{}">{}</a>: {}', looks) or "-"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand what was changed to the service."""
        changed = set(form.changed_data)
        fields = {name: form.cleaned_data[name] for name in changed - {"code", *PRECEDENCES}}
        if changed & set(PRECEDENCES):
            fields["precedence_by_field"] = form.precedence_by_field()
        saved = providers.save(code=obj.code, fields=fields)
        obj.pk = saved.pk
        obj._state.adding = False


HIDDEN = "…"
"""Stands for the query of an address, in which partners put keys."""


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Where a provider delivers, and how often to look."""

    format = forms.ChoiceField(
        choices=[(reader.name, reader.label) for reader in READERS.values()], widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show no key that is in the address: left as it is shown, the address stays what it was."""
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding and "location" in self.fields:
            self.initial["location"] = _masked(self.instance)

    def clean_location(self) -> str:
        """Answer the address itself where it was left alone."""
        location: str = self.cleaned_data["location"]
        unchanged = not self.instance._state.adding and location == _masked(self.instance)
        if not unchanged and HIDDEN in location:
            raise forms.ValidationError(
                gettext("Write the whole address, with what is hidden of it here."), code="hidden"
            )
        return self.instance.location if unchanged else location


@admin.register(FeedSource)
class FeedSourceAdmin(Refusing, LargeList):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Places that are looked at by themselves."""

    form = SourceForm
    list_display = ("provider", "shown_place", "format", "every_minutes", "enabled", "checked_at", "outcome_label")
    list_filter = ("provider", "enabled")
    list_select_related = ("provider",)
    ordering = ("provider__name", "pk")
    sortable_by = ()
    actions = ("check_now",)
    readonly_fields = ("checked_at", "told_outcome", "failures", "shown_place")
    fields = (
        "provider", ("kind", "pattern"), "location", "credential", ("format", "delivery"), ("every_minutes", "enabled"),
        ("settled_seconds", "marker"), ("checked_at", "failures"), "told_outcome",
    )  # fmt: skip

    @display(description=_("location"))
    def shown_place(self, source: FeedSource) -> str:
        """Answer where, without what may be secret of it."""
        return _masked(source)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep the address from those who only read."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fields
        return [("shown_place" if field == "location" else field) for field in self.fields]

    @display(description=_("outcome"), label={"well": "success", "worse": "danger"})
    def outcome_label(self, source: FeedSource) -> tuple[str, str]:
        """Colour the last look's outcome."""
        return "worse" if source.failures else "well", _outcome_of(source)

    @display(description=_("outcome"))
    def told_outcome(self, source: FeedSource) -> str:
        """Say what the last look came to."""
        return _outcome_of(source)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        """Let go of a source; its runs stay."""
        return bool(request.user.has_perm("catalog.delete_feedsource"))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand what was changed to the service."""
        saved = sources.save(
            source_id=obj.pk if change else None,
            fields={name: form.cleaned_data[name] for name in form.changed_data},
            now=clock.now(),
        )
        obj.pk, obj._state.adding = saved.pk, False

    @admin.action(description=_("Look now"), permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: Any) -> None:
        """Have the chosen places looked at."""
        for source_id in queryset.order_by("pk").values_list("pk", flat=True):
            check_source.delay(source_id=source_id, by=f"user:{request.user.pk}")
        self.message_user(request, gettext("A worker looks; reload to see what it found."), messages.SUCCESS)


class UploadForm(forms.Form):
    """A delivery to ingest."""

    provider = forms.ModelChoiceField(
        Provider.objects.order_by("name"), widget=UnfoldAdminSelectWidget, label=_("Provider")
    )
    format = forms.ChoiceField(
        choices=[(reader.name, reader.label) for reader in READERS.values()],
        widget=UnfoldAdminSelectWidget,
        label=_("Format"),
    )
    file = forms.FileField(widget=UnfoldAdminFileFieldWidget, label=_("File"))
    delivery = forms.ChoiceField(
        choices=[("", _("As the delivery says, or else partial")), *IngestRun.Delivery.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
        label=_("Delivery"),
    )
    dry_run = forms.BooleanField(
        required=False, label=_("Dry run: report only, change nothing"), widget=UnfoldBooleanWidget
    )
    reprocess = forms.BooleanField(
        required=False, label=_("Reprocess: write what has not changed, too"), widget=UnfoldBooleanWidget
    )


@admin.register(IngestRun)
class IngestRunAdmin(LargeList):
    """Deliveries and their reports. Adding one uploads a file."""

    list_display = (
        "source_name", "provider", "state_label", "read", "created", "updated", "unchanged", "rejected", "retired",
        "problem_count", "created_at",
    )  # fmt: skip
    list_filter = ("provider", "state")
    list_select_related = ("provider",)
    ordering = ("-pk",)
    sortable_by = ()

    @display(
        description=_("state"),
        label={
            IngestRun.State.FINISHED: "success", IngestRun.State.FAILED: "danger", IngestRun.State.RUNNING: "warning",
            IngestRun.State.QUEUED: "info",
        },
    )  # fmt: skip
    def state_label(self, run: IngestRun) -> tuple[str, str]:
        """Colour the state."""
        return run.state, run.get_state_display()

    def get_urls(self) -> list[Any]:
        """Add the report as a file."""
        report = path(
            "<uuid:run_id>/problems.<str:extension>",
            self.admin_site.admin_view(self.download),
            name="catalog_ingestrun_problems",
        )
        answer = path(
            "<uuid:run_id>/offer-status.xml",
            self.admin_site.admin_view(self.answer),
            name="catalog_ingestrun_offer_status",
        )
        return [report, answer, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Take a file, store it, queue it, and show how it goes.

        Outside the transaction that the admin's own form runs in: the file goes to a storage server first.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            try:
                run = ingestion.open_run(
                    provider=values["provider"],
                    format=values["format"],
                    source_name=values["file"].name,
                    content=values["file"],
                    delivery=values["delivery"],
                    dry_run=values["dry_run"],
                    reprocess=values["reprocess"],
                    by=f"user:{request.user.pk}",
                    now=clock.now(),
                )
            except DomainError as error:
                form.add_error(None, refusal(error))
            else:
                run_ingest.delay(run_id=str(run.pk))
                messages.success(request, gettext("%(name)s is queued.") % {"name": run.source_name})
                return HttpResponseRedirect(_address(run.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Ingest a delivery"),
            "verb": _("Ingest"),
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "catalog/admin/upload.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a run: how far it is, or its report. The page reloads itself until the run has ended."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self._run(object_id)
        counts = [
            (capfirst(str(FIELDS[name])), f"{getattr(run, name):,}")
            for name in ("read", "created", "updated", "unchanged", "rejected", "retired", "absent")
        ]
        decided = run.created + run.updated + run.unchanged + run.rejected + run.retired
        seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else None
        found = selectors.problems_of(run.pk).exclude(severity="info")[:SHOWN]
        summary = selectors.problem_summary(run.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("%(name)s of %(provider)s") % {"name": run.source_name, "provider": run.provider.name},
            "opts": self.opts,
            "run": run,
            "failure": problems.told_in_words(run.failure),
            "format": READERS[run.format].label if run.format in READERS else run.format,
            "running": run.state in {IngestRun.State.QUEUED, IngestRun.State.RUNNING},
            "counts": counts,
            "percent": round(100 * decided / run.read) if run.read else 0,
            "decided": f"{decided:,} / {run.read:,}",
            "seconds": seconds,
            "summary": {
                "headers": [
                    gettext("severity"),
                    gettext("code"),
                    gettext("what it means"),
                    gettext("field"),
                    gettext("how often"),
                ],
                "rows": [
                    [_severity(severity), code, problems.meaning(code), field, number]
                    for severity, code, field, number in summary
                ],
            },
            "problems": {
                "headers": [
                    gettext("line"),
                    gettext("id"),
                    gettext("field"),
                    gettext("severity"),
                    gettext("code"),
                    gettext("message"),
                ],
                "rows": [
                    [item.row_number, item.external_id, item.field, _severity(item.severity), item.code, _told(item)]
                    for item in found
                ],
            },
            "problem_count": f"{run.problem_count:,}",
            "has_answer": run.format in offers.FORMATS and run.state == IngestRun.State.FINISHED,
        }
        return TemplateResponse(request, "catalog/admin/run.html", context)

    def download(self, request: HttpRequest, run_id: UUID, extension: str) -> HttpResponseBase:
        """Answer all problems of a run as CSV or JSON, as they are read."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self._run(str(run_id))
        rows = selectors.problem_rows(run.pk)
        if extension == "csv":
            lines, kind = reports.as_csv(selectors.PROBLEM_COLUMNS, rows), "text/csv; charset=utf-8"
        elif extension == "json":
            lines, kind = reports.as_json(rows), "application/json"
        else:
            raise Http404
        name = f"problems-{run.pk}.{extension}"
        return StreamingHttpResponse(
            lines, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    def answer(self, request: HttpRequest, run_id: UUID) -> HttpResponseBase:
        """Answer how far the provider's offers have come, as a studio's system reads it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run, now = self._run(str(run_id)), clock.now()
        if run.format not in offers.FORMATS:
            raise Http404
        return StreamingHttpResponse(
            reports.as_offer_status_list(offers.offer_statuses(run, now), now),
            content_type="application/xml",
            headers={"Content-Disposition": f'attachment; filename="offer-status-{run.pk}.xml"'},
        )

    def _run(self, run_id: str) -> IngestRun:
        try:
            return selectors.run_by_id(UUID(run_id))
        except (ValueError, IngestRun.DoesNotExist) as error:
            raise Http404 from error


def _outcome_of(source: FeedSource) -> str:
    """Answer what the last look at a source came to, in the language at hand."""
    return told(source.outcome, (*REFUSALS, *sources.OUTCOMES)) or gettext("not looked at yet")


def _severity(code: str) -> str:
    """Answer what a severity is called in the language at hand."""
    return str(IngestProblem.Severity(code).label).partition(":")[0]


def _told(problem: IngestProblem) -> str:
    """Answer a problem's sentence, which is English, after what its code means where English is not the language at hand."""
    is_english = (get_language() or "en").partition("-")[0] == "en"
    return problem.message if is_english else f"{problems.meaning(problem.code)} ({problem.message})"


def _masked(source: FeedSource) -> str:
    """Answer a source's location, with dots for the query of an address."""
    has_query = source.kind == FeedSource.Kind.ADDRESS and "?" in source.location
    return f"{source.place}?{HIDDEN}" if has_query else source.place


def _address(run_id: UUID) -> str:
    return reverse("admin:catalog_ingestrun_change", args=[run_id])
