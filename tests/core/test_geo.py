"""core.geo and the middleware before it: which country a request is from, and how we know."""

import os
import shutil
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from accounts.models import User
from core.geo import (
    Country,
    Place,
    PreviewCountryUnknown,
    PreviewForbidden,
    Source,
    client_address,
    country_of,
    place_of,
    viewer_country,
)
from core.middleware import ClientAddress
from core.proxies import TrustedProxies

GEO = Path(__file__).resolve().parents[3] / "shared" / "data" / "geo"
CITY = GEO / "GeoLite2-City-Test.mmdb"
COUNTRY = GEO / "GeoIP2-Country-Test.mmdb"
ASN = GEO / "GeoLite2-ASN-Test.mmdb"

needs_databases = pytest.mark.skipif(not GEO.exists(), reason="the shared data folder is not on this machine")

LONDON = "81.2.69.142"
TOKYO = "2001:218::1"
SWEDEN = "89.160.20.112"

Arrive = Callable[..., HttpRequest]


@pytest.fixture(autouse=True)
def _nothing_configured(settings: Settings) -> None:
    settings.GEO_DATABASE = settings.GEO_ASN_DATABASE = settings.CDN_COUNTRY_HEADER = ""
    settings.TRUSTED_PROXIES = TrustedProxies()
    settings.DEFAULT_COUNTRY = "NL"


@pytest.fixture
def arrive(rf: RequestFactory) -> Arrive:
    """Send a request through the middleware, as it stands behind it."""

    def send(peer: str, path: str = "/", **headers: str) -> HttpRequest:
        request = rf.get(path, REMOTE_ADDR=peer, headers={k.replace("_", "-"): v for k, v in headers.items()})
        request.user = AnonymousUser()
        ClientAddress(lambda request: HttpResponse())(request)
        return request

    return send


class TestClientAddress:
    def test_is_the_peer_when_no_proxy_is_trusted(self, arrive: Arrive) -> None:
        request = arrive("198.51.100.7", x_forwarded_for=LONDON, x_real_ip=LONDON, forwarded=f"for={LONDON}")
        assert client_address(request) == ip_address("198.51.100.7")
        assert {"HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED"} & request.META.keys() == set()

    def test_is_what_the_trusted_proxy_saw(self, arrive: Arrive, settings: Settings) -> None:
        settings.TRUSTED_PROXIES = TrustedProxies.parse("10.0.0.0/8")
        request = arrive("10.0.0.1", x_forwarded_for=f"6.6.6.6, {LONDON}")
        assert client_address(request) == ip_address(LONDON)
        assert request.META["REMOTE_ADDR"] == LONDON
        assert "HTTP_X_FORWARDED_FOR" not in request.META

    def test_is_nothing_on_a_unix_socket(self, arrive: Arrive) -> None:
        assert client_address(arrive("")) is None

    def test_lets_only_a_trusted_proxy_say_the_scheme(self, arrive: Arrive, settings: Settings) -> None:
        settings.TRUSTED_PROXIES = TrustedProxies.parse("10.0.0.0/8")
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "https")
        assert arrive("10.0.0.1", x_scheme="https").is_secure() is True
        assert arrive("198.51.100.7", x_scheme="https").is_secure() is False
        assert "HTTP_X_FORWARDED_PROTO" in arrive("10.0.0.1", x_forwarded_proto="https").META
        assert "HTTP_X_FORWARDED_PROTO" not in arrive("198.51.100.7", x_forwarded_proto="https").META


class TestViewerCountry:
    def test_is_the_default_when_nothing_is_known(self, arrive: Arrive) -> None:
        assert viewer_country(arrive(LONDON)) == Country("NL", Source.DEFAULT)

    @needs_databases
    def test_is_that_of_the_address(self, arrive: Arrive, settings: Settings) -> None:
        settings.GEO_DATABASE = str(COUNTRY)
        assert viewer_country(arrive(LONDON)) == Country("GB", Source.DATABASE)
        assert viewer_country(arrive(TOKYO)) == Country("JP", Source.DATABASE)

    @needs_databases
    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fe80::1", "fd00::1", "100.64.0.1"]
    )
    def test_is_the_default_for_a_private_address(self, arrive: Arrive, settings: Settings, address: str) -> None:
        settings.GEO_DATABASE = str(COUNTRY)
        assert viewer_country(arrive(address)) == Country("NL", Source.DEFAULT)

    @needs_databases
    @pytest.mark.parametrize(
        ("trusted", "peer", "forwarded_for", "country"),
        [
            ("", SWEDEN, LONDON, "SE"),
            ("1", "10.0.0.1", LONDON, "GB"),
            ("1", "10.0.0.1", f"{LONDON}, {SWEDEN}", "SE"),
            ("10.0.0.0/8", SWEDEN, LONDON, "SE"),
            ("10.0.0.0/8", "10.0.0.1", f"{TOKYO}, [{TOKYO}]:80, {LONDON}, 10.0.0.2", "GB"),
            ("10.0.0.0/8", "10.0.0.1", "garbage", "NL"),
        ],
    )
    def test_cannot_be_forged_with_a_forwarding_header(
        self, arrive: Arrive, settings: Settings, trusted: str, peer: str, forwarded_for: str, country: str
    ) -> None:
        settings.GEO_DATABASE = str(COUNTRY)
        settings.TRUSTED_PROXIES = TrustedProxies.parse(trusted)
        assert viewer_country(arrive(peer, x_forwarded_for=forwarded_for)).code == country

    def test_is_what_the_cdn_says_when_that_is_configured(self, arrive: Arrive, settings: Settings) -> None:
        settings.TRUSTED_PROXIES = TrustedProxies.parse("10.0.0.0/8")
        assert viewer_country(arrive("10.0.0.1", cf_ipcountry="DE")) == Country("NL", Source.DEFAULT)
        settings.CDN_COUNTRY_HEADER = "HTTP_CF_IPCOUNTRY"
        assert viewer_country(arrive("10.0.0.1", cf_ipcountry="de")) == Country("DE", Source.CDN)
        assert viewer_country(arrive("198.51.100.7", cf_ipcountry="DE")) == Country("NL", Source.DEFAULT)

    @pytest.mark.parametrize("said", ["XX", "T1", "", "DEU", "D", "🇩🇪", "ZZ"])
    def test_is_not_what_the_cdn_says_when_that_is_no_country(
        self, arrive: Arrive, settings: Settings, said: str
    ) -> None:
        settings.TRUSTED_PROXIES = TrustedProxies.parse("1")
        settings.CDN_COUNTRY_HEADER = "HTTP_CF_IPCOUNTRY"
        assert viewer_country(arrive("10.0.0.1", cf_ipcountry=said)) == Country("NL", Source.DEFAULT)

    @pytest.mark.parametrize("name", ["country", "geo", "viewer_country", "cc"])
    def test_ignores_every_other_parameter(self, arrive: Arrive, name: str) -> None:
        assert viewer_country(arrive(LONDON, f"/?{name}=DE")).code == "NL"


@pytest.mark.django_db
class TestPreview:
    @pytest.fixture
    def editor(self) -> User:
        return User.objects.create_user("editor@example.com", is_staff=True)

    def test_is_refused_to_a_visitor(self, arrive: Arrive) -> None:
        with pytest.raises(PreviewForbidden) as refused:
            viewer_country(arrive(LONDON, "/?preview_country=DE"))
        assert (refused.value.code, refused.value.status) == ("preview_forbidden", 403)

    def test_is_refused_to_staff_without_the_permission(self, arrive: Arrive, editor: User) -> None:
        request = arrive(LONDON, "/?preview_country=DE")
        request.user = editor
        with pytest.raises(PreviewForbidden):
            viewer_country(request)

    def test_is_refused_to_a_viewer_with_the_permission(self, arrive: Arrive, editor: User) -> None:
        editor.user_permissions.add(Permission.objects.get(codename="preview_country"))
        editor.is_staff = False
        request = arrive(LONDON, "/?preview_country=DE")
        request.user = editor
        with pytest.raises(PreviewForbidden):
            viewer_country(request)

    def test_shows_staff_with_the_permission_that_country(self, arrive: Arrive, editor: User) -> None:
        editor.user_permissions.add(Permission.objects.get(codename="preview_country"))
        request = arrive(LONDON, "/?preview_country=de")
        request.user = editor
        assert viewer_country(request) == Country("DE", Source.PREVIEW)

    @pytest.mark.parametrize("code", ["", "ZZ", "DEU", "'"])
    def test_names_a_country_that_is_none(self, arrive: Arrive, editor: User, code: str) -> None:
        editor.user_permissions.add(Permission.objects.get(codename="preview_country"))
        request = arrive(LONDON, f"/?preview_country={code}")
        request.user = editor
        with pytest.raises(PreviewCountryUnknown) as refused:
            viewer_country(request)
        assert (refused.value.code, refused.value.status) == ("preview_country_unknown", 400)


class TestPlaceOf:
    def test_is_empty_without_databases(self) -> None:
        assert place_of(ip_address(LONDON)) == Place()
        assert place_of(None) == Place()

    @needs_databases
    def test_tells_what_the_city_database_knows(self, settings: Settings) -> None:
        settings.GEO_DATABASE = str(CITY)
        assert place_of(ip_address(LONDON)) == Place(
            country="GB", region="GB-ENG", city="London", latitude=51.5142, longitude=-0.0931, accuracy_km=10
        )
        assert place_of(ip_address(TOKYO)) == Place(
            country="JP", latitude=35.68536, longitude=139.75309, accuracy_km=100
        )

    @needs_databases
    def test_adds_the_network(self, settings: Settings) -> None:
        settings.GEO_ASN_DATABASE = str(ASN)
        assert place_of(ip_address("1.128.0.1")) == Place(asn=1221, network="Telstra Pty Ltd")

    @needs_databases
    def test_is_empty_for_an_address_that_is_not_listed(self, settings: Settings) -> None:
        settings.GEO_DATABASE = str(CITY)
        assert place_of(ip_address("1.0.0.1")) == Place()


@needs_databases
class TestDatabase:
    def test_is_read_anew_when_another_takes_its_place(self, settings: Settings, tmp_path: Path) -> None:
        file = tmp_path / "geo.mmdb"
        settings.GEO_DATABASE = str(file)
        address = ip_address(LONDON)
        assert country_of(address).source == Source.DEFAULT
        _install(ASN, file)
        assert country_of(address).source == Source.DEFAULT
        _install(COUNTRY, file)
        assert country_of(address) == Country("GB", Source.DATABASE)
        file.unlink()
        assert country_of(address).source == Source.DEFAULT
        _install(CITY, file)
        assert country_of(address) == Country("GB", Source.DATABASE)

    def test_keeps_the_one_before_when_the_new_one_is_damaged(self, settings: Settings, tmp_path: Path) -> None:
        file = tmp_path / "geo.mmdb"
        settings.GEO_DATABASE = str(file)
        _install(COUNTRY, file)
        assert country_of(ip_address(LONDON)).code == "GB"
        damaged = tmp_path / "damaged"
        damaged.write_bytes(COUNTRY.read_bytes()[:1000])
        _install(damaged, file)
        assert country_of(ip_address(LONDON)) == Country("GB", Source.DATABASE)


def _install(source: Path, target: Path) -> None:
    shutil.copy(source, new := target.with_suffix(".new"))
    os.rename(new, target)
