"""The rule of a collection as editors fill it in: a field for each condition, none of them JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.contrib.postgres.forms import SimpleArrayField
from django.utils.translation import gettext
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.rules import HIGHEST_AGE
from catalog import rules
from catalog.admin.words import gettext_lazy as _
from catalog.membership import LONGEST_DAYS, RuleInvalid, read_rule
from catalog.models import Genre, Keyword, Provider, TitleGenre, TitleKeyword
from catalog.models.places import validate_countries
from catalog.models.titles import Kind
from catalog.refusals import in_words

PREFIX = "rule_"
"""Sets the conditions apart from the collection's own fields."""


class CodesField(SimpleArrayField):
    """Short codes in one line, with commas; one that is written twice counts once."""

    def __init__(self, **options: Any) -> None:
        """Take the options of any field."""
        super().__init__(forms.CharField(max_length=100), widget=UnfoldAdminTextInputWidget(), **options)

    def clean(self, value: Any) -> list[str]:
        """Answer the codes in their order."""
        return list(dict.fromkeys(super().clean(value) or []))


class CountryCodesField(CodesField):
    """Countries, in either case."""

    def clean(self, value: Any) -> list[str]:
        """Write them large."""
        return super().clean(str(value or "").upper())


class TagsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """Genres or keywords, searched for as they are typed, since there may be many thousands."""

    def __init__(self, source: Any, **options: Any) -> None:
        """Choose among those that `source`, a relation to them, may point to."""
        widget = AutocompleteSelectMultiple(source, admin.site)
        super().__init__(source.related_model.objects.standing(), widget=widget, **options)


class ConditionsForm(forms.Form):
    """A title must meet each condition that is filled in, and within one any of what it lists."""

    rule_kinds = forms.MultipleChoiceField(
        choices=[(kind.value, kind.label) for kind in (Kind.MOVIE, Kind.SERIES, Kind.SPECIAL)],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label=_("Kinds"),
    )
    rule_genres = TagsField(
        TitleGenre._meta.get_field("genre"),
        required=False,
        label=_("Genres"),
        help_text=_("Any of them, or of those below them in the tree."),
    )
    rule_keywords = TagsField(
        TitleKeyword._meta.get_field("keyword"), required=False, label=_("Keywords"), help_text=_("Any of them.")
    )
    rule_countries = CountryCodesField(
        required=False,
        validators=[validate_countries],
        label=_("Countries of production"),
        help_text=_("ISO 3166-1 alpha-2, with commas: FR, BE"),
    )
    rule_original_languages = CodesField(
        required=False, label=_("Original languages"), help_text=_("BCP 47, with commas: fr, pt-BR")
    )
    rule_providers = forms.MultipleChoiceField(
        required=False,
        widget=UnfoldAdminSelect2MultipleWidget,
        label=_("Providers"),
        help_text=_("Whose deliveries name the title now."),
    )
    rule_year_from = forms.IntegerField(
        required=False, min_value=1, max_value=9999, widget=UnfoldAdminIntegerFieldWidget, label=_("Released from (year)")
    )  # fmt: skip
    rule_year_to = forms.IntegerField(
        required=False, min_value=1, max_value=9999, widget=UnfoldAdminIntegerFieldWidget, label=_("Released until (year)")
    )  # fmt: skip
    rule_highest_age = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=HIGHEST_AGE,
        widget=UnfoldAdminIntegerFieldWidget,
        label=_("For profiles of this age"),
        help_text=_("Rated titles that a profile of this age sees, by the ratings of the viewer's country."),
    )
    rule_made_for_kids = forms.TypedChoiceField(
        required=False,
        choices=[("", _("Either")), ("true", _("Made for kids")), ("false", _("Not made for kids"))],
        coerce=lambda value: value == "true",
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
        label=_("Made for kids"),
    )
    rule_added_within_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        label=_("Published within (days)"),
    )
    rule_leaves_within_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        label=_("Leaves within (days)"),
        help_text=_("Available now, and by all licences together no more after that."),
    )

    def fill_in(self, rule: Any) -> None:
        """Show a rule as it is stored; a name in it that nothing has is told of, since saving leaves it out."""
        providers = list(Provider.objects.order_by("name").values_list("code", "name"))
        self.fields["rule_providers"].choices = providers  # type: ignore[attr-defined]  # of a field of choices
        read = read_rule(rule)
        for name in read.__struct_fields__:
            self.initial[PREFIX + name] = getattr(read, name)
        if read.made_for_kids is not None:
            self.initial["rule_made_for_kids"] = str(read.made_for_kids).lower()
        known = {code for code, _name in providers}
        self._tell_lost("rule_providers", [code for code in read.providers if code not in known])
        for name, model, column in (("genres", Genre, "slug"), ("keywords", Keyword, "name")):
            stated = getattr(read, name)
            tags: Any = model._default_manager.filter(**{f"{column}__in": stated}).select_related("merged_into")
            found = {getattr(tag, column): tag.merged_into or tag for tag in tags} if stated else {}
            self.initial[PREFIX + name] = list(dict.fromkeys(found[one].pk for one in stated if one in found))
            self._tell_lost(PREFIX + name, [one for one in stated if one not in found])

    def _tell_lost(self, name: str, lost: list[str]) -> None:
        if lost:
            told = gettext("The rule also names %(names)s, which is not there: saving leaves it out.")
            self.fields[name].help_text = f"{self.fields[name].help_text} {told % {'names': ', '.join(lost)}}"

    def clean_rule_original_languages(self) -> list[str]:
        """Refuse what is no language tag."""
        tags: list[str] = self.cleaned_data["rule_original_languages"]
        if bad := [tag for tag in tags if not rules.is_language_tag(tag)]:
            raise forms.ValidationError(
                gettext("“%(tag)s” is no language tag; write one such as de or pt-BR.") % {"tag": bad[0]},
                code="unknown_language",
            )
        return tags

    def rule(self) -> dict[str, Any]:
        """Answer the rule as it is stored, of what is filled in well: no condition that is not."""
        values = dict(self._conditions())
        if values.get("year_from", 0) > values.get("year_to", 9999):
            self.add_error(
                "rule_year_to", forms.ValidationError(gettext("The years end before they begin."), code="bad_years")
            )
            del values["year_to"]
        try:
            read_rule(values)
        except RuleInvalid as error:
            self.add_error(None, forms.ValidationError(in_words(str(error)), code="bad_rule"))
            return {}
        return values

    def _conditions(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.cleaned_data.items():
            if name.startswith(PREFIX) and value not in (None, "", []):
                condition = name.removeprefix(PREFIX)
                column = {"genres": "slug", "keywords": "name"}.get(condition)
                found = [getattr(tag, column) for tag in value] if column else value
                if found not in (None, []):
                    yield condition, found


CONDITIONS = tuple(ConditionsForm.base_fields)
"""The names of the fields."""
