"""What is sent with a charge."""

from __future__ import annotations

from typing import Any

# Stripe takes these as if they had two decimals (https://docs.stripe.com/currencies#special-cases).
AMOUNT_FACTOR = {"ISK": 100, "UGX": 100}


def charge_params(
    *,
    amount: int,
    currency: str,
    customer: str,
    payment_method: str,
    invoice_id: str,
    attempt_id: str,
    off_session: bool,
) -> dict[str, Any]:
    """Answer the parameters of one charge, to be stored and sent unchanged as often as needed.

    `amount` is in ISO minor units. Off-session means that the customer is not there to authenticate.
    """
    params: dict[str, Any] = {
        "amount": amount * AMOUNT_FACTOR.get(currency, 1),
        "currency": currency.lower(),
        "customer": customer,
        "payment_method": payment_method,
        # Since version endive the types cannot be listed; without this, Stripe asks for a return address.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "confirm": True,
        "metadata": {"invoice": invoice_id, "attempt": attempt_id},
    }
    if off_session:
        params["off_session"] = True
    return params
