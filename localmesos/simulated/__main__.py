"""`python -m localmesos.simulated`: the simulated Mesos as a process of its own."""

import argparse
import asyncio
import gc
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
from localmesos.simulated.options import Options
from localmesos.simulated.server import Server

_GC_THRESHOLDS = (100_000, 50, 1_000)


def parser() -> argparse.ArgumentParser:
    defaults = Options()
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
    made.add_argument(
        "--start-delay",
        type=float,
        default=defaults.start_delay_seconds,
        help="seconds from TASK_STARTING to TASK_RUNNING",
    )
    made.add_argument(
        "--allocation-interval",
        type=float,
        default=defaults.allocation_seconds,
        help="seconds between offers of freed resources",
    )
    made.add_argument("--no-starting", action="store_true", help="send no TASK_STARTING")
    return made


async def serve(
    specs: Sequence[AgentSpec],
    address: tuple[str, int],
    masters: int,
    options: Options,
    ready_file: Path | None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    server = Server(options)
    bound = await server.start(specs, *address, masters)
    # What lives long here is no garbage in cycles: full collections would only cost time.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    urls = [f"http://{host}:{port}" for host, port in bound]
    if ready_file is not None:
        part = ready_file.with_name(ready_file.name + ".part")
        content = {"mesos": urls[0], "masters": urls, "pid": os.getpid()}
        part.write_text(json.dumps(content) + "\n")
        part.replace(ready_file)
    print(f"simulated Mesos with {len(specs)} agents at {', '.join(urls)}", flush=True)  # noqa: T201 - it is a command
    await stop.wait()
    await server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    made = parser()
    given = made.parse_args(arguments)
    try:
        if given.masters < 1:
            raise ValueError("--masters must be at least 1")
        options = Options(
            allocation_seconds=given.allocation_interval,
            start_delay_seconds=given.start_delay,
            send_starting=not given.no_starting,
        )
        specs = agent_specs(
            given.agents,
            attributes=given.attributes,
            resources=given.resources,
            hostname=given.hostname,
            domain_region=given.region,
            domain_zone=given.zone,
        )
    except ValueError as error:
        made.error(str(error))
    address = (given.host, given.port)
    asyncio.run(serve(specs, address, given.masters, options, given.ready_file))


if __name__ == "__main__":
    main()
