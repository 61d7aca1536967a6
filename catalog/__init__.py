"""What we show: titles, people, artwork, availability, publication, ingestion, search. It knows no money.

Promises: nothing a provider sends is dropped silently; nothing is shown to a viewer whose country,
age or moment does not allow it; every change of what is public leaves a line in the publication log.
"""
