"""Writes, by topic: accounts, profiles, mail, staff groups."""
