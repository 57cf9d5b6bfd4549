"""What the families share and no extension point: the protocols of clouds, spoken by several.

In: an `Http`, credentials, a clock.  Out: signed requests, tokens, plain sentences for refusals.
Never: sends a credential to a host that a file or an annotation made up; hosts come from tables.
"""
