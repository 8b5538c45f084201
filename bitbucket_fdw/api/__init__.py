"""HTTP: session, credentials, retry, request budget, paging. Knows nothing of tables or SQL."""

from .client import Client, Settings, client_for
from .credentials import Credential
from .paging import Pages
from .scan import ScanContext

__all__ = ["Client", "Credential", "Pages", "ScanContext", "Settings", "client_for"]
