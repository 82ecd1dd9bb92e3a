"""The ASGI application of one serve worker: routes, errors, layers around them, and what lives as long as it does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from starlette.routing import Route

from api import errors, openapi, services
from api.middleware import Application, BodyLimit, HeadAsGet, RateLimit, RequestEnvelope
from api.routes import admin, docs, events, feed, health
from api.settings import ServiceSettings, load

MODULES = (feed, events, admin, health, docs)


def create(settings: ServiceSettings | None = None) -> Application:
    """The application. Without `settings` (under gunicorn) they are read, and the log is set up, here."""
    if settings is None:
        settings = load()
        services.log(settings)
    application = build(settings)
    layers: Application = BodyLimit(HeadAsGet(application))
    if settings.rate_limit:
        layers = RateLimit(layers, settings.rate_limit)
    return RequestEnvelope(layers, application.state.routes, settings.access_log)


def build(settings: ServiceSettings) -> FastAPI:
    """The routes with their service, without the layers around them."""

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Mapping[str, services.Service]]:
        async with services.serving(settings) as service:
            application.state.service = service
            yield {"service": service}

    application = FastAPI(
        title="Talentfeed", summary="Feeds of talent videos", version=release(), lifespan=lifespan,
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    errors.install(application)
    openapi.install(application)
    application.state.routes = routes()
    for module in MODULES:
        application.include_router(module.router)
    return application


def routes() -> list[Route]:
    """Every route, in order."""
    return [route for module in MODULES for route in module.router.routes if isinstance(route, Route)]


def release() -> str:
    """The installed version."""
    try:
        return version("talentfeed")
    except PackageNotFoundError:
        return "0.0.0"
