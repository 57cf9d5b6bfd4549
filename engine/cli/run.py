"""`lockstep run`: the engine, from its start to the end of what is in flight."""

import gc
import os
import signal
from functools import partial
from importlib.metadata import version
from typing import Any

import anyio
import click

from engine import app
from engine.cli.flags import SECTIONS, plain_flags, settings_of, with_settings
from engine.cli.help import SectionedCommand, examples
from engine.cli.problems import INTERRUPTED, Problem
from engine.cli.variables import unknown_variables
from engine.cluster.connect import locate
from engine.cluster.endpoint import Endpoint
from engine.plugin import NO_PLUGINS, Plugin, load
from engine.runtime.descriptors import allow_all_descriptors
from engine.settings import Settings
from engine.telemetry import flush_traces, logger, set_up_logging, set_up_tracing

# Objects made and not freed between two collections; with Python's 700, up to 6 % of the CPU of a
# cold start went there.
_GARBAGE = 5_000


class RunCommand(SectionedCommand):
    """`run`: switches also as Flux writes them, `--watch-all-namespaces=false`."""

    sections = SECTIONS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What is left over after parsing."""
        return super().parse_args(ctx, plain_flags(args, ctx))


@click.command(
    "run",
    cls=RunCommand,
    epilog=examples(
        "lockstep run --install-crds",
        "lockstep run --context staging --log-encoding console --storage-addr 127.0.0.1:0",
        "LOCKSTEP_CONCURRENT=16 lockstep run --sources none",
    ),
)
@with_settings
def command(**values: Any) -> None:
    """Run the engine until it is told to stop.

    It needs nothing but a kubeconfig, or the cluster that it runs in.  Every option is also an
    environment variable: --concurrent-ssa is LOCKSTEP_CONCURRENT_SSA.  Durations are written 90s
    or 1h30m, sizes 512Mi or 2Gi, switches --x, --no-x or --x=false.  SIGTERM ends what is in
    flight and gives the Leases back; a second Ctrl-C stops at once.
    """
    settings = settings_of(values)
    _check_gates(settings)
    set_up_logging(settings.log_level, settings.log_encoding)
    for name, nearest in unknown_variables(os.environ).items():
        meant = f": {nearest} is meant" if nearest else ""
        logger.warning("%s is no setting of this version and has no effect%s", name, meant)
    set_up_tracing(settings.otlp_endpoint, settings.trace_ratio, version("lockstep"))
    endpoint, plugins = locate(settings.kubeconfig, settings.context), load()
    allow_all_descriptors()
    gc.freeze()  # what was imported stays
    gc.set_threshold(_GARBAGE)
    try:
        status = anyio.run(serve, settings, endpoint, plugins)
    finally:
        flush_traces()
    click.get_current_context().exit(status)


def _check_gates(settings: Settings) -> None:
    """Raises Problem if a service account is to be used that a gate forbids, as Flux does."""
    accounts = {
        "--default-decryption-service-account": settings.default_decryption_service_account,
        "--default-kubeconfig-service-account": settings.default_kubeconfig_service_account,
    }
    given = [flag for flag, name in accounts.items() if name]
    if given and not settings.object_level_workload_identity:
        raise Problem(
            "cannot set default service accounts when the feature gate "
            "ObjectLevelWorkloadIdentity is not enabled: set --object-level-workload-identity, or "
            f"leave out {' and '.join(given)}"
        )


async def serve(settings: Settings, endpoint: Endpoint, plugins: Plugin = NO_PLUGINS) -> int:
    """Runs the engine until a signal ends it; the exit status.  Raises what `app.run` raises."""
    logger.info("lockstep %s, reconciling in %s", version("lockstep"), endpoint.host)
    stop = anyio.Event()
    state = app.State()
    finished = False
    async with anyio.create_task_group() as both:
        both.start_soon(partial(_obey, stop, both.cancel_scope, settings))
        await app.run(settings, endpoint, stop, state, plugins)
        finished = True
        both.cancel_scope.cancel()
    return 0 if finished else INTERRUPTED


async def _obey(stop: anyio.Event, everything: anyio.CancelScope, settings: Settings) -> None:
    """Sets `stop` at the first signal; a second SIGINT cancels everything."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for received in signals:
            if stop.is_set() and received == signal.SIGINT:
                logger.info("stopping at once")
                everything.cancel()
                return
            if not stop.is_set():
                grace = settings.graceful_shutdown_timeout
                logger.info("%s: what is in flight gets %gs to end", received.name, grace)
                stop.set()
