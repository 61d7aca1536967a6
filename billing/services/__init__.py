"""Billing's writes, one verb each.

Locks are taken in one order everywhere: account, subscription, invoice, attempt, number series; rows
of one table by primary key. Nothing calls the gateway inside a transaction.
"""
