"""The contract in tables: names, keys, variables, endings, readings, each with its proof. `report.py` prints them."""

from __future__ import annotations

from conformance import claims, contract_keys, contract_names, contract_readings, seeds, ways
from conformance.contract_names import OWN
from conformance.contract_outcomes import ENDINGS, REFUSALS, Ending, Refusal

_OUTCOMES = f"{OWN}/test_outcomes.py"

_OF_AN_ENDING = {
    "runs": "test_an_execution_ends",
    "its caller leaves": "test_an_execution_whose_caller_leaves",
    "its executor stops": "test_an_execution_whose_executor_stops",
}
_OF_A_REFUSAL = {
    "overloaded": "test_what_blames_the_hour",
    "draining": "test_what_blames_the_hour",
    "internal": "test_what_blames_the_executor",
}


def proof_of_ending(ending: Ending) -> str:
    return f"{_OUTCOMES}::{_OF_AN_ENDING[ending.how]}"


def proof_of_refusal(refusal: Refusal) -> str:
    return f"{_OUTCOMES}::{_OF_A_REFUSAL.get(refusal.code, 'test_what_blames_the_request')}"


def proofs() -> dict[str, tuple[str, ...]]:
    """What is listed, and the tests named for it."""
    found: dict[str, tuple[str, ...]] = {}
    for names in contract_names.SECTIONS.values():
        found |= names
    kinds: tuple[ways.Kind, ...] = ("client", "sidecar")
    for kind in kinds:
        found |= {f"{kind}: {key}": contract_keys.proofs_of(kind, key) for key in ways.keys(kind)}
    found |= {f"{it.kind}: {it.name}": it.proofs for it in contract_keys.variables()}
    found |= {f"{ending.outcome}: {ending.program}": (proof_of_ending(ending),) for ending in ENDINGS}
    found |= {refusal.code: (proof_of_refusal(refusal),) for refusal in REFUSALS}
    for title, readings in contract_readings.SECTIONS.items():
        found |= {f"{title}: {reading.about}": reading.proofs for reading in readings}
    return found


def proofs_of_the_documents() -> set[str]:
    named = {proof for claim in claims.CLAIMS for proof in claim.proofs}
    return named | {proof for entry in seeds.ENTRIES for proof in (entry.node_id, *entry.also) if proof}


def vocabulary() -> set[str]:
    """Every word that some table lists: the parts of names, keys and spellings, outcomes, and what readings cover."""
    words = {part for names in contract_names.SECTIONS.values() for name in names for part in name.split(".")}
    kinds: tuple[ways.Kind, ...] = ("client", "sidecar")
    for kind in kinds:
        for key in ways.keys(kind).values():
            spellings = (key.name, *key.aliases)
            words |= {*spellings, *key.variables, *(part for name in spellings for part in name.split("."))}
            words |= set(key.allowed) if key.unit == "word" else set()
    words |= {ending.outcome for ending in ENDINGS} | {refusal.code for refusal in REFUSALS}
    for readings in contract_readings.SECTIONS.values():
        words |= {word for reading in readings for word in reading.covers}
    return words
