"""What holds for every test: randomness that can be repeated.

A plain run draws the same hypothesis examples each time, so a failure is never a matter of luck
and needs no store of old examples. `make test-long` explores instead: new examples each time,
from the seed it prints. Both print the blob that reproduces a failing example. The order of the
tests is random in every run; pytest-randomly prints its seed.
"""

from hypothesis import HealthCheck, settings

# No deadline and no complaint about slow generation: on a loaded machine both judge the clock.
_UNTIMED = (HealthCheck.too_slow,)

settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=_UNTIMED,
)
settings.register_profile(
    "long",
    max_examples=2_000,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=_UNTIMED,
)
settings.load_profile("ci")
