"""Build random fleets with the engine and with kustomize 5.8.1, and show where they differ.

`python -m tests.support.differential --fleets 5000` ends with status 1 if they do.  Each fleet is
built with both load restrictions, one in some by `kubectl kustomize` too.  What is found is shown
as small as it can be; keep it as a case of tests/golden.
"""

import argparse
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.support.fleets import fleet
from tests.support.oracle import Case, Oracle, Outcome, kubectl, ours
from tests.support.shrinking import smallest

OF_KUBECTL = 50
"How many fleets there are for each that kubectl builds too: it starts anew each time."


def differences(oracle: Oracle, seeds: Iterable[int]) -> Iterator[str]:
    """What is to be said of each fleet that is built otherwise."""
    for number, seed in enumerate(seeds):
        case = fleet(seed)
        for restricted in (True, False):
            if not agree(oracle, built := replace(case, restricted=restricted)):
                yield f"seed {seed}: {described(oracle, built)}"
                break
        else:
            if number % OF_KUBECTL == 0 and not agrees_with_kubectl(oracle, case):
                yield f"seed {seed}: kubectl kustomize differs"


def agree(oracle: Oracle, case: Case) -> bool:
    """Whether both give the same, or both fail; where kustomize crashes there is no right."""
    own, wanted = ours(case), oracle.build(case)
    return own.agrees(wanted) or (wanted.crashed and not own.crashed)


def agrees_with_kubectl(oracle: Oracle, case: Case) -> bool:
    plain = replace(case, reorder="")
    wanted = kubectl(plain, oracle.folder)
    return ours(plain).agrees(wanted) or "panic: " in wanted.error


def described(oracle: Oracle, case: Case) -> str:
    """The smallest repository that shows the same difference, and what each makes of it."""
    ways = kinds(ours(case), oracle.build(case))

    def differs(smaller: Case) -> bool:
        return not agree(oracle, smaller) and ways == kinds(ours(smaller), oracle.build(smaller))

    case = smallest(case, differs)
    files = (f"-- {name} --\n{text.decode()}" for name, text in sorted(case.files.items()))
    order = case.reorder or "default"
    return "\n".join(
        (
            f"folder {case.path!r}, restricted: {case.restricted}, order: {order}",
            *files,
            f"-- engine --\n{ours(case)}",
            f"-- kustomize 5.8.1 --\n{oracle.build(case)}",
        )
    )


def kinds(*outcomes: Outcome) -> list[tuple[bool, bool]]:
    """How each ended."""
    return [(outcome.objects is None, outcome.crashed) for outcome in outcomes]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleets", type=int, default=300, help="how many")
    parser.add_argument("--seed", type=int, help="of the first; by chance if not given")
    asked = parser.parse_args()
    first = random.randrange(10**9) if asked.seed is None else asked.seed
    sys.stdout.write(f"{asked.fleets} fleets from seed {first} on\n")
    found = 0
    with Oracle() as oracle:
        for text in differences(oracle, range(first, first + asked.fleets)):
            found += 1
            sys.stdout.write(f"\n{text}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{found} of {asked.fleets} differ\n")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
