"""Billing over HTTP: parse, one call, serialise."""
