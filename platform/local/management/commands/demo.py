"""`manage.py demo`: the last program of `make run`. Fills an empty platform, then says where everything is."""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand

from billing import stripe_gateway
from catalog.models import Artwork
from catalog.tasks import package_media
from core.clock import now
from local.demo import film, households, losses, offers, people, policies, rows, titles


class Command(BaseCommand):
    """Seeds what is missing; a second run finds everything there."""

    help = "Fill an empty platform with demo content, print its addresses, and wait for the platform's end."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, print, wait: the supervisor ends all programs when one ends."""
        _await(f"{settings.PUBLIC_URL}/health/live")
        if households.are_alone():
            self._seed()
        else:
            self._say("This database holds accounts that the demo did not make: nothing is seeded.")
        self._welcome()
        signal.pause()

    def _seed(self) -> None:
        at = now()
        households.employ()
        offers.offer(now=at)
        policies.publish(now=at)
        for viewer in people.VIEWERS:
            households.invite(viewer, now=at)
        if not titles.are_ingested():
            self._say("Seeding: ingesting the demo catalogue ...")
            run = titles.ingest(now=at)
            self._say(f"Seeding: {run.created} titles, seasons and episodes ingested.")
        rows.arrange(now=at)
        if losses.forget(now=at):
            self._say("Seeding: files of the demo are gone; they are made again.")
        if Artwork.objects.filter(file="").exists():
            titles.draw(now=at, progress=self._progress)
        if film.is_wanted():
            self._package_film()
        if stripe_gateway.is_standin():
            for viewer in people.VIEWERS:
                households.subscribe(viewer, now=at)

    def _package_film(self) -> None:
        try:
            if job := film.attach(now=now()):
                package_media.delay(package_id=str(job.pk))
                self._say("Seeding: a film is being packaged.")
        except film.NotMade as error:
            self._say(f"Seeding: no film is shown, since none could be made: {error}.")

    def _progress(self, done: int, total: int) -> None:
        if done % 20 == 0 or done == total:
            self._say(f"Seeding: {done} of {total} pictures drawn.")

    def _welcome(self) -> None:
        self._say("")
        self._say("Everything is up:")
        doors = {
            settings.PUBLIC_URL: "all of it begins here",
            f"{settings.PUBLIC_URL}/api/docs": "the API",
            f"{settings.PUBLIC_URL}/admin/": "the admin",
            settings.INBOX_URL: "the mail that it sends",
            f"{settings.PUBLIC_URL}/status": "how it is",
        }
        for address, purpose in doors.items():
            self._say(f"  {address:<34}{purpose}")
        self._say("")
        self._say(f"Sign in with the password {people.PASSWORD} as")
        for member in people.STAFF:
            self._say(f"  {member.email:<24}may {member.may}")
        for viewer in people.VIEWERS:
            self._say(f"  {viewer.email:<24}{viewer.story}")
        self._say("")
        self._say("Try `make journey` in another terminal. Ctrl-C here ends everything.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _await(url: str) -> None:
    """Wait until the web server answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    sys.exit(f"{url} did not answer within a minute; the log above says why.")
