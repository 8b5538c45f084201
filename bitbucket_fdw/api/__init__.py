"""HTTP: session, credentials, retry, request budget, paging. Knows nothing of tables or SQL."""

from .client import Client, client_for
from .credentials import Credential
from .exchange import Answer, Settings
from .oauth_tokens import end_renewals
from .paging import Pages
from .scan import Budget, ScanContext

__all__ = [
    "Answer",
    "Budget",
    "Client",
    "Credential",
    "Pages",
    "ScanContext",
    "Settings",
    "client_for",
    "end_renewals",
]
