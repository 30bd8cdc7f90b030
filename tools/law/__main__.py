"""Runs the law's cases through a real node: `python -m tools.law [FILE]`."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tools.law.case import read_cases
from tools.law.judging import Tally, Verdict, judge
from tools.law.seat import Courtroom

CASES = Path("law/scenarios.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Prints what was right of all; 0 only if everything was."""
    parser = argparse.ArgumentParser(prog="tools.law", description=__doc__)
    parser.add_argument("scenarios", nargs="?", type=Path, default=CASES, help="a file of cases")
    parser.add_argument("--only", default="", help="only cases whose identifier ends so")
    engines = ("embedded", "server")
    parser.add_argument("--engine", default="embedded", choices=engines, help="how OPA decides")
    given = parser.parse_args(arguments)
    cases = [case for case in read_cases(given.scenarios) if case.case_id.endswith(given.only)]
    begun = time.perf_counter()
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for case, outcome in asyncio.run(Courtroom(Path(folder), given.engine).hear(cases)):
            tally.verdicts.append(judge(case, outcome))
    for verdict in tally.wrong:
        _explain(verdict)
    for name, (right, of_all) in tally.counts().items():
        sys.stdout.write(f"{name}: {right} of {of_all}\n")
    sys.stdout.write(f"disclosure failures: {tally.disclosure_failures}\n")
    sys.stdout.write(f"record failures: {tally.record_failures}\n")
    all_right = len(cases) - len(tally.wrong)
    seconds = time.perf_counter() - begun
    sys.stdout.write(f"right: {all_right} of {len(cases)} in {seconds:.0f} s\n")
    return 0 if cases and not tally.wrong else 1


def _explain(verdict: Verdict) -> None:
    case, outcome = verdict.case, verdict.outcome
    lines = [f"{case.case_id} {case.title}: {verdict.decision} instead of {case.expect}"]
    lines += [f"  disclosed: {', '.join(sorted(verdict.disclosed))}"] if verdict.disclosed else []
    lines += [f"  missing: {', '.join(sorted(verdict.missing))}"] if verdict.missing else []
    if verdict.unrecorded:
        lines += [f"  not recorded for: {', '.join(sorted(verdict.unrecorded))}"]
    if outcome.reasons:
        lines += [f"  told: {', '.join(sorted(outcome.reasons))}"]
    lines += [f"  could not be put: {outcome.failed}"] if outcome.failed else []
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
