"""The wrapper that the benchmark scans."""

import datetime
import itertools
import threading

from multicorn import ForeignDataWrapper

ROW = {
    "id": 12345,
    "name": "the name of a thing",
    "created": datetime.datetime(2024, 1, 2, 3, 4, 5, 678, datetime.timezone.utc),
    "open": True,
    "ratio": 1.5,
    "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "size": 12345678901,
    "day": datetime.date(2024, 1, 2),
    "doc": '{"a": [1, 2, 3]}',
    "body": "x" * 200,
}


class BenchmarkWrapper(ForeignDataWrapper):
    """Returns one row "rows" times; the cost is the host's alone. "form" says how."""

    rowid_column = "id"

    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.rows = int(options["rows"])
        self.form = options.get("form", "dict")
        self.row = {name: ROW[name] for name in columns}
        if self.form == "threads":
            for _ in range(4):
                threading.Thread(target=threading.Event().wait, daemon=True).start()

    def get_rel_size(self, quals, columns):
        return (self.rows, 10)

    def execute(self, quals, columns):
        if self.form == "sequence":
            return itertools.repeat(tuple(self.row.values()), self.rows)
        if self.form == "generator":
            return (dict(self.row) for _ in range(self.rows))
        return itertools.repeat(self.row, self.rows)

    def insert(self, values):
        return None
