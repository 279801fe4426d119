"""A Mesos master with any number of agents, simulated in one process, speaking the v1 API.

For machines where the genuine Mesos cannot run, for tests that need faults on demand, and for
scale. Its tasks are no processes: their command text and labels say how they behave. What it
answers is kept true by a conformance table that runs against the genuine Mesos too.
"""

from localmesos.simulated.engine import SimulatedEngine
from localmesos.simulated.options import Options

__all__ = ["Options", "SimulatedEngine"]
