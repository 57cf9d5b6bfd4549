"""Show the engine at work on a fleet of its own: a Kubernetes API, a Git server, and a story."""

from engine.demo.demo import Demo, demo
from engine.demo.playground import playground

__all__ = ["Demo", "demo", "playground"]
