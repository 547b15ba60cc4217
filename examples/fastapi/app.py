"""A service that streams answers, and says 503 with a typed body and Retry-After when no model can answer.

OPENAI_API_KEY=... uvicorn app:app
python offline.py                                   # plays a day of it with a simulated vendor: no key, no network

The error is known before the first byte is sent: entering the stream raises it, after retries and failover. If an
answer breaks off later, the connection ends without its last chunk, so that no client takes half an answer for one.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from math import ceil
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from orchestrator import AsyncChatStream, AsyncOrchestrator, InvalidRequest, OrchestratorError

CONFIG = Path(__file__).with_name("orchestrator.yaml")


class Question(BaseModel):
    text: str
    tenant: str


class Problem(BaseModel):
    error: str
    retry_after_s: float | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """One client for the whole process; on shutdown, answers under way get ten seconds."""
    llm = AsyncOrchestrator.from_file(CONFIG)
    app.state.llm = llm
    yield
    await llm.close(grace=10)


app = FastAPI(lifespan=lifespan)


@app.exception_handler(OrchestratorError)
async def told(_: Request, error: Exception) -> JSONResponse:
    """The caller's fault is 422. Anything else is ours, and passes."""
    problem = Problem(error=type(error).__name__, retry_after_s=getattr(error, "retry_after", None))
    if isinstance(error, InvalidRequest):
        return JSONResponse(problem.model_dump(), 422)
    return JSONResponse(problem.model_dump(), 503, {"Retry-After": str(ceil(problem.retry_after_s or 1))})


@app.post("/answer", response_class=StreamingResponse, responses={503: {"model": Problem}})
async def answer(question: Question, request: Request) -> StreamingResponse:
    llm: AsyncOrchestrator = request.app.state.llm
    async with AsyncExitStack() as opened:
        stream = await opened.enter_async_context(llm.stream("answer", question.text, tenant=question.tenant))
        return StreamingResponse(pieces(stream, opened.pop_all()), media_type="text/plain; charset=utf-8")


async def pieces(stream: AsyncChatStream[None], opened: AsyncExitStack) -> AsyncIterator[str]:
    """A client that goes away ends the block, and with it the vendor's work."""
    async with opened:
        async for text in stream.text:
            yield text
