"""What was learned of endpoints: the form of their address, and how long their pages may be.

Both are disputed for some of Bitbucket's endpoints, or may change. What is declared is asked for
first; what an answer teaches is remembered for the client's later requests.
"""

from __future__ import annotations

from ..errors import NotFound, Rejected, RequestError

Parameters = tuple[tuple[str, str], ...]


class Endpoints:
    """What one client has learned of endpoints, which are told apart by their path templates."""

    def __init__(self) -> None:
        self._without_slash: set[str] = set()
        self._longest: dict[str, int] = {}

    def path(self, endpoint: str, path: str) -> str:
        """A path in the form that the endpoint answers to, as far as is known."""
        return path.removesuffix("/") if endpoint in self._without_slash else path

    def parameters(self, endpoint: str, parameters: Parameters) -> Parameters:
        """Parameters with a ``pagelen`` that the endpoint takes, as far as is known."""
        longest = self._longest.get(endpoint)
        if longest is None:
            return parameters
        return tuple(
            (name, str(min(int(value), longest)) if name == "pagelen" else value)
            for name, value in parameters
        )

    def learn(self, endpoint: str, sent: Parameters, error: RequestError) -> bool:
        """Whether the request is worth another try, in the form that there is now.

        :param sent: the parameters as they were sent. Several requests may be under way when the
            first of them is refused: what that one has taught is not to be learned again.
        """
        about = (error.detail or "").casefold()
        if isinstance(error, NotFound) and endpoint.endswith("/") and "no api hosted" in about:
            if not error.path.endswith("/"):  # neither form is there
                self._without_slash.discard(endpoint)
                return False
            self._without_slash.add(endpoint)
            return True
        asked = int(dict(sent).get("pagelen", 0))
        if isinstance(error, Rejected) and "pagelen" in about and asked > 1:
            self._longest[endpoint] = min(asked // 2, self._longest.get(endpoint, asked))
            return True
        return False
