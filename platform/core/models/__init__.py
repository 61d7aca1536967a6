"""Tables of the floor, one module a noun. They hold ids of accounts and staff as plain values."""

from core.models.idempotency import IdempotencyKey
from core.models.outbox import OutboxDelivery, OutboxEvent
from core.models.preview import CountryPreview

__all__ = ["CountryPreview", "IdempotencyKey", "OutboxDelivery", "OutboxEvent"]
