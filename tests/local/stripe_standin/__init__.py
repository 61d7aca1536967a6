"""The stand-in for Stripe, asked by Stripe's own library."""
