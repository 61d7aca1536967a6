"""Reading what providers deliver: normalised records, and one reader a format.

Nothing here writes: `catalog.services.ingestion` takes what readers yield and puts it into the tables.
"""
