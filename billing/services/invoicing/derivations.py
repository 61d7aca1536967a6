"""What a line keeps to say later where its amounts come from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from billing.amounts import Taxed
from billing.models import Coupon


def discount_derivation(coupon: Coupon | None, amount: int) -> dict[str, Any]:
    """Answer what a coupon took off, in minor units; nothing without one."""
    if coupon is None:
        return {}
    return {
        "discount": {
            "coupon": coupon.code,
            "percent": str(coupon.percent) if coupon.percent is not None else None,
            "amount": amount,
        }
    }


def tax_derivation(country: str, behavior: str, taxed: Taxed, rate: Decimal | None) -> dict[str, Any]:
    """Answer what tax was added or is included; nothing where there is no rate."""
    if rate is None:
        return {}
    return {"tax": {"country": country, "rate": str(rate), "behavior": behavior, "net": taxed.net, "tax": taxed.tax}}
