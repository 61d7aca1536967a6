"""Months of billing in minutes: the real services against the stand-in, with a driven clock.

`people` do what customers and staff do, `workers` what beat does, `mishaps` what goes wrong; `run` lets the days
pass, and `invariants` are checked at the end against our books and the stand-in's own. Every choice is drawn from
one seed, day by day and person by person, so that a change of one behaviour leaves the others as they are.
"""
