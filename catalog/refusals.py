"""What services refuse in English, with what is particular to the case in it, in the language at hand.

Services say it without knowing who will read it: it goes into an answer, a log, or a row that is looked at days later.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as N_

from core.words import told

REFUSALS: tuple[str, ...] = (
    N_("%(address)s answered %(status)s."),
    N_("%(address)s answers more than %(most)s bytes."),
    # Before the one that is the same without its end.
    N_("%(address)s cannot be fetched: %(reason)s. Try again later."),
    N_("%(address)s cannot be fetched: %(reason)s."),
    N_("%(address)s is no http(s) address."),
    N_("%(address)s leads to %(other)s, which is no public address."),
    N_("%(address)s took longer than %(seconds)s seconds."),
    N_("%(given)s cannot be read: %(reason)s."),
    N_("%(given)s cannot be stored: %(reason)s."),
    N_("%(given)s has no letter or digit that a code can be made of."),
    N_("%(given)s is how the files themselves end: a marker is a second file beside each, such as titles.xml.done."),
    N_("%(given)s is no address: it begins with https:// or http://."),
    N_("%(given)s is no country code; write one such as AT or BR, or none."),
    N_("%(given)s is a path of more than %(most)s characters: shorten it."),
    N_("%(given)s is no ending of a file's name: write one such as .done."),
    N_("%(given)s is no file under %(folder)s in the private storage."),
    N_("%(given)s is no format we read; choose one of: %(formats)s."),
    N_("%(given)s is no language tag; write one such as de or pt-BR, or none."),
    N_("%(given)s is no language tag; write one such as de or pt-BR."),
    N_("%(given)s leads out of the folder: write one such as *.xml."),
    N_(
        "%(name)s has kept this title since %(since)s. Ask them to release it, or let somebody who may publish break the lock."
    ),
    N_("%(title)s is public already."),
    N_("%(title)s is withdrawn already."),
    N_("%(words)s is said of %(kind)s alone."),
    N_("A collection by rule needs a rule; without one choose manual."),
    N_("A genre cannot be below itself."),
    N_("A genre has a name and a slug."),
    N_("A keyword is a word at least."),
    N_("A person cannot be merged with themselves."),
    N_("A rule alone fills %(collection)s: make it a mixed one to add titles by hand."),
    N_("A rule finds movie, series and special, not %(kinds)s."),
    N_("A title cannot be merged with itself."),
    N_("A title has at most %(most)s tracks."),
    N_("A title stands in a collection once: take the second one out."),
    N_("A track is %(kinds)s."),
    N_("Another delivery of this provider is being ingested; this one waits until it has ended."),
    N_("An older delivery of this provider waits; this one is read after it."),
    N_("Channels are those of audio: %(channels)s."),
    N_("Choose at least one credit of this person."),
    N_("FEED_CREDENTIALS has nothing under %(credential)s: add it to the environment."),
    N_("FEED_FOLDER is not set: no folder is watched."),
    N_("Give the title a name in at least one language, then publish it."),
    N_("It stands for another: change that one."),
    N_("It was merged into the title %(title)s: make your change there."),
    N_("No delivery tells of %(name)s; it is one of %(names)s."),
    N_("No image of %(title)s awaits %(source)s any more."),
    N_("No side may have more than %(most)s pixels. Make the image smaller."),
    N_("Not everything in %(place)s can be read: %(what)s. What else is there is looked at."),
    N_("One cannot be merged with itself."),
    N_("One is of the kind %(kind)s, the other of the kind %(other)s: choose two titles of one kind."),
    N_("One of them stands for another already: choose what it stands for."),
    N_("One of them was merged before: choose the person who answers for them."),
    N_("One of them was merged before: choose the title that answers for it."),
    N_("Only a package that failed, and whose file is still here, is made again."),
    N_("Revision %(number)s names what is elsewhere now, such as an external id: %(said)s"),
    N_("Something outside the image went wrong; the log says what."),
    N_("SVG is a program, not a picture: it is not taken. Save it as PNG."),
    N_(
        "The address has a name or password in it, which everybody would read who sees the list. Put what authorises us into FEED_CREDENTIALS, and name it as the credential."
    ),
    N_("The encoding of the subtitles is unknown. Save them in UTF-8."),
    N_("The file has %(size)s bytes; %(most)s are the most (VIDEO_MAX_BYTES)."),
    N_("The file has no subtitles that can be read. Save it as SRT or WebVTT."),
    N_("The file says that it is %(encoding)s and is not. Save the subtitles in UTF-8."),
    N_("The image has %(size)s bytes; %(most)s are the most. Make it smaller."),
    N_("The image has more than %(most)s pixels. Make it smaller."),
    N_("The image is %(width)s by %(height)s: too small to show."),
    N_("The image moves; artwork stands still. Save its best frame."),
    N_("The precedence by field is a number for each field, by the field's name."),
    N_("The precedence of %(name)s must be a whole number from 0 to %(most)s."),
    N_("The rule cannot be read: %(reason)s."),
    N_("The rule ends before it begins: year_from is after year_to."),
    N_("The same twice: %(track)s."),
    N_("The subtitles have %(size)s bytes; %(most)s are the most."),
    N_("The title has an image of this kind %(place)s already. Remove that one first."),
    N_("The title has no revision %(number)s."),
    N_("There is no file %(given)s under %(folder)s in the private storage. Put it there first."),
    N_("There is no folder %(given)s below FEED_FOLDER."),
    N_("There is no image %(id)s."),
    N_("There is no such collection."),
    N_("There is no title %(id)s."),
    N_("This film has been packaged since, and is live."),
    N_("This is neither SRT nor WebVTT: %(reason)s. Save it as one of them."),
    N_("This is no JPEG, PNG, WebP or AVIF image, or it is damaged. Save it anew."),
    N_("This review was decided: %(decision)s."),
    N_(
        "What was asked for names what belongs elsewhere now, such as an external id: ask for the review anew."
    ),
    N_("What is of the kind %(kind)s belongs to: %(wanted)s. Choose accordingly."),
    N_("What is of the kind %(kind)s belongs to nothing."),
    N_("What it would be below stands for another genre: choose that one."),
)  # fmt: skip
"""Every sentence that says more than the title of its error, and what fetching for the catalogue says."""


def in_words(said: str) -> str:
    """Answer what a service has refused, in the language at hand; as it is where nobody has translated it."""
    return told(said, REFUSALS)
