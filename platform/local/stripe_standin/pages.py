"""The page on which a customer proves to the bank who they are, and the control that does it without a page."""

from __future__ import annotations

from contextlib import suppress
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from local.stripe_standin.api import Api
from local.stripe_standin.errors import CardError, NotFound
from local.stripe_standin.resources import paying, setup_intents
from local.stripe_standin.work import Thing, Work, public

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Your bank (stand-in)</title>
<style>
  body {{ font: 1.1rem/1.5 system-ui; max-width: 26rem; margin: 18vh auto; padding: 0 1rem; text-align: center }}
  button {{ font: inherit; padding: .6em 1.4em; margin: .5em; border: 1px solid; border-radius: .4em; cursor: pointer }}
</style>
<h1>{heading}</h1><p>{said}</p>{form}</html>
"""
_FORM = """<form method="post">
<button name="succeed" value="true">Complete</button> <button name="succeed" value="false">Fail</button></form>"""


class Pages:
    """What a browser is shown."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def show(self, request: Request) -> Response:
        """Ask."""
        intent = self._intent(request)
        if intent is None or intent["status"] != "requires_action":
            return _page("Nothing to do", "No payment waits for you here.", status=404 if intent is None else 200)
        return _page("Is this you?", "A stand-in for your bank's page: no money moves.", _FORM)

    async def decide(self, request: Request) -> Response:
        """Take the answer, and lead back to where the customer came from."""
        intent = self._intent(request)
        if intent is None or intent["status"] != "requires_action":
            return await self.show(request)
        back = (intent["next_action"].get("redirect_to_url") or {}).get("return_url")
        answer = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        done = authenticate(self._api, intent["id"], succeed=answer.get("succeed") == "true")
        succeeded = done["status"] in {"succeeded", "requires_capture"}
        if back is None:
            said = "You may close this page."
            return _page("Thank you" if succeeded else "That did not work", said)
        told = {
            done["object"]: done["id"],
            f"{done['object']}_client_secret": done["client_secret"],
            "redirect_status": "succeeded" if succeeded else "failed",
        }
        scheme, host, path, query, fragment = urlsplit(back)
        query = urlencode([*parse_qsl(query), *told.items()])
        return RedirectResponse(urlunsplit((scheme, host, path, query, fragment)), 303)

    def _intent(self, request: Request) -> Thing | None:
        intent = Work(self._api.store, self._api.clock.now()).find(request.path_params["intent"])
        if intent is None or intent.get("client_secret") != request.query_params.get("client_secret"):
            return None
        return intent


_FINISH = {"payment_intent": paying.authenticate, "setup_intent": setup_intents.authenticate}


def authenticate(api: Api, intent_id: str, *, succeed: bool) -> Thing:
    """Complete or fail the authentication that an intent waits for; answers the intent afterwards.

    A decline that follows is in the intent. Raises NotFound, or InvalidRequest when nothing waits.
    """

    def act(work: Work) -> Thing:
        intent = work.find(intent_id)
        if intent is None or intent["object"] not in _FINISH:
            raise NotFound.of("intent", intent_id, param="intent")
        # As with a request, the failed charge and the intent's error are kept.
        with suppress(CardError):
            _FINISH[intent["object"]](work, intent, succeed=succeed)
        return public(intent)

    answer: Thing = api.change(act)
    return answer


def _page(heading: str, said: str, form: str = "", status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(heading=escape(heading), said=escape(said), form=form), status)
