"""Tells services of events as Alerts and Providers say: select, put in line on disk, send.

Source: flux-behaviour 6.1-6.3.
"""

from engine.dispatch.opening import Dispatch, Supplies, open_dispatch

__all__ = ["Dispatch", "Supplies", "open_dispatch"]
