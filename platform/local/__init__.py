"""What exists only to run the whole platform on one machine, with nothing to install.

Embedded PostgreSQL and Valkey, a stand-in for Stripe, an inbox for e-mail, demo content, and the
supervisor that starts and stops them. It may import anything; nothing imports it, and production
never runs it.
"""
