"""What a first start shows: a catalogue of films and series, and the drawing of their posters and backdrops."""
