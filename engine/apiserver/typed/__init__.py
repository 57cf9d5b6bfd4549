"""Structured merge of plain values by type: compare, merge, remove, validate, field sets."""
