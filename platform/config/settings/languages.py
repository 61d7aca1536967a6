"""Languages and time."""

from django.utils.translation import gettext_lazy as _

from config.settings.deployment import ROOT

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [ROOT / "platform" / "config" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
