"""Connections to MySQL for the service's own two tables."""

from collections.abc import Callable
from typing import Any

import pymysql

from api import services
from api.settings import ServiceSettings
from data.tunnel import Tunnel, TunnelError

CONNECT_SECONDS = 10.0
Connect = Callable[[], "pymysql.connections.Connection[Any]"]


def connector(settings: ServiceSettings, tunnel: Tunnel | None) -> Connect:
    """A function that opens a connection, through the tunnel when there is one. It raises pymysql's errors."""

    def connect() -> "pymysql.connections.Connection[Any]":
        host, port = settings.mysql_host or "", settings.mysql_port
        if tunnel:
            try:
                tunnel.wait_up(CONNECT_SECONDS)
            except TunnelError as error:
                raise pymysql.err.OperationalError(2003, str(error)) from error
            host, port = tunnel.local_address
        return pymysql.connect(
            host=host,
            port=port,
            user=settings.mysql_user or "",
            password=services.secret(settings, "mysql_password") or "",
            database=settings.mysql_db,
            charset="utf8mb4",
            connect_timeout=int(CONNECT_SECONDS),
            read_timeout=settings.mysql_timeout_seconds,
            write_timeout=settings.mysql_timeout_seconds,
        )

    return connect
