"""What partners' records say, field by field: taken over, or told of as left out. Nothing goes without a word."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import orjson
import pytest

from catalog.ingestion import meaning
from catalog.ingestion.formats import READERS
from catalog.ingestion.reader import Findings
from catalog.ingestion.records import Identifier, Image, RawRecord, TitleRecord
from catalog.models import AvailabilityWindow
from tests.catalog.ingestion import test_hostile as hostile
from tests.factories.catalog import ProviderFactory, counts, ingest

AVAILS = "http://www.movielabs.com/schema/avails/v9.9/avails"
MEC = "http://www.movielabs.com/schema/mdmec/v9.9"


def read(name: str, content: bytes) -> list[tuple[TitleRecord | None, Findings]]:
    """Answer what a reader makes of a delivery, without the database."""
    reader = READERS[name]
    found = []
    for raw in reader.split(io.BytesIO(content)):
        if isinstance(raw, RawRecord):
            findings = Findings(raw.row_number, raw.external_id)
            found.append((reader.normalise(raw, findings), findings))
    return found


def one(name: str, content: bytes) -> tuple[TitleRecord, Findings]:
    [(record, findings)] = read(name, content)
    assert record is not None, findings.problems
    return record, findings


def codes(findings: Findings) -> list[tuple[str, str]]:
    return [(problem.code, problem.severity) for problem in findings.problems if problem.code != "other_version"]


def avail(
    *,
    where: str = "<Territory><country>DE</country></Territory>",
    when: str = "<Start>2026-01-01T00:00:00Z</Start><EndCondition>Open</EndCondition>",
    terms: str = "",
    names: str = "<TitleDisplayUnlimited>The Pier</TitleDisplayUnlimited>",
    limits: str = "<FormatProfile>HD</FormatProfile>",
    more: str = "",
) -> bytes:
    return (
        f"<AvailList xmlns='{AVAILS}'><Avail><ALID>a1</ALID><Asset contentID='c1'><WorkType>Movie</WorkType>"
        f"<Metadata>{names}</Metadata></Asset>{more}<Transaction TransactionID='t1'><LicenseType>SVOD</LicenseType>{where}"
        f"{when}{limits}{terms}</Transaction></Avail></AvailList>"
    ).encode()


def offered(details: str) -> bytes:
    """Answer a film of Fire TV with one offer."""
    return (
        "<Catalog xmlns='http://www.amazon.com/FireTv/2014-04-11/ingestion'><Partner>p</Partner><Works><Movie><ID>f1</ID>"
        "<Title locale='en-US'>The Pier</Title><Offers><SubscriptionOffer><Regions><Country>DE</Country></Regions>"
        f"<LaunchDetails>{details}</LaunchDetails></SubscriptionOffer></Offers></Movie></Works></Catalog>"
    ).encode()


class TestTerritories:
    def test_of_the_world_except_some_are_the_exceptions(self) -> None:
        where = "<Territory><country>WORLDWIDE</country></Territory><TerritoryExcluded><country>US</country></TerritoryExcluded>"
        record, findings = one("avails-xml", avail(where=where))
        assert [(window.territories, window.excluded) for window in record.windows] == [(("US",), True)]
        assert codes(findings) == []

    def test_of_the_world_are_the_world(self) -> None:
        record, _ = one("avails-xml", avail(where="<Territory><country>WW</country></Territory>"))
        assert [(window.territories, window.excluded) for window in record.windows] == [((), False)]

    def test_that_are_excluded_altogether_are_refused(self) -> None:
        where = "<TerritoryExcluded><country>WORLDWIDE</country></TerritoryExcluded>"
        [(record, findings)] = read("avails-xml", avail(where=where))
        assert (record, ("excludes_all", "error") in codes(findings)) == (None, True)

    @pytest.mark.parametrize(("part", "code"), [("US-PR", "PR"), ("FR-RE", "RE"), ("CN-HK", "HK")])
    def test_that_are_part_of_a_country_count_where_they_have_a_code(self, part: str, code: str) -> None:
        where = f"<Territory><countryRegion>{part}</countryRegion></Territory>"
        record, _ = one("avails-xml", avail(where=where))
        assert record.windows[0].territories == (code,)

    @pytest.mark.parametrize("part", ["US-CA", "DE-BY", "CA-QC"])
    def test_that_are_part_of_a_country_are_refused_otherwise(self, part: str) -> None:
        """California is not Canada, though its letters are."""
        [(record, findings)] = read("avails-xml", avail(where=f"<Territory><country>{part}</country></Territory>"))
        assert (record, codes(findings)) == (None, [("part_of_country", "error")])

    def test_of_some_countries_and_exceptions_are_refused(self) -> None:
        where = (
            "<Territory><country>DE</country></Territory><TerritoryExcluded><country>US</country></TerritoryExcluded>"
        )
        [(record, findings)] = read("avails-xml", avail(where=where))
        assert (record, codes(findings)) == (None, [("both", "error")])


class TestWindows:
    @pytest.mark.parametrize(
        ("start", "duration", "end"),
        [
            ("2026-01-31T00:00:00Z", "P1M", datetime(2026, 2, 28, tzinfo=UTC)),
            ("2024-02-29T06:00:00Z", "P1Y", datetime(2025, 2, 28, 6, tzinfo=UTC)),
            ("2026-01-01T00:00:00Z", "PT48H", datetime(2026, 1, 3, tzinfo=UTC)),
            ("2026-01-01T00:00:00", "P30D", date(2026, 1, 31)),
            ("2026-01-01T00:00:00", "P2W", date(2026, 1, 15)),
            ("2026-01-01T00:00:00", "PT36H", date(2026, 1, 2)),
        ],
    )
    def test_that_say_how_long_end_then(self, start: str, duration: str, end: datetime | date) -> None:
        when = f"<Start>{start}</Start><EndCondition>Open</EndCondition><WindowDuration>{duration}</WindowDuration>"
        record, _ = one("avails-xml", avail(when=when))
        assert record.windows[0].end == end

    @pytest.mark.parametrize("duration", ["P", "a month", "P1H", "-P1D", "P9999Y", "PT1H"])
    def test_that_last_for_no_time_are_refused(self, duration: str) -> None:
        when = (
            "<Start>2026-01-01T00:00:00</Start><EndCondition>Open</EndCondition>"
            f"<WindowDuration>{duration}</WindowDuration>"
        )
        [(record, _)] = read("avails-xml", avail(when=when))
        assert record is None

    def test_that_have_an_end_keep_it(self) -> None:
        when = "<Start>2026-01-01T00:00:00Z</Start><End>2026-03-01T00:00:00Z</End><WindowDuration>P1D</WindowDuration>"
        record, _ = one("avails-xml", avail(when=when))
        assert record.windows[0].end == datetime(2026, 3, 1, tzinfo=UTC)

    @pytest.mark.parametrize("name", ["AnnounceDate", "SuppressionLiftDate"])
    def test_may_be_announced_before(self, name: str) -> None:
        terms = f"<Term termName='{name}'><Event>2025-12-01</Event></Term>"
        record, findings = one("avails-xml", avail(terms=terms))
        assert record.windows[0].announce == date(2025, 12, 1)
        assert findings.left_out == set()

    @pytest.mark.parametrize("status", ["Revoked", "Expired", "revoked"])
    def test_that_were_revoked_take_the_title_back(self, status: str) -> None:
        record, _ = one("avails-xml", avail(terms=f"<Term termName='TitleStatus'><Text>{status}</Text></Term>"))
        assert (record.withdrawn, record.windows) == (True, ())

    def test_that_are_pending_grant_nothing_yet(self) -> None:
        record, findings = one("avails-xml", avail(terms="<Term termName='TitleStatus'><Text>Pending</Text></Term>"))
        assert (record.withdrawn, record.windows, codes(findings)) == (False, (), [("not_approved", "warning")])

    @pytest.mark.parametrize(
        ("limits", "field"),
        [
            ("<FormatProfile>Ultra</FormatProfile>", "FormatProfile"),
            ("<AllowedLanguage>Deutsch (AT)</AllowedLanguage>", "AllowedLanguage"),
            (
                "<HoldbackLanguage>de</HoldbackLanguage><HoldbackLanguage>français</HoldbackLanguage>",
                "HoldbackLanguage",
            ),
        ],
    )
    def test_whose_limits_nobody_understands_are_refused(self, limits: str, field: str) -> None:
        whole = limits if "FormatProfile" in limits else f"{limits}<FormatProfile>HD</FormatProfile>"
        [(record, findings)] = read("avails-xml", avail(limits=whole))
        assert record is None
        [refused] = [problem for problem in findings.problems if problem.severity == "error"]
        assert (refused.external_id, refused.field) == ("avail:a1", f"Transaction[0].{field}")
        assert refused.code == ("unknown_format" if field == "FormatProfile" else "unknown_language")
        assert refused.message.endswith("would hold for more than was granted: correct it.")

    def test_are_limited_to_what_is_understood_of_their_limits(self) -> None:
        limits = "".join(
            f"<{name}>{word}</{name}>"
            for name, words in {"AllowedLanguage": ("de_at", "Deutsch (AT)"), "FormatProfile": ("Ultra", "hd")}.items()
            for word in words
        )
        record, findings = one("avails-xml", avail(limits=limits))
        assert (record.windows[0].languages, record.windows[0].formats) == (("de-AT",), ("HD",))
        assert codes(findings) == [("unknown_format", "warning"), ("unknown_language", "warning")]

    def test_may_mean_the_sound_or_the_subtitles_of_a_language_alone(self) -> None:
        limits = (
            "<AllowedLanguage asset='audio'>de</AllowedLanguage><AllowedLanguage asset='subdub'>en</AllowedLanguage>"
            "<AllowedLanguage asset='smell'>it</AllowedLanguage><AllowedLanguage>pt_br</AllowedLanguage>"
            "<HoldbackLanguage asset='subtitle'>fr</HoldbackLanguage><FormatProfile>HD</FormatProfile>"
        )
        record, findings = one("avails-xml", avail(limits=limits))
        [window] = record.windows
        assert (window.languages, window.holdback_languages) == (("de:audio", "en", "pt-BR"), ("fr:subtitle",))
        assert codes(findings) == [("unknown_language", "warning")]

    def test_of_a_language_too_long_to_keep_say_so_and_hold_back_nothing_else(self) -> None:
        long = "zh-cmn-Hans-CN"
        limits = (
            f"<AllowedLanguage asset='subtitle'>{long}</AllowedLanguage><AllowedLanguage>{long}</AllowedLanguage>"
            "<FormatProfile>HD</FormatProfile>"
        )
        record, findings = one("avails-xml", avail(limits=limits))
        assert record.windows[0].languages == ("zh-cmn-Hans-CN",)
        assert codes(findings) == [("unknown_language", "warning")]
        limits = f"<HoldbackLanguage asset='subtitle'>{long}</HoldbackLanguage><FormatProfile>HD</FormatProfile>"
        [(refused, _)] = read("avails-xml", avail(limits=limits))
        assert refused is None

    @pytest.mark.parametrize(
        ("hdr", "granted"), [("", "UHD"), ("HDR='false'", "UHD"), ("HDR='true'", "UHD-HDR"), ("HDR='DV'", "UHD-HDR")]
    )
    def test_grant_a_high_dynamic_range_where_they_say_so(self, hdr: str, granted: str) -> None:
        record, findings = one("avails-xml", avail(limits=f"<FormatProfile {hdr}>UHD</FormatProfile>"))
        assert (record.windows[0].formats, codes(findings)) == ((granted,), [])

    @pytest.mark.parametrize(
        ("hdr", "granted"),
        [
            ("", "UHD"),
            ("No", "UHD"),
            ("N", "UHD"),
            ("None", "UHD"),
            ("n/a", "UHD"),
            ("Yes", "UHD-HDR"),
            ("HDR10", "UHD-HDR"),
        ],
    )
    def test_of_a_sheet_grant_a_high_dynamic_range_in_a_column_of_their_own(self, hdr: str, granted: str) -> None:
        header = [*hostile.TestSpreadsheet.HEADER, "HDR"]
        row = [*hostile.TestSpreadsheet.ROW[:9], "UHD", hdr]
        [(record, findings)] = read("avails-xlsx", hostile.workbook(["Avail"], header, row))
        assert record is not None
        assert (record.windows[0].formats, codes(findings), findings.left_out) == ((granted,), [], set())

    def test_without_a_format_are_refused(self) -> None:
        [(record, findings)] = read("avails-xml", avail(limits=""))
        [refused] = [problem for problem in findings.problems if problem.severity == "error"]
        assert (record, refused.field, refused.code) == (None, "Transaction[0].FormatProfile", "missing")
        assert refused.message == "Has no FormatProfile, and would hold for every format: add the one that is granted."

    def test_of_a_sheet_are_refused_alike(self) -> None:
        header = [*hostile.TestSpreadsheet.HEADER[:9], "AllowedLanguages", "HoldbackLanguage", "FormatProfile"]
        rows = [
            [*hostile.TestSpreadsheet.ROW[:6], f"a{number}", *hostile.TestSpreadsheet.ROW[7:9], *limits]
            for number, limits in enumerate(
                (
                    ("Deutsch?", "", "HD"), ("", "fr, français", "HD"), ("", "", "Ultra"), ("", "", ""), ("", "fr:dubs", "HD"),
                    ("de:dub, en", "fr:sub", "HD"),
                )
            )
        ]  # fmt: skip
        found = [record for record, _ in read("avails-xlsx", hostile.workbook(["Avail"], header, *rows))]
        assert [record is None for record in found] == [True, True, True, True, True, False]
        [window] = found[-1].windows if found[-1] else ()
        assert (window.languages, window.holdback_languages) == (("de:audio", "en"), ("fr:subtitle",))

    @pytest.mark.parametrize("details", ["<Quality>Ultra</Quality>", "<AudioLanguage>Deutsch (AT)</AudioLanguage>"])
    def test_of_offers_whose_limits_nobody_understands_are_refused(self, details: str) -> None:
        [(record, findings)] = read("firetv", offered(details))
        assert (record, findings.rejected) == (None, True)

    def test_of_several_assets_hold_for_the_first_and_say_so(self) -> None:
        more = "<Asset contentID='c2'><WorkType>Movie</WorkType></Asset>"
        _, findings = one("avails-xml", avail(more=more))
        assert codes(findings) == [("more_assets", "warning")]

    def test_of_a_sheet_are_read_alike(self) -> None:
        header = [*hostile.TestSpreadsheet.HEADER, "WindowDuration", "TitleStatus", "TerritoryExclusion", "SRP"]
        first = ["WORLDWIDE", *hostile.TestSpreadsheet.ROW[1:], "P1D", "Approved", "US, CA", "9.99"]
        second = [*hostile.TestSpreadsheet.ROW[:6], "a2", *hostile.TestSpreadsheet.ROW[7:], "", "Revoked", "", ""]
        found = read("avails-xlsx", hostile.workbook(["Avail"], header, first, second))
        (one_row, findings), (revoked, _) = found
        assert one_row is not None
        assert revoked is not None
        [window] = one_row.windows
        assert (window.territories, window.excluded, window.end) == (("US", "CA"), True, date(2026, 1, 2))
        assert findings.left_out == {"SRP"}
        assert revoked.withdrawn


class TestNames:
    def test_of_a_sheet_stand_under_the_languages_of_its_rows(self) -> None:
        header = [*hostile.TestSpreadsheet.HEADER, "AssetLanguage"]
        base = [*hostile.TestSpreadsheet.ROW]

        def row(alid: str, name: str, language: str) -> list[object]:
            return [*base[:6], alid, "c1", name, "HD", language]

        sheet = hostile.workbook(
            ["Avail"],
            header,
            row("a1", "The Pier", "EN"),
            row("a2", "La Jetée", "fr-CA: audio"),
            row("a3", "Pier", "en"),
        )
        names = [
            [(text.language, text.name) for text in record.texts] for record, _ in read("avails-xlsx", sheet) if record
        ]
        assert names == [[("en", "The Pier"), ("fr-CA", "La Jetée")]] * 3

    def test_of_a_licence_stand_under_their_languages(self) -> None:
        names = (
            "<TitleDisplayUnlimited language='de'>Der Steg</TitleDisplayUnlimited>"
            "<TitleDisplayUnlimited language='en-GB'>The Pier</TitleDisplayUnlimited>"
        )
        record, _ = one("avails-xml", avail(names=names))
        assert [(text.language, text.name) for text in record.texts] == [("de", "Der Steg"), ("en-GB", "The Pier")]

    def test_of_a_licence_without_a_language_are_english(self) -> None:
        record, _ = one("avails-xml", avail(names="<TitleInternalAlias region='US'>Pier, The</TitleInternalAlias>"))
        assert [(text.language, text.name) for text in record.texts] == [("en", "Pier, The")]

    def test_of_the_season_and_series_in_an_episodes_licence_too(self) -> None:
        content = (
            f"<AvailList xmlns='{AVAILS}'><Avail><ALID>a1</ALID><Asset contentID='e1'><WorkType>Episode</WorkType>"
            "<EpisodeMetadata><TitleInternalAlias>One</TitleInternalAlias><EpisodeNumber><Number>1</Number></EpisodeNumber>"
            "<SeasonMetadata><SeasonContentID>s1</SeasonContentID>"
            "<SeasonTitleDisplayUnlimited language='de'>Staffel 1</SeasonTitleDisplayUnlimited>"
            "<SeasonNumber><Number>1</Number></SeasonNumber>"
            "<SeriesMetadata><SeriesContentID>r1</SeriesContentID>"
            "<SeriesTitleDisplayUnlimited language='fr'>La Jetée</SeriesTitleDisplayUnlimited>"
            "<SeriesTitleDisplayUnlimited language='de'>Der Steg</SeriesTitleDisplayUnlimited></SeriesMetadata>"
            "</SeasonMetadata></EpisodeMetadata></Asset><Transaction><LicenseType>SVOD</LicenseType>"
            "<Territory><country>DE</country></Territory><StartCondition>Immediate</StartCondition>"
            "<EndCondition>Open</EndCondition><FormatProfile>HD</FormatProfile></Transaction></Avail></AvailList>"
        ).encode()
        found = {record.external_id: record for record, _ in read("avails-xml", content) if record}
        assert {own: [(text.language, text.name) for text in record.texts] for own, record in found.items()} == {
            "r1": [("de", "Der Steg"), ("fr", "La Jetée")],
            "s1": [("de", "Staffel 1")],
            "avail:a1": [("en", "One")],
        }

    def test_hold_in_the_regions_for_which_they_are(self) -> None:
        def info(language: str, name: str, *regions: str) -> str:
            where = "".join(f"<Region><country>{code}</country></Region>" for code in regions)
            return (
                f"<LocalizedInfo language='{language}'><TitleDisplayUnlimited>{name}</TitleDisplayUnlimited>"
                f"<ArtReference purpose='hero'>https://img.example/{name}.jpg</ArtReference>{where}</LocalizedInfo>"
            )

        record, findings = one("movielabs-mec", core(info("es", "Mexico", "MX", "AR"), info("es", "Spain")))
        assert [(text.language, text.name) for text in record.texts] == [
            ("es", "Spain"), ("es-AR", "Mexico"), ("es-MX", "Mexico"),
        ]  # fmt: skip
        assert Image("backdrop", "https://img.example/Mexico.jpg", "es-AR") in record.artwork
        assert "repeated" not in [code for code, _ in codes(findings)]

    def test_of_another_language_tell_of_the_genres_that_it_alone_has(self) -> None:
        infos = (
            f"<LocalizedInfo language='{language}'{default}><TitleDisplayUnlimited>A</TitleDisplayUnlimited>"
            f"<Genre>Comedy</Genre><Genre>{genre}</Genre></LocalizedInfo>"
            for language, default, genre in (("de", "", "Satire"), ("en", " default='true'", "Political"))
        )
        record, findings = one("movielabs-mec", core(*infos))
        assert (record.genres, findings.left_out) == (("Comedy", "Political"), {"Genre in de"})

    def test_that_stand_twice_for_one_language_are_told_of(self) -> None:
        info = "<LocalizedInfo language='es'><TitleDisplayUnlimited>{}</TitleDisplayUnlimited></LocalizedInfo>"
        record, findings = one("movielabs-mec", core(info.format("A"), info.format("B")))
        assert [text.name for text in record.texts] == ["A"]
        assert ("repeated", "warning") in codes(findings)


def core(*infos: str, more: str = "", kind: str = "Movie") -> bytes:
    return (
        f"<CoreMetadata xmlns='{MEC}'><Basic ContentID='c1'>{''.join(infos) or INFO}<WorkType>{kind}</WorkType>{more}"
        "</Basic></CoreMetadata>"
    ).encode()


INFO = "<LocalizedInfo language='en'><TitleDisplayUnlimited>A</TitleDisplayUnlimited></LocalizedInfo>"


class TestMec:
    def test_keeps_other_ids_than_those_that_all_know(self) -> None:
        more = (
            "<AltIdentifier><Namespace>MPM</Namespace><Identifier>VEEP_39</Identifier></AltIdentifier>"
            "<AltIdentifier><Namespace>IMDB</Namespace><Identifier>tt0012494</Identifier></AltIdentifier>"
        )
        record, _ = one("movielabs-mec", core(more=more))
        assert record.external_ids == (
            Identifier("movielabs", "c1"), Identifier("mpm", "VEEP_39"), Identifier("imdb", "tt0012494"),
        )  # fmt: skip

    def test_has_the_original_language_before_the_spoken_one(self) -> None:
        spoken = "<PrimarySpokenLanguage>en</PrimarySpokenLanguage>"
        record, _ = one("movielabs-mec", core(more=f"{spoken}<OriginalLanguage>fr</OriginalLanguage>"))
        assert record.original_language == "fr"
        assert one("movielabs-mec", core(more=spoken))[0].original_language == "en"

    def test_says_that_a_place_in_one_region_is_not_kept(self) -> None:
        parent = (
            "<Parent relationshipType='isepisodeof'><ParentContentID>s1</ParentContentID>"
            "<SequenceInfo><Number>{}</Number></SequenceInfo>{}</Parent>"
        )
        more = parent.format(2, "<Region><country>DE</country></Region>") + parent.format(1, "")
        record, findings = one("movielabs-mec", core(more=more, kind="Episode"))
        assert (record.parent, record.number) == ("s1", 1)
        told = [problem.message for problem in findings.problems if problem.code == "regional_place"]
        assert len(told) == 1
        assert "number 2 of s1 in DE" in told[0]

    def test_takes_the_original_release_for_a_date(self) -> None:
        history = "<ReleaseHistory><ReleaseType>{}</ReleaseType><Date>{}</Date></ReleaseHistory>"
        more = history.format("DVD", "1999-01-01") + history.format("original", "1922-03-04")
        record, _ = one("movielabs-mec", core(more=f"<ReleaseYear>1923</ReleaseYear>{more}"))
        assert record.release_date is not None
        assert (record.release_date.date, record.release_date.precision) == (date(1922, 3, 4), "day")

    def test_notes_what_it_asks_for_and_has_not(self) -> None:
        _, findings = one("movielabs-mec", core())
        assert [problem.field for problem in findings.problems if problem.code == "missing"] == [
            "RunLength", "ReleaseDate", "RatingSet", "PrimarySpokenLanguage",
        ]  # fmt: skip

    def test_shows_a_job_as_it_is_sent(self) -> None:
        person = (
            "<People><Job><JobFunction>{}</JobFunction><JobDisplay>{}</JobDisplay></Job>"
            "<Name><DisplayName>Ada</DisplayName></Name></People>"
        )
        more = person.format("Producer", "Produced for the BBC by") + person.format("Guest", "guest")
        record, _ = one("movielabs-mec", core(more=more))
        assert [(credit.job, credit.job_display, credit.guest) for credit in record.credits] == [
            ("producer", "Produced for the BBC by", False), ("self", "", True),
        ]  # fmt: skip

    def test_names_what_it_has_no_place_for(self) -> None:
        info = (
            "<LocalizedInfo language='en'><TitleDisplayUnlimited>A</TitleDisplayUnlimited><TitleSort>A</TitleSort>"
            "<CopyrightLine>2016 Home Box Office</CopyrightLine></LocalizedInfo>"
        )
        _, findings = one("movielabs-mec", core(info, more="<PictureFormat>HD</PictureFormat>"))
        assert findings.left_out == {"TitleSort", "CopyrightLine", "PictureFormat"}


class TestOthers:
    @pytest.mark.parametrize(("kind", "image"), [("Movie", "backdrop"), ("TvEpisode", "still")])
    def test_fire_tv_sends_wide_images(self, kind: str, image: str) -> None:
        place = "<ShowID>s</ShowID><SeasonInShow>1</SeasonInShow><EpisodeInSeason>1</EpisodeInSeason>"
        work = (
            f"<{kind}><ID>1</ID><Title>A</Title>{place if kind == 'TvEpisode' else ''}"
            f"<Images><Image><Url>https://x.example/a.jpg</Url></Image></Images></{kind}>"
        )
        records = [record for record, _ in read("firetv", f"<Catalog><Works>{work}</Works></Catalog>".encode())]
        assert records[-1] is not None
        assert records[-1].artwork == (Image(image, "https://x.example/a.jpg"),)

    def test_roku_tells_of_sound_subtitles_and_further_pages(self) -> None:
        asset = {
            "id": "a", "type": "movie", "titles": [{"value": "A"}], "isOriginal": True,
            "credits": [{"name": "Ada", "role": "actor", "birthDate": "1900-01-01"}],
            "content": {
                "media": {
                    "audioTracks": [
                        {"type": "original", "language": "en"}, {"type": "audio description", "language": "de"},
                    ],
                    "secondaryAudioLanguages": ["fr", "en"],
                    "captions": [{"captionType": "closed_caption", "language": "en", "url": "https://x.example/a.vtt"}],
                },
            },
        }  # fmt: skip
        feed = {"version": "1", "nextPageUrl": "https://partner.example/2", "assets": [asset, {**asset, "id": "b"}]}
        (first, findings), (_, second) = read("roku-search", orjson.dumps(feed))
        assert first is not None
        assert first.tracks == (
            {"type": "audio", "language": "en", "original": True},
            {"type": "audio", "language": "de", "audio_description": True},
            {"type": "audio", "language": "fr"},
            {"type": "audio", "language": "en"},
            {"type": "subtitle", "language": "en", "sdh": True},
        )
        assert codes(findings) == [("more_pages", "warning")]
        assert codes(second) == []
        assert findings.left_out == {"isOriginal", "credits.birthDate", "content.media.captions.url"}

    def test_direct_publisher_tells_of_captions_and_of_its_playlists(self) -> None:
        movie = {
            "id": "a", "title": "A", "content": {
                "dateAdded": "2024-02-03T10:00:00Z", "captions": [{"language": "en", "captionType": "SUBTITLE"}],
                "videos": [{"url": "https://x.example/a.m3u8"}],
            },
        }  # fmt: skip
        feed = {
            "providerName": "P",
            "movies": [movie, {**movie, "id": "b"}],
            "playlists": [{"name": "x"}],
            "categories": [{}],
        }
        (first, findings), (_, second) = read("roku-direct", orjson.dumps(feed))
        assert first is not None
        assert (first.added_on, first.tracks) == (date(2024, 2, 3), ({"type": "subtitle", "language": "en"},))
        assert findings.left_out == {"content.videos", "playlists", "categories"}
        assert second.left_out == {"content.videos"}

    def test_direct_publisher_is_valid_from_a_day_of_the_territory(self) -> None:
        content = {"validityPeriodStart": "2026-01-01", "validityPeriodEnd": "2026-01-31"}
        feed = {"providerName": "P", "movies": [{"id": "a", "title": "A", "content": content}]}
        record, _ = one("roku-direct", orjson.dumps(feed))
        assert (record.valid_from, record.valid_until) == (date(2026, 1, 1), date(2026, 2, 1))

    def test_direct_publisher_that_ends_before_it_begins_is_refused(self) -> None:
        content = {"validityPeriodStart": "2026-01-01T00:00:00Z", "validityPeriodEnd": "2025-01-31T00:00:00Z"}
        feed = {"providerName": "P", "movies": [{"id": "a", "title": "A", "content": content}]}
        [(record, findings)] = read("roku-direct", orjson.dumps(feed))
        assert (record, codes(findings)) == (None, [("ends_before_start", "error")])

    def test_kodi_tells_of_countries_and_fan_art(self) -> None:
        content = (
            b"<movie><title>A</title><country>Germany</country><country>USA</country><sorttitle>A</sorttitle>"
            b"<thumb aspect='banner'>https://img.example/banner.jpg</thumb>"
            b"<fanart><thumb>https://img.example/wide.jpg</thumb></fanart></movie>"
        )
        record, findings = one("kodi-nfo", content)
        assert record.countries == ("DE", "US")
        assert record.artwork == (Image("backdrop", "https://img.example/wide.jpg"),)
        assert findings.left_out == {"sorttitle", "thumb banner"}

    def test_tvmaze_tells_of_a_show_whose_name_in_its_address_another_has(self) -> None:
        shows = [
            {"id": number, "name": "Cosmos", "url": f"http://www.tvmaze.com/shows/{number}/cosmos"} for number in (1, 2)
        ]
        (first, told), (second, found) = read("tvmaze", orjson.dumps(shows))
        assert first is not None
        assert second is not None
        assert (first.external_ids, codes(told)) == ((Identifier("tvmaze-show", "cosmos"),), [])
        assert (second.external_ids, codes(found)) == ((), [("shared_name", "warning")])

    def test_tvmaze_tells_of_both_channels(self) -> None:
        show = {"id": 1, "name": "A", "network": {"name": "ITV"}, "webChannel": {"name": "Hub"}, "status": "Ended"}
        record, findings = one("tvmaze", orjson.dumps([show]))
        assert [company["name"] for company in record.companies] == ["ITV", "Hub"]
        assert findings.left_out == {"status"}


class TestLater:
    def test_knows_the_last_day_of_a_month(self) -> None:
        assert meaning.later(date(2024, 1, 31), "P1M") == date(2024, 2, 29)

    def test_has_an_end(self) -> None:
        assert meaning.later(date(9999, 12, 1), "P1M") is None


@pytest.mark.django_db
class TestReport:
    def test_says_once_of_each_thing_left_out_in_how_many_records_it_stands(self) -> None:
        content = orjson.dumps([{"id": number, "name": f"Show {number}", "status": "Ended"} for number in (1, 2, 3)])
        provider = ProviderFactory.create()
        run = ingest(content, provider, format="tvmaze")
        problem = run.problems.get(code="not_kept")
        assert (problem.field, problem.severity, problem.row_number, problem.external_id) == (
            "status", "info", 1, "show-1",
        )  # fmt: skip
        assert problem.message.startswith("Stands in 3 records")
        assert run.problem_count == run.problems.count()
        again = ingest(content, provider, format="tvmaze")
        assert (counts(again), again.problem_count) == ({"read": 3, "unchanged": 3}, 0)

    def test_of_thousands_of_made_up_names_stays_short(self) -> None:
        shows = [
            {"id": number, "name": "A"} | {f"x{number}-{place}": 1 for place in range(100)} for number in range(1, 6)
        ]
        run = ingest(orjson.dumps(shows), ProviderFactory.create(), format="tvmaze")
        told = run.problems.filter(code="not_kept")
        assert told.count() == 201
        assert told.get(field="...").message.startswith("Stands in 3 records")

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("avails-xml", avail(terms="<Term termName='TitleStatus'><Text>Pending</Text></Term>")),
            (
                "firetv",
                (
                    b"<Catalog><Works><Movie><ID>1</ID><Title>A</Title><Offers><BarterOffer><Regions><Country>DE</Country>"
                    b"</Regions></BarterOffer></Offers></Movie></Works></Catalog>"
                ),
            ),
            (
                "roku-search",
                (
                    b'{"version": "1", "assets": [{"id": "a", "type": "movie", "titles": [{"value": "A"}],'
                    b' "content": {"playOptions": [{"license": "barter", "availabilityInfo": {"country": ["de"]}}]}}]}'
                ),
            ),
        ],
    )
    def test_of_licences_that_grant_nothing_is_no_reason_to_grant_the_default_one(
        self, name: str, content: bytes
    ) -> None:
        run = ingest(content, ProviderFactory.create(), format=name)
        assert counts(run) == {"read": 1, "created": 1}
        assert not AvailabilityWindow.objects.exists()

    def test_of_validity_by_days_makes_days_of_the_licence(self) -> None:
        content = {"validityPeriodStart": "2026-01-01", "validityPeriodEnd": "2026-01-31"}
        feed = {"providerName": "P", "movies": [{"id": "a", "title": "A", "content": content}]}
        ingest(orjson.dumps(feed), ProviderFactory.create(), format="roku-direct")
        window = AvailabilityWindow.objects.get()
        assert (window.starts_on, window.ends_on, window.starts_at, window.ends_at) == (
            date(2026, 1, 1), date(2026, 2, 1), None, None,
        )  # fmt: skip
