"""What a HelmRelease may do to its release: install, upgrade, test, roll back, uninstall.

Source: flux-behaviour 5.2.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, field

from engine.api.duration import Interval
from engine.api.meta import Model, ObjectName, Rule

CRDPolicy: TypeAlias = Literal["Skip", "Create", "CreateReplace"]
ApplyMode: TypeAlias = Literal["enabled", "disabled", "auto"]
StrategyName: TypeAlias = Literal["RemediateOnFailure", "RetryOnFailure"]


class Action(Model, frozen=True, kw_only=True):
    """What all actions but tests share."""

    timeout: Interval | None = None
    """Longest time of this action; absent means `spec.timeout`."""
    disable_wait: bool = False
    """Whether to go on without waiting for readiness."""
    disable_hooks: bool = False
    """Whether the chart's hooks are left out."""


class WaitingAction(Action, frozen=True, kw_only=True):
    """An action that may wait for jobs too."""

    disable_wait_for_jobs: bool = False
    """Whether to go on without waiting for jobs."""


class ChartAction(WaitingAction, frozen=True, kw_only=True):
    """What install and upgrade share."""

    crds: CRDPolicy = "Create"
    """What to do with the chart's CRDs; `Create` leaves existing ones alone."""
    disable_openapi_validation: bool = field(default=False, name="disableOpenAPIValidation")
    """Whether rendered objects are not checked against the API server's schema."""
    disable_schema_validation: bool = False
    """Whether values are not checked against the chart's schema."""
    disable_take_ownership: bool = False
    """Whether objects that Helm does not own yet make the action fail."""


class InstallStrategy(Model, frozen=True, kw_only=True):
    """What to do when installing fails."""

    name: StrategyName
    """Undo and try anew, or try again as an upgrade."""
    retry_interval: Interval | None = None
    """Time until the next try; absent means five minutes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.retryInterval) || self.name != 'RemediateOnFailure'",
            ".retryInterval cannot be set when .name is 'RemediateOnFailure'",
        ),
    )


class UpgradeStrategy(Model, frozen=True, kw_only=True):
    """What to do when upgrading fails."""

    name: StrategyName
    """Undo and try anew, or try again as an upgrade."""
    retry_interval: Interval | None = None
    """Time until the next try; absent means five minutes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.retryInterval) || self.name == 'RetryOnFailure'",
            ".retryInterval can only be set when .name is 'RetryOnFailure'",
        ),
    )


class Remediation(Model, frozen=True, kw_only=True):
    """How to undo a failed install."""

    retries: int = 0
    """Tries after the first; below zero means no limit."""
    ignore_test_failures: bool | None = None
    """Whether failed tests are no failure; absent means as `test.ignoreFailures`."""
    remediate_last_failure: bool | None = None
    """Whether the last failure is undone too; absent: no for installs, for upgrades if retried."""


class UpgradeRemediation(Remediation, frozen=True, kw_only=True):
    """How to undo a failed upgrade."""

    strategy: Literal["rollback", "uninstall"] = "rollback"
    """Back to the release before, or away with it."""


class Install(ChartAction, frozen=True, kw_only=True):
    """How to install."""

    replace: bool = False
    """Whether a deleted release's name may be used again."""
    create_namespace: bool = False
    """Whether the target namespace is made when absent."""
    skip_crds: bool = field(default=False, name="skipCRDs")
    """No longer looked at; see `crds`."""
    server_side_apply: bool = True
    """Whether objects are applied server-side."""
    strategy: InstallStrategy | None = None
    """What to do when installing fails."""
    remediation: Remediation | None = None
    """How to undo a failed install."""


class Upgrade(ChartAction, frozen=True, kw_only=True):
    """How to upgrade."""

    preserve_values: bool = False
    """Whether values of the last release are kept where no new ones are given."""
    cleanup_on_fail: bool = False
    """Whether objects that a failed upgrade made are deleted."""
    chart_name_change_strategy: Literal["InPlaceUpdate", "Reinstall"] = "Reinstall"
    """What to do when the chart has a new name."""
    force: bool = False
    """Whether to delete and create anew what cannot be changed in place."""
    server_side_apply: ApplyMode = "auto"
    """Whether objects are applied server-side; `auto` goes on as the last release did."""
    strategy: UpgradeStrategy | None = None
    """What to do when upgrading fails."""
    remediation: UpgradeRemediation | None = None
    """How to undo a failed upgrade."""


class Rollback(WaitingAction, frozen=True, kw_only=True):
    """How to roll back."""

    recreate: bool = False
    """Accepted and not looked at."""
    force: bool = False
    """Whether to delete and create anew what cannot be changed in place."""
    cleanup_on_fail: bool = False
    """Whether objects that a failed rollback made are deleted."""
    server_side_apply: ApplyMode = "auto"
    """Whether objects are applied server-side; `auto` goes on as that release did."""


class Uninstall(Action, frozen=True, kw_only=True):
    """How to uninstall."""

    keep_history: bool = False
    """Whether Helm's records are kept."""
    deletion_propagation: Annotated[
        Literal["background", "foreground", "orphan"],
        Meta(extra_json_schema={"default": "background"}),
    ] = "background"
    """What becomes of the objects' own dependents."""


class ChartTestFilter(Model, frozen=True, kw_only=True):
    """A test to run, or not to run."""

    name: ObjectName
    """Name of the test."""
    exclude: bool = False
    """Whether it is left out, instead of being the only kind run."""


class ChartTest(Model, frozen=True, kw_only=True):
    """Whether and how to run the chart's tests."""

    enable: bool = False
    """Whether to run them after each install and upgrade."""
    timeout: Interval | None = None
    """Longest time of one test; absent means `spec.timeout`."""
    ignore_failures: bool = False
    """Whether failed tests are no failure of the release."""
    filters: tuple[ChartTestFilter, ...] = ()
    """Tests to run or to leave out; none means all run."""
