"""What an account pays: plans, subscriptions, invoices, payments, renewals. It knows no titles."""
