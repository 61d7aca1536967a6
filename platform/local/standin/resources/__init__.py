"""Stripe's resources, one module each: functions from a Call to the object they answer."""
