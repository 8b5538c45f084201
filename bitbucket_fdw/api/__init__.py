"""HTTP: session, credentials, retry, request budget, paging. Knows nothing of tables or SQL."""

from .client import Client, client_for, secrets_in_use
from .credentials import Credential
from .delivery import Delivery
from .envelope import complaint, whole
from .exchange import Answer, Settings
from .kept import KeptAnswers
from .oauth_tokens import end_renewals
from .paging import Listing, Pages
from .scan import Budget, ScanContext
from .strategies import NextLinks, Numbers, OwnNumbers, Strategy, Whole

__all__ = [
    "Answer",
    "Budget",
    "Client",
    "Credential",
    "Delivery",
    "KeptAnswers",
    "Listing",
    "NextLinks",
    "Numbers",
    "OwnNumbers",
    "Pages",
    "ScanContext",
    "Settings",
    "Strategy",
    "Whole",
    "client_for",
    "complaint",
    "end_renewals",
    "secrets_in_use",
    "whole",
]
