"""`python -m localmesos.simulated`: the simulated Mesos as a process of its own."""

import argparse
import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from localmesos.cluster import (
    DEFAULT_ATTRIBUTES,
    DEFAULT_HOSTNAME,
    SAME_PORTS_RESOURCES,
    AgentSpec,
    agent_specs,
)
from localmesos.simulated import settings
from localmesos.simulated.engine import spare_garbage_collection
from localmesos.simulated.server import Server


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m localmesos.simulated", description=__doc__)
    made.add_argument("--agents", type=int, default=3, help="how many agents")
    made.add_argument("--attributes", default=DEFAULT_ATTRIBUTES, help="template over i")
    made.add_argument("--resources", default=SAME_PORTS_RESOURCES, help="template over i")
    made.add_argument("--hostname", default=DEFAULT_HOSTNAME, help="template over i")
    made.add_argument("--region", help="fault domain, template over i; needs --zone")
    made.add_argument("--zone", help="fault domain, template over i; needs --region")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on")
    made.add_argument("--port", type=int, default=5050, help="0 takes a free one")
    made.add_argument("--masters", type=int, default=1, help="how many; the first leads at first")
    made.add_argument("--ready-file", type=Path, help="gets a JSON object when it serves")
    settings.add_flags(made)
    return made


async def serve(
    specs: Sequence[AgentSpec],
    address: tuple[str, int],
    masters: int,
    wanted: settings.Settings,
    ready_file: Path | None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    server = Server(wanted.options, wanted.at_start)
    bound = await server.start(specs, *address, masters)
    spare_garbage_collection()
    urls = [f"http://{host}:{port}" for host, port in bound]
    if ready_file is not None:
        part = ready_file.with_name(ready_file.name + ".part")
        content = {"mesos": urls[0], "masters": urls, "pid": os.getpid()}
        part.write_text(json.dumps(content) + "\n")
        part.replace(ready_file)
    print(f"simulated Mesos with {len(specs)} agents at {', '.join(urls)}", flush=True)  # noqa: T201 - it is a command
    await stop.wait()
    await server.stop()
    print(server.summary(), flush=True)  # noqa: T201 - it is a command


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    made = parser()
    given = made.parse_args(arguments)
    try:
        if given.masters < 1:
            raise ValueError("--masters must be at least 1")
        wanted = settings.read(given)
        specs = agent_specs(
            given.agents,
            attributes=given.attributes,
            resources=given.resources,
            hostname=given.hostname,
            domain_region=given.region,
            domain_zone=given.zone,
        )
        address = (given.host, given.port)
        asyncio.run(serve(specs, address, given.masters, wanted, given.ready_file))
    except ValueError as error:
        made.error(str(error))


if __name__ == "__main__":
    main()
