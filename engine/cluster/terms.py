"""How long a Lease is held and renewed, and how long a write under it may take.

Source: client-go tools/leaderelection (its rules for these durations); design section 6.
"""

import math
from dataclasses import dataclass

from engine.api.duration import format_duration

ROUNDING = 2.0  # seconds; aiohttp's timers end at whole ones
JITTER = 1.2  # client-go's JitterFactor of the retry period while waiting
_SHORTEST = 1.0  # seconds that a write must be given


class UnfitTerms(ValueError):  # noqa: N818 - it names the terms, not the error
    """Durations that do not fit together: the Lease could not be kept, or nothing be written."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Durations in seconds; Flux's defaults.

    request_timeout: the longest that a write under way may take; see `longest_write`.
    Raises UnfitTerms, which names the flags, their values and the rule that they break.
    """

    duration: float = 35.0
    renew_deadline: float = 30.0
    retry_period: float = 5.0
    request_timeout: float = 17.0
    release_on_cancel: bool = True

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise UnfitTerms(
                f"leader election cannot work with --leader-election-lease-duration="
                f"{format_duration(self.duration)}, --leader-election-renew-deadline="
                f"{format_duration(self.renew_deadline)}, --leader-election-retry-period="
                f"{format_duration(self.retry_period)} and --request-timeout="
                f"{format_duration(self.request_timeout)}: {problem}"
            )

    def _problem(self) -> str:
        if min(self.duration, self.renew_deadline, self.retry_period) <= 0:
            return "each must be above 0s"
        if self.duration != int(self.duration):
            return "the lease duration must be whole seconds, as a Lease holds no others"
        if self.renew_deadline >= self.duration:  # this and the next: client-go's rules
            return "the renew deadline must be shorter than the lease duration"
        if self.renew_deadline <= JITTER * self.retry_period:
            return f"the renew deadline must be longer than {JITTER:g} retry periods"
        longest = longest_write(self.duration, self.retry_period)
        if self.request_timeout > longest or longest < _SHORTEST:
            least = self.duration + max(self.request_timeout, _SHORTEST) - longest
            return (
                f"a write must end before another engine may take the Lease, even if a renewal "
                f"fails: lease duration less 2 retry periods less {format_duration(ROUNDING)} "
                f"leaves {format_duration(max(longest, 0.0))}; lower the request timeout (to 1s at "
                f"least), or raise the lease duration to {format_duration(math.ceil(least))}"
            )
        return ""

    @property
    def margin(self) -> float:
        """What must be left of a Lease for a write to begin: it ends before the Lease does."""
        return self.request_timeout + ROUNDING

    @property
    def renewal(self) -> float:
        """Seconds from one renewal to the next while all succeed.

        Two retry periods, which halves what an idle engine sends, where a write may still begin
        after one of them has failed and until the next try; else one, as client-go.
        """
        calm = 2 * self.retry_period
        fits = calm + self.retry_period < self.duration - self.margin
        return calm if fits and calm + 2 * self.retry_period <= self.renew_deadline else calm / 2


def longest_write(duration: float, retry_period: float) -> float:
    """Seconds that a write may take under such a Lease, two renewals failing; may be below 0.

    23 s with Flux's 35 s and 5 s.
    """
    return duration - ROUNDING - 2 * retry_period
