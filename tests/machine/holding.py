"""Namespaces that a process of ours keeps alive, and that end with it."""

import subprocess


def held(namespaces: list[str], script: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Make them, prepared by the script, which says "ready" and stays; end it to end them."""
    run = ("sh", "-c", script, "sh", *arguments)
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", "unshare", *namespaces, *run],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        if output.readline() != b"ready\n":
            process.kill()
            process.wait()
            raise AssertionError("this system makes no namespaces for us")
    return process
