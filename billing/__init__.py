"""Billing: plans and prices, subscriptions, invoices, payments, renewals.

Owns every amount a customer is asked for, and promises that each due period is charged once, that
no invoice changes after it has its number, and that access follows payment.
"""
