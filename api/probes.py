"""How the servers behind tunnels are asked whether they answer: a login and a ping."""

from dataclasses import replace

from redis.exceptions import TimeoutError as SilenceError

from api import services
from api.settings import ServiceSettings
from data.sources.mysql_connection import ping
from data.tunnel_probe import Address, Probe
from tracking.redis_client import patient_client


def probe(settings: ServiceSettings, name: str) -> Probe:
    """The probe of the tunnel called `mysql` or `redis`."""

    def mysql(address: Address) -> None:
        ping(replace(services.mysql_config(settings), host=address[0], port=address[1]))

    def redis(address: Address) -> None:
        client = patient_client(services.redis_at(settings, *address))
        try:
            client.ping()
        except SilenceError as error:
            raise TimeoutError(str(error)) from error
        finally:
            client.close()

    return mysql if name == "mysql" else redis
