"""What Stripe asks of amounts, and what it keeps for itself."""

from __future__ import annotations

from local.stripe_standin.errors import InvalidParameter, InvalidRequest

CURRENCIES = frozenset({
    "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt", "bgn", "bhd", "bif",
    "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad", "cdf", "chf", "clp", "cny", "cop", "crc", "cve",
    "czk", "djf", "dkk", "dop", "dzd", "egp", "etb", "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd", "gnf", "gtq",
    "gyd", "hkd", "hnl", "htg", "huf", "idr", "ils", "inr", "isk", "jmd", "jod", "jpy", "kes", "kgs", "khr", "kmf",
    "krw", "kwd", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "mad", "mdl", "mga", "mkd", "mmk", "mnt", "mop",
    "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr", "nzd", "omr", "pab", "pen", "pgk",
    "php", "pkr", "pln", "pyg", "qar", "ron", "rsd", "rub", "rwf", "sar", "sbd", "scr", "sek", "sgd", "shp", "sle",
    "sos", "srd", "std", "szl", "thb", "tjs", "tnd", "top", "try", "ttd", "twd", "tzs", "uah", "ugx", "usd", "uyu",
    "uzs", "vnd", "vuv", "wst", "xaf", "xcd", "xof", "xpf", "yer", "zar", "zmw",
})  # fmt: skip
ZERO_DECIMAL = frozenset({
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
})  # fmt: skip
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
IN_HUNDREDS = frozenset({"isk", "ugx"})
"""Currencies without minor units that the API nevertheless counts in hundredths."""

MINIMUM = {
    "aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500, "mxn": 1000, "myr": 200,
    "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000,
}  # fmt: skip
MINIMUM_ELSEWHERE = 50
MAXIMUM = 99_999_999

DISPUTE_FEE = 1500
"""Minor units, in whatever currency: the stand-in keeps a balance in each and converts none."""


def currency(raw: object, path: str) -> str:
    """Parse a currency code; Stripe takes any case and answers in lower case."""
    code = str(raw).lower()
    if code not in CURRENCIES:
        raise InvalidParameter(f"Invalid currency: {raw}.", param=path)
    return code


def check_amount(amount: int, code: str) -> None:
    """Refuse an amount that Stripe would not charge."""
    minimum = MINIMUM.get(code, MINIMUM_ELSEWHERE)
    if amount < minimum:
        raise InvalidRequest(
            f"Amount must be at least {display(minimum, code)} {code}", code="amount_too_small", param="amount"
        )
    if amount > MAXIMUM:
        raise InvalidRequest(
            f"Amount must be no more than {display(MAXIMUM, code)} {code}", code="amount_too_large", param="amount"
        )
    step = 10 if code in THREE_DECIMAL else 100 if code in IN_HUNDREDS else 1
    if amount % step:
        raise InvalidRequest(
            f"Invalid amount: amounts in {code} must be divisible by {step}.",
            code="parameter_invalid_integer",
            param="amount",
        )


def processing_fee(amount: int, code: str) -> int:
    """Answer the fee of a card payment: 2.9 % rounded half up, and 30 where there are minor units."""
    return (amount * 29 + 500) // 1000 + (0 if code in ZERO_DECIMAL else 30)


def display(amount: int, code: str) -> str:
    """Answer an amount as Stripe writes it in messages."""
    sign = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}.get(code, "")
    if code in ZERO_DECIMAL:
        return f"{sign}{amount}"
    places = 3 if code in THREE_DECIMAL else 2
    return f"{sign}{amount // 10**places}.{amount % 10**places:0{places}}"
