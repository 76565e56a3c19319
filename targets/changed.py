"""Tells the rooms above that the register holds other places now, without knowing who they are."""

from __future__ import annotations

from django.dispatch import Signal

places_changed = Signal()
"""Sent with ``organisations``, those whose targets, domains or retirement may be others now, within the transaction
that writes that."""
