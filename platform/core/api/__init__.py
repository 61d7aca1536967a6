"""What every endpoint shares: errors, pages, JSON, idempotent requests, conditional reads, limits, description."""
