"""The application: one function that answers, whatever happens to a vendor."""

from orchestrator import Orchestrator, OrchestratorError

SORRY = "We cannot answer right now. Please write to support."


def faq(llm: Orchestrator, question: str) -> str:
    try:
        return llm.chat("answer", question, tags={"feature": "faq"}).text
    except OrchestratorError:
        return SORRY
