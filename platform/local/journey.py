"""`make journey`: one person's way through the running platform, over HTTP, one line a step.

It signs up, watches out for its mail, saves a card, subscribes, browses, lets an editor publish a
title, and sees the plan renew. It makes a new account each time, so it can be walked again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

from local import environment, paths
from local.client import Client, Inbox, Refused
from local.demo.people import GOOD_CARD, PASSWORD


class StepFailed(Exception):
    """A step did not end as it must; the message says what was seen."""


def run() -> int:
    """Walk it; answers the exit status."""
    settings = environment.read()
    if not settings:
        print("The platform is not running here; start it with `make run`.", file=sys.stderr)
        return 1
    began = time.monotonic()
    try:
        for number, (what, seen) in enumerate(_walk(settings), 1):
            print(f"{number:>2}. {what:<46} {seen}", flush=True)
    except (Refused, StepFailed, httpx.HTTPError) as error:
        print(f"    The next step failed: {error}", file=sys.stderr)
        return 1
    print(f"The journey took {time.monotonic() - began:.1f} s.")
    return 0


def _walk(settings: dict[str, str]) -> Iterator[tuple[str, str]]:
    viewer, address = Client(settings["PUBLIC_URL"]), f"journey-{uuid4().hex[:10]}@demo.test"
    yield from _sign_up(viewer, address, Inbox(settings["INBOX_URL"]))
    yield from _browse(viewer)
    yield from _publish(viewer, settings["PUBLIC_URL"])
    yield from _subscribe(viewer)
    yield from _renew(viewer, settings)


def _sign_up(viewer: Client, address: str, inbox: Inbox) -> Iterator[tuple[str, str]]:
    viewer.sign_up(address, f"long enough {uuid4()}", "US")
    yield "signs up", address
    viewer.verify_email(inbox.code_for(address))
    yield "verifies the address with the code in the mail", "signed in"
    profile = viewer.post("profiles", {"name": "Mika"})
    viewer.post(f"profiles/{profile['id']}/enter")
    yield "makes a profile and enters it", profile["name"]


def _browse(viewer: Client) -> Iterator[tuple[str, str]]:
    page = viewer.get("titles")
    _expect(len(page["results"]) >= 20, f"{len(page['results'])} titles on the first page")
    yield "browses the catalogue", f"{len(page['results'])} titles on the first page"
    films = viewer.get("titles", kind="movie", genre="science-fiction")
    _expect({film["kind"] for film in films["results"]} == {"movie"}, "a filter for films that shows others")
    yield "filters for science fiction films", ", ".join(film["name"] for film in films["results"][:3])
    found = viewer.get("search", q="metropolsi")["results"]
    _expect(bool(found) and found[0]["name"] == "Metropolis", f"a search for metropolsi that finds {found[:1]}")
    detail = viewer.get(f"titles/{found[0]['id']}")
    yield "searches with a typo, opens what was meant", f"{detail['name']} ({len(detail['credits'])} credits)"
    again = viewer.http.get(f"/api/v1/titles/{detail['id']}")
    unchanged = viewer.http.get(f"/api/v1/titles/{detail['id']}", headers={"If-None-Match": again.headers["ETag"]})
    _expect(unchanged.status_code == 304, f"a second read that answers {unchanged.status_code}")
    yield "reads it again", "304, nothing transferred"


def _publish(viewer: Client, url: str) -> Iterator[tuple[str, str]]:
    editor = Admin(url)
    editor.sign_in("editor@demo.test", PASSWORD)
    # What the viewer sees: others of that name may be drafts, or have no licence here.
    title = viewer.get("search", q="Metropolis")["results"][0]
    title_id, name = title["id"], title["name"]
    editor.act(title_id, "withdraw")
    _expect(viewer.http.get(f"/api/v1/titles/{title_id}").status_code == 404, f"{name} still shown after withdrawal")
    yield "an editor withdraws a title in the admin", f"{name}: 404"
    editor.act(title_id, "publish")
    _expect(viewer.get(f"titles/{title_id}")["id"] == title_id, f"{name} not shown after publication")
    yield "and publishes it again", f"{name}: 200"


def _subscribe(viewer: Client) -> Iterator[tuple[str, str]]:
    _expect(viewer.get("entitlement")["entitled"] is False, "an entitlement before payment")
    plan = next(plan for plan in viewer.get("plans")["plans"] if plan["code"] == "standard")
    price = next(price for price in plan["prices"] if price["interval"] == "month")
    yield "looks at the plans", f"{plan['name']}, {price['amount']} {price['currency']} minor units a month"
    card = viewer.save_card(GOOD_CARD)
    yield "saves a card at Stripe", f"{card['brand']} ending in {card['last4']}"
    key = str(uuid4())
    order = viewer.order(price)
    bought, repeated = viewer.post("subscriptions", order, key=key), viewer.post("subscriptions", order, key=key)
    _expect(bought["subscription"]["status"] == "active", f"a subscription that is {bought['subscription']['status']}")
    _expect(repeated["subscription"]["id"] == bought["subscription"]["id"], "a second subscription for one request")
    yield "subscribes, the request sent twice", f"one subscription, {bought['subscription']['status']}"
    _expect(viewer.get("entitlement")["entitled"] is True, "no entitlement after payment")
    paid = viewer.get("invoices")["results"]
    _expect([invoice["status"] for invoice in paid] == ["paid"], f"invoices {[i['status'] for i in paid]}")
    yield "may watch, and has an invoice", f"{paid[0]['number']}, {paid[0]['status']}"


def _renew(viewer: Client, settings: dict[str, str]) -> Iterator[tuple[str, str]]:
    before = viewer.get("subscription")
    due = datetime.fromisoformat(before["next_bill_at"])
    if "STRIPE_API_BASE" not in settings:
        yield "renews", "left to the schedule: with a real gateway nothing is billed before its day"
        return
    first = _manage(settings, "bill", "--as-of", due.isoformat())
    after = viewer.get("subscription")
    _expect(after["paid_through"] > before["paid_through"], f"no renewal:\n{first}")
    yield f"is billed as of {due:%Y-%m-%d}", f"paid through {after['paid_through'][:10]}"
    second = _manage(settings, "bill", "--as-of", due.isoformat())
    count = len(viewer.get("invoices")["results"])
    _expect(count == 2 and before["id"] not in second, f"{count} invoices after billing twice:\n{second}")
    yield "is billed again as of the same day", "nothing more is due; two invoices, both paid"


class Admin:
    """A member of staff in the admin, by its forms."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(
            base_url=url, headers={"Referer": url}, follow_redirects=True, timeout=60, trust_env=False
        )

    def sign_in(self, email: str, password: str) -> None:
        """Sign in at the admin's door."""
        page = self._post("/admin/login/?next=/admin/", {"username": email, "password": password})
        _expect("/login" not in page.url.path, f"{email} not let into the admin")

    def act(self, title_id: str, action: str) -> None:
        """Choose an action for one title in the list, and confirm it."""
        page = "/admin/catalog/title/?q=Metropolis"
        self._post(page, {"action": f"{action}_selected", "_selected_action": title_id, "confirmed": "yes"})

    def _post(self, path: str, data: dict[str, Any]) -> httpx.Response:
        self.http.get(path)
        return self.http.post(
            path, data=data | {"csrfmiddlewaretoken": self.http.cookies["csrftoken"]}
        ).raise_for_status()


def _manage(settings: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=paths.ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    _expect(done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def _expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise StepFailed(f"saw {otherwise}")
