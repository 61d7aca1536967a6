"""Billing's writes, one verb each.

Locks are taken in one order everywhere: account, subscription, quote, invoice, attempt, refund or dispute, gift, coupon,
credit, number series; rows of one table by primary key, all that a transaction needs at once. What works through several
invoices locks ahead what it will need of the tables behind. Nothing calls the gateway inside a transaction.
"""
