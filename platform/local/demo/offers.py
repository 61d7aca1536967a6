"""What the demo sells: three plans in three currencies."""

from __future__ import annotations

from datetime import datetime

from billing.models import Plan, PlanFamily, Price
from billing.rules import Interval
from billing.services import plans

FAMILY = {"code": "demo", "name": "Streaming", "fallback_currency": "USD"}

# code, name, screens at once, resolution, devices, devices with downloads, advertising
PLANS = (
    ("basic", "Basic", 1, Plan.Resolution.HD, 4, 1, True),
    ("standard", "Standard", 2, Plan.Resolution.FULL_HD, 8, 2, False),
    ("premium", "Premium", 4, Plan.Resolution.UHD, 12, 6, False),
)

# Minor units for a month and for a year. Prices in the US come without tax, those in Europe and Japan with it.
PRICES = {
    ("USD", Price.TaxBehavior.EXCLUSIVE): {"basic": (799, 7990), "standard": (1549, 15490), "premium": (2299, 22990)},
    ("EUR", Price.TaxBehavior.INCLUSIVE): {"basic": (799, 7990), "standard": (1399, 13990), "premium": (1999, 19990)},
    ("JPY", Price.TaxBehavior.INCLUSIVE): {"basic": (890, 8900), "standard": (1590, 15900), "premium": (2290, 22900)},
}


def offer(*, now: datetime) -> None:
    """Put the demo's plans on sale; what is on sale already stays as it is."""
    family, _ = PlanFamily.objects.get_or_create(code=FAMILY["code"], defaults=FAMILY)
    for tier, (code, name, streams, resolution, devices, downloads, with_ads) in enumerate(PLANS, 1):
        plan, _ = Plan.objects.get_or_create(
            code=code,
            defaults={
                "family": family,
                "name": name,
                "tier": tier,
                "max_streams": streams,
                "max_resolution": resolution,
                "max_devices": devices,
                "download_devices": downloads,
                "with_ads": with_ads,
            },
        )
        for (currency, tax_behavior), amounts in PRICES.items():
            for interval, amount in zip((Interval.MONTH, Interval.YEAR), amounts[code], strict=True):
                if plan.prices.filter(currency=currency, interval=interval).exists():
                    continue
                plans.set_price(
                    plan_id=plan.pk,
                    currency=currency,
                    country="",
                    interval=interval,
                    amount=amount,
                    tax_behavior=tax_behavior,
                    now=now,
                )
