"""How a repository keeps its secrets: who can decrypt what, what is wrong, and other recipients.

Reads a local folder, never a cluster; `lockstep secrets` shows what is found here.
"""
