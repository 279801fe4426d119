"""App definitions: from the JSON of any Marathon release to the one canonical record.

The way in is ``parse_app`` for a whole definition and ``read_update`` with ``merge`` for a partial
one; both end in the same defaults and the same rules.
"""

from api.definitions.parse import parse_app
from api.definitions.paths import absolute, app_id_errors
from api.definitions.update import Update, merge, read_update

__all__ = ["Update", "absolute", "app_id_errors", "merge", "parse_app", "read_update"]
