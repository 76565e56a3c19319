"""The products that are known by name, and where facts about them are filed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Product:
    """One product. ``cpe`` are its ``vendor:product`` pairs; ``lifecycle`` is empty when no dates are known.

    ``builds`` are (beginning of a build number, release) where releases are known by build, the longest first.
    """

    id: str
    name: str
    cpe: tuple[str, ...]
    lifecycle: str
    rolling: bool
    builds: tuple[tuple[str, str], ...]


def table(name: str) -> dict[str, Any]:
    """Return a shipped TOML table of this package by its file's name."""
    return tomllib.loads(resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@cache
def products() -> dict[str, Product]:
    """Return every known product by id."""
    return {
        name: Product(
            id=name,
            name=entry["name"],
            cpe=tuple(entry.get("cpe", ())),
            lifecycle=entry.get("lifecycle", ""),
            rolling=entry.get("rolling", False),
            builds=tuple(sorted(entry.get("builds", {}).items(), key=lambda pair: -len(pair[0]))),
        )
        for name, entry in table("products").items()
    }


def product_named(name: str) -> Product | None:
    """Return the product that goes by exactly this name, in any case: part of a name is never enough."""
    return _by_name().get(name.strip().lower())


def product_of_cpe(vendor_and_product: str) -> Product | None:
    """Return the product filed under ``vendor:product``, escapes as in CPE 2.3 formatted strings."""
    return _by_cpe().get(vendor_and_product.lower())


@cache
def _by_name() -> dict[str, Product]:
    names: dict[str, Product] = {}
    aliases = {name: entry.get("aliases", ()) for name, entry in table("products").items()}
    for product in products().values():
        for alias in (product.id, product.name.lower(), *aliases[product.id]):
            names[alias] = product
    return names


@cache
def _by_cpe() -> dict[str, Product]:
    return {pair: product for product in products().values() for pair in product.cpe}
