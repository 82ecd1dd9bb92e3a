"""Connections to MySQL for the service's own two tables."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from api import services
from api.settings import ServiceSettings
from data.sources.base import LoadError
from data.sources.mysql_connection import UnreachableError, opened
from data.tunnel import Tunnel

if TYPE_CHECKING:
    import pymysql

CONNECT_SECONDS = 10.0
Connect = Callable[[], "pymysql.connections.Connection[Any]"]


def connector(settings: ServiceSettings, tunnel: Tunnel | None) -> Connect:
    """A function that opens a connection, through the tunnel when there is one.

    It raises TunnelError or LoadError with words that name the setting to look at.
    """
    config = services.mysql_config(settings)

    def connect() -> "pymysql.connections.Connection[Any]":
        if tunnel is None:
            return opened(config)
        tunnel.wait_up(CONNECT_SECONDS)
        host, port = tunnel.local_address
        try:
            return opened(replace(config, host=host, port=port, label=f"{config.address} (through SSH)"))
        except UnreachableError as error:
            words = tunnel.state.last_error
            raise LoadError(f"{error}; tunnel: {words}" if words else str(error)) from error

    return connect
