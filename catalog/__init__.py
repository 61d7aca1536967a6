"""What we show: titles, people, artwork, availability, publication, ingestion, search. It knows no money."""
