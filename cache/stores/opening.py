"""Opening a store by its address: `open_store`."""

from pathlib import Path
from urllib.parse import urlsplit

from butfor.cache.disk import DiskStore
from butfor.cache.errors import StoreDamaged
from butfor.cache.store import CallStore

from .shared import SharedStore


def open_store(where: str | Path | CallStore) -> CallStore:
    """The store at a folder, `redis://…`, `rediss://…` or `postgresql://…`; a store is given back as it is.

    Raises:
        StoreDamaged: it cannot be opened, or nothing opens such an address.
    """
    if not isinstance(where, str | Path):
        return where
    address = str(where)
    scheme = urlsplit(address).scheme if "://" in address else ""
    if not scheme:
        return DiskStore(where)
    if scheme in ("redis", "rediss", "unix"):
        from .redis import RedisRows

        return SharedStore(RedisRows(address), shown(address))
    if scheme in ("postgresql", "postgres"):
        from .postgres import PostgresRows

        return SharedStore(PostgresRows(address), shown(address))
    raise StoreDamaged(f"no store is opened by {scheme}://; give a folder, redis://HOST/0 or postgresql://HOST/NAME")


def shown(address: str) -> str:
    """The address without user, password and options."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
