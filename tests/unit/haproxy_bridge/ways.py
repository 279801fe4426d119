"""marathon-lb's choice of pieces that lead to a virtual host, by what the labels ask for: several
hosts, a path, a password, a redirect to https. A star: once for each host. (generateHttpVhostAcl)
"""

WAYS: dict[str, tuple[str, str]] = {
    "": ("ACL", "ACL"),
    "auth": ("ACL_WITH_AUTH", "ACL_WITH_AUTH"),
    "redirect": ("ACL TO_HTTPS", "ACL"),
    "auth redirect": ("ACL TO_HTTPS", "ACL_WITH_AUTH"),
    "path": ("ACL_WITH_PATH", "ACL_ONLY_WITH_PATH ACL_WITH_PATH"),
    "path auth": ("ACL_WITH_AUTH_AND_PATH", "ACL_ONLY_WITH_PATH ACL_WITH_AUTH_AND_PATH"),
    "path redirect": (
        "ACL_ONLY ACL_ONLY_WITH_PATH TO_HTTPS_WITH_PATH",
        "ACL_ONLY_WITH_PATH ACL_WITH_PATH",
    ),
    "path auth redirect": (
        "ACL_ONLY ACL_ONLY_WITH_PATH TO_HTTPS_WITH_PATH",
        "ACL_ONLY_WITH_PATH ACL_WITH_AUTH_AND_PATH",
    ),
    "several": ("ACL_ONLY* ROUTING_ONLY", "ACL*"),
    "several auth": ("ACL_ONLY* ROUTING_ONLY_WITH_AUTH", "ACL_WITH_AUTH*"),
    "several redirect": ("ACL_ONLY* TO_HTTPS", "ACL*"),
    "several auth redirect": ("ACL_ONLY* TO_HTTPS", "ACL_WITH_AUTH*"),
    "several path": (
        "ACL_ONLY_WITH_PATH ACL_ONLY* ROUTING_ONLY_WITH_PATH",
        "ACL_ONLY_WITH_PATH ACL_WITH_PATH*",
    ),
    "several path auth": (
        "ACL_ONLY_WITH_PATH_AND_AUTH ACL_ONLY* ROUTING_ONLY_WITH_PATH_AND_AUTH",
        "ACL_ONLY_WITH_PATH ACL_WITH_AUTH_AND_PATH*",
    ),
    "several path redirect": (
        "ACL_ONLY_WITH_PATH ACL_ONLY* TO_HTTPS_WITH_PATH",
        "ACL_ONLY_WITH_PATH ACL_WITH_PATH*",
    ),
    "several path auth redirect": (
        "ACL_ONLY_WITH_PATH_AND_AUTH ACL_ONLY* TO_HTTPS_WITH_PATH",
        "ACL_ONLY_WITH_PATH ACL_WITH_AUTH_AND_PATH*",
    ),
}
_ASKED = {
    "several": {"VHOST": "a.example,b.example"},
    "path": {"PATH": "/x"},
    "auth": {"AUTH": "r:joe:hash"},
    "redirect": {"REDIRECT_TO_HTTPS": "true"},
}


def asked(way: str) -> dict[str, str]:
    """The labels that ask for it."""
    labels = {"VHOST": "a.example"}
    for word in way.split():
        labels |= _ASKED[word]
    return labels


def written(way: str, front_end: int) -> list[str]:
    """The names of the pieces in the front end for http (0) or https (1), as often as they come."""
    head = ("HTTP_FRONTEND_", "HTTPS_FRONTEND_")[front_end]
    found = []
    for word in WAYS[way][front_end].split():
        name = word.rstrip("*")
        whole = f"BACKEND_REDIRECT_HTTP_{name}" if name.startswith("TO_") else f"{head}{name}"
        found += [whole] * (2 if word.endswith("*") else 1)
    return found
