"""An engine as a thing that is replaced."""

import gc
import weakref

import pytest

from engine.board import Board
from engine.config import EngineConfig
from engine.engine import Engine, MakeKernel
from engine.feed_types import FeedRequest
from engine.kernel.compiled import CompiledKernel
from engine.kernel.reference import ReferenceKernel
from tests.support.worlds import random_world, trained_policy


@pytest.mark.parametrize("make_kernel", [CompiledKernel, ReferenceKernel], ids=["compiled", "plain"])
def test_an_engine_that_is_let_go_frees_its_kernel_without_a_collection(make_kernel: MakeKernel) -> None:
    world = random_world(7, videos=40)
    request = FeedRequest(user_id=3, seed=5)
    gc.disable()
    try:
        engine = Engine(world, trained_policy(7, world), EngineConfig(), make_kernel)
        engine.render(engine.feed(request))
        Board(engine.kernel, engine.config, request).close()
        left = weakref.ref(engine.kernel)
        del engine
        assert left() is None
    finally:
        gc.enable()
