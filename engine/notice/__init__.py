"""Who is told of which event, and in which words; pure.

Source: flux-behaviour 1.6, 6.1-6.3; notification-controller internal/server.
"""

from engine.notice.notification import Involved, Notification, read

__all__ = ["Involved", "Notification", "read"]
