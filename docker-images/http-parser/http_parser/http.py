"""``HttpParser`` as pymesos uses it: fed with bytes of one response, asked for what came so far."""

import httptools

_INVALID = 1


class HttpParser:
    """One HTTP response, parsed as it comes. Not for several threads at once."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._headers_complete = False
        self._message_complete = False
        self._errno = 0

    def execute(self, data: bytes, length: int) -> int:
        """Parse the first ``length`` bytes; how many were understood: fewer are an error."""
        try:
            self._parser.feed_data(data[:length])
        except httptools.HttpParserError:
            self._errno = _INVALID
            return 0
        return length

    def get_errno(self) -> int:
        """Other than 0 after an error."""
        return self._errno

    def is_headers_complete(self) -> bool:
        """Whether the status and all headers are known."""
        return self._headers_complete

    def get_status_code(self) -> int:
        """The status, once the headers are complete."""
        return self._parser.get_status_code()

    def get_headers(self) -> dict[str, str]:
        """The headers; of those that are repeated, the last."""
        return dict(self._headers)

    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        names = {name.lower(): value for name, value in self._headers.items()}
        return "chunked" in names.get("transfer-encoding", "").lower()

    def is_partial_body(self) -> bool:
        """Whether there is body that was not taken yet."""
        return bool(self._body)

    def recv_body(self) -> bytes:
        """Take the body that came since the last time."""
        body = b"".join(self._body)
        self._body.clear()
        return body

    def is_message_complete(self) -> bool:
        """Whether the whole response came."""
        return self._message_complete

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1")] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headers_complete = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._message_complete = True
