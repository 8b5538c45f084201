"""Wrappers that read only the rows which their quals ask for, and count what that takes."""

import functools
import itertools
from decimal import Decimal

from contract import Wrapper, describe_quals


def may_be_one_of(value, wanted):
    """Whether a column's value can be equal to one of those that a qual has, in doubt True."""
    if value is None:
        return False
    if isinstance(value, (int, Decimal)):
        return any(not isinstance(w, (int, Decimal)) or value == w for w in wanted)
    return any(type(w) is not type(value) or not isinstance(w, str) or w == value for w in wanted)


# The scans of SearchingWrappers: how many there were, and what they cost as these declare it.
asked = dict.fromkeys(("scans", "cost"), 0)


def take_asked():
    rows = [{"what": what, "times": times} for what, times in asked.items()]
    asked.update(dict.fromkeys(asked, 0))
    return rows


class SearchingWrapper(Wrapper):
    """Reads only rows that have one of the values which its quals ask for.

    Every so many rows, as its option "stray" says, it gives one that nobody asked for. Its option
    "searched" names the columns by which it searches; the default is all of them. It tells of each
    scan that is to wait for its turn, and of its turn. "refuses" is whether such a scan fails.
    """

    scans = itertools.count(1)

    def evaluate(self, option, default="None", **names):
        # A join may read the table very often.
        if option != "rows":
            return super().evaluate(option, default, **names)
        if not hasattr(self, "read"):
            self.read = super().evaluate(option, default, **names)
        return self.read

    def execute_in_turn(self, quals, columns, certain, **more):
        scan = next(self.scans)
        self.note("in turn", scan=scan, certain=certain, quals=describe_quals(quals))
        if self.evaluate("refuses", "False", quals=quals):
            raise ValueError("refused")
        return self.later(scan, quals, columns, more)

    def later(self, scan, quals, columns, more):
        try:
            self.note("its turn", scan=scan)
            yield from self.execute(quals, columns, **more)
        finally:
            self.note("over", scan=scan)

    def execute(self, quals, columns, sortkeys=None, limit=None, offset=None):
        rows = super().execute(quals, columns, sortkeys, limit, offset)
        wanted = {
            qual.field_name: qual.value if qual.is_list_operator else [qual.value]
            for qual in quals
            if qual.operator in ("=", ("=", True)) and qual.value is not None
        }
        asked["scans"] += 1
        cost = self.cost(wanted)
        searched = self.evaluate("searched")
        if searched is not None:
            wanted = {name: values for name, values in wanted.items() if name in searched}
        return self.search(rows, wanted, int(self.options.get("stray", "0")), cost)

    @functools.cached_property
    def declared(self):
        size, _ = self.evaluate("size", "(1000, 10)")
        return size, self.evaluate("path_keys", "[]"), self.evaluate("list_keys", "[]")

    def cost(self, wanted):
        """The number of rows which stand for the cost of a scan, as it was told to the planner."""
        size, path_keys, list_keys = self.declared
        costs = [size]
        for key, rows in path_keys:
            if wanted.keys() >= set(key) and all(len(wanted[name]) == 1 for name in key):
                costs.append(rows)
        for key, most, one, all_ in list_keys:
            if wanted.keys() >= set(key) and all(len(wanted[name]) == 1 for name in key[:-1]):
                costs.append(one + (all_ - one) * (len(wanted[key[-1]]) - 1) / (most - 1))
        return min(costs)

    def search(self, rows, wanted, stray, cost):
        asked["cost"] += min(cost, 1)
        for number, row in enumerate(rows):
            # A scan that is not read to its end costs less.
            asked["cost"] += max(0, cost - 1) / len(rows)
            strays = stray and number % stray == 0
            if strays or all(may_be_one_of(row.get(n), values) for n, values in wanted.items()):
                yield row
