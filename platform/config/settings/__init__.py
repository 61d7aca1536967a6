"""Every setting, read from the environment: a module for each topic, and `config.settings` has them all.

Production is the default deployment and assumes nothing: a missing secret stops the start with a
sentence that names it. `make run` and `make test` set all of this themselves. What a module needs of another it
imports by name, so their order here means nothing; a setting is set in one module alone.
"""

from config.settings.accounts import *
from config.settings.api import *
from config.settings.applications import *
from config.settings.billing import *
from config.settings.catalog import *
from config.settings.databases import *
from config.settings.deployment import *
from config.settings.files import *
from config.settings.jobs import *
from config.settings.languages import *
from config.settings.mail import *
from config.settings.network import *
from config.settings.observability import *
from config.settings.security import *
