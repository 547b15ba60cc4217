"""Simulated vendors: a real HTTP server on loopback that speaks OpenAI's, Anthropic's and Cohere's APIs.

It shares no code with the library's own codecs, so that a mistake in them is not mirrored here.
"""

from orchestrator.testing.simulator.answers import Answer, CallTool, Scripted
from orchestrator.testing.simulator.behaviour import Fault, FaultKind, Vendor, WireName
from orchestrator.testing.simulator.control import SimulatedVendor
from orchestrator.testing.simulator.ledger import LedgerEntry, Received, Traffic
from orchestrator.testing.simulator.limits import Limits, Window
from orchestrator.testing.simulator.server import Simulator

__all__ = [
    "Answer",
    "CallTool",
    "Fault",
    "FaultKind",
    "LedgerEntry",
    "Limits",
    "Received",
    "Scripted",
    "SimulatedVendor",
    "Simulator",
    "Traffic",
    "Vendor",
    "Window",
    "WireName",
]
