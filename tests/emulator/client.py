"""A small client for the emulator, so that tests show addresses and answers and little else."""

from __future__ import annotations

from typing import Any

import requests

WEBSITE = "/repositories/acme/website"


class Client:
    """Calls the API as one of the emulator's credentials; redirects are not followed."""

    def __init__(self, control: Any) -> None:
        self.base = control.base_url
        self.control = control
        self.known = {item["name"]: item for item in control.credentials()}

    def read_as(self, credential: str) -> None:
        """Have this credential make the reads that name none."""
        self.known["ada-read"] = self.known[credential]

    def headers(self, credential: str | None) -> dict[str, str]:
        if credential is None or self.known[credential]["kind"] == "api_token":
            return {}
        return {"Authorization": f"Bearer {self.known[credential]['secret']}"}

    def send(
        self, method: str, path: str, credential: str | None = "ada-read", /, **more: Any
    ) -> requests.Response:
        url = path if path.startswith("http") else self.base + path
        item = self.known[credential] if credential else {"kind": ""}
        auth = (item["email"], item["secret"]) if item["kind"] == "api_token" else None
        headers = {**self.headers(credential), **more.pop("headers", {})}
        return requests.request(
            method, url, auth=auth, headers=headers, allow_redirects=False, timeout=20, **more
        )

    def get(
        self, path: str, credential: str | None = "ada-read", /, **parameters: Any
    ) -> requests.Response:
        return self.send("GET", path, credential, params=parameters or None)

    def json(self, path: str, credential: str | None = "ada-read", /, **parameters: Any) -> Any:
        response = self.get(path, credential, **parameters)
        assert response.status_code == 200, (response.status_code, response.text[:300])
        return response.json()

    def pages(
        self, path: str, credential: str | None = "ada-read", /, **parameters: Any
    ) -> list[dict[str, Any]]:
        """The pages of a list, by following ``next``."""
        pages = [self.json(path, credential, **parameters)]
        while "next" in pages[-1]:
            assert len(pages) < 200, "paging does not end"
            pages.append(self.json(pages[-1]["next"], credential))
        return pages

    def values(
        self, path: str, credential: str | None = "ada-read", /, **parameters: Any
    ) -> list[dict[str, Any]]:
        """All the values of a list."""
        pages = self.pages(path, credential, **parameters)
        return [value for page in pages for value in page["values"]]

    def write(
        self, method: str, path: str, body: Any = None, credential: str | None = "ada-write"
    ) -> requests.Response:
        return self.send(method, path, credential, json=body)

    def message(self, response: requests.Response, status: int) -> str:
        """The error message of a response that must have *status*."""
        assert response.status_code == status, (response.status_code, response.text[:300])
        return str(response.json()["error"]["message"])

    def state(self, collection: str, repository: str = "acme/website") -> list[dict[str, Any]]:
        """The documents of a collection, as the control endpoint gives them."""
        path = f"state?collection={collection}&repository={repository}"
        rows = self.control.call("GET", path).get(collection, [])
        return [row["document"] for row in rows]
