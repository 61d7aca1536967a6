"""Tables of the catalogue, by noun."""

from catalog.models.artwork import Artwork
from catalog.models.blocks import ProfileBlock
from catalog.models.collections import Collection, CollectionTitle, EditorialRow
from catalog.models.editorial import EditLock, Review, Revision, ScheduledAct
from catalog.models.ingest import (
    IngestProblem,
    IngestRun,
    IngestStaging,
    PersonSource,
    Provider,
    SourceRecord,
)
from catalog.models.licences import AvailabilityWindow
from catalog.models.matching import MatchCandidate, PersonMerge, TitleMerge
from catalog.models.media import MediaPackage, MediaRendition, MediaSource, MediaSubtitles
from catalog.models.names import AlternateTitle, ExternalId, TitleNumber, TitleText
from catalog.models.people import Credit, Person
from catalog.models.publication import PublicationEntry
from catalog.models.ratings import ContentRating
from catalog.models.search import SearchCompletion, SearchDocument, SearchMiss, SearchRename, SearchWord
from catalog.models.sources import ArrivingFile, FeedSource, TakenFile
from catalog.models.tags import Genre, Keyword, TitleGenre, TitleKeyword
from catalog.models.titles import Title

__all__ = [
    "AlternateTitle",
    "ArrivingFile",
    "Artwork",
    "AvailabilityWindow",
    "Collection",
    "CollectionTitle",
    "ContentRating",
    "Credit",
    "EditLock",
    "EditorialRow",
    "ExternalId",
    "FeedSource",
    "Genre",
    "IngestProblem",
    "IngestRun",
    "IngestStaging",
    "Keyword",
    "MatchCandidate",
    "MediaPackage",
    "MediaRendition",
    "MediaSource",
    "MediaSubtitles",
    "Person",
    "PersonMerge",
    "PersonSource",
    "ProfileBlock",
    "Provider",
    "PublicationEntry",
    "Review",
    "Revision",
    "ScheduledAct",
    "SearchCompletion",
    "SearchDocument",
    "SearchMiss",
    "SearchRename",
    "SearchWord",
    "SourceRecord",
    "TakenFile",
    "Title",
    "TitleGenre",
    "TitleKeyword",
    "TitleMerge",
    "TitleNumber",
    "TitleText",
]
