"""What drives keys: a queue and a controller that know no kind and no cluster."""

from engine.runtime.clock import Clock, SystemClock
from engine.runtime.controller import Controller, Requeue, Turn
from engine.runtime.priority import Priority

__all__ = ["Clock", "Controller", "Priority", "Requeue", "SystemClock", "Turn"]
