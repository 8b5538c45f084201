"""HTTP: session, credentials, retry, request budget, paging. Knows nothing of tables or SQL."""

from .ahead import Window
from .client import Client
from .clients import Clients
from .clock import Clock
from .credentials import Credential
from .delivery import Delivery
from .envelope import Envelope, complaint, whole
from .exchange import Answer, Settings
from .kept import KeptAnswers, WriteCount
from .made import Made, Tally
from .notes import Notes
from .oauth_tokens import Renewals
from .paging import Listing, Pages
from .scan import Budget, PreviewBudget, ScanContext
from .shared import Shared
from .strategies import NextLinks, Numbers, OwnNumbers, Strategy, Whole
from .wanted import JSON, Wanted

__all__ = [
    "JSON",
    "Answer",
    "Budget",
    "Client",
    "Clients",
    "Clock",
    "Credential",
    "Delivery",
    "Envelope",
    "KeptAnswers",
    "Listing",
    "Made",
    "NextLinks",
    "Notes",
    "Numbers",
    "OwnNumbers",
    "Pages",
    "PreviewBudget",
    "Renewals",
    "ScanContext",
    "Settings",
    "Shared",
    "Strategy",
    "Tally",
    "Wanted",
    "Whole",
    "Window",
    "WriteCount",
    "complaint",
    "whole",
]
