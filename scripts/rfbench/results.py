"""Figures of benches: the table, the JSON, the document."""

import json
import statistics


class Results:
    """Collects {bench, case, metric, unit, min, median, max, reference, ratio, limit, ok}.

    `reference` is the median of what was measured beside it, `ratio` the median of the
    pairs, and `limit` what it may be at most; without a reference the limit is for
    `judged`, "median" or "p99".
    """

    def __init__(self, judge=True):
        self.rows = []
        self.judge = judge

    def add(self, bench, case, metric, unit, values, references=None, limit=None,
            judged=None):
        values = list(values)
        row = {"bench": bench, "case": case, "metric": metric, "unit": unit,
               "min": min(values), "median": statistics.median(values),
               "max": max(values), "reference": None, "ratio": None, "limit": limit,
               "ok": None}
        value = row["median"] if judged is None else judged
        if references:
            row["reference"] = statistics.median(references)
            pairs = [a / b for a, b in zip(values, references)]
            row["ratio"] = value = statistics.median(pairs)
        if limit is not None and self.judge:
            row["ok"] = value <= limit
        self.rows.append(row)
        print(format_row(row), flush=True)

    def note(self, bench, case, metric, unit, value, limit=None):
        self.add(bench, case, metric, unit, [value], limit=limit)

    def check(self, bench, case, words):
        """Something that must hold, and did: else an exception was raised."""
        print(f"{bench:<12} {case:<22} correct: {words}", flush=True)

    def failed(self):
        return [row for row in self.rows if row["ok"] is False]

    def write(self, path):
        with open(path, "w", encoding="utf-8") as out:
            json.dump(self.rows, out, indent=1)
            out.write("\n")


def number(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


HEADER = (f"{'BENCH':<12} {'CASE':<22} {'METRIC':<24} {'UNIT':<6} {'MIN':>9} {'MEDIAN':>9} "
          f"{'MAX':>9} {'REF':>9} {'RATIO':>6} {'LIMIT':>6}  OK")


def format_row(row):
    ok = {True: "yes", False: "NO", None: ""}[row["ok"]]
    return (f"{row['bench']:<12} {row['case']:<22} {row['metric']:<24} {row['unit']:<6} "
            f"{number(row['min']):>9} {number(row['median']):>9} {number(row['max']):>9} "
            f"{number(row['reference']):>9} {number(row['ratio']):>6} "
            f"{number(row['limit']):>6}  {ok}").rstrip()
