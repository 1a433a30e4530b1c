"""Large results of tools reach the code whole and exact, and stay bounded."""

import hashlib
import random

ROOM = {"limits": {"value_bytes": "40Mi"}}
LARGE = random.Random(7).randbytes(20 << 20)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def test_bytes_are_exact(local):
    def large():
        """Bytes, and others among them."""
        return {"all": LARGE, "some": [LARGE[:100_000], b"few", bytearray(LARGE[5:9000])], "text": "é\0"}

    code = """
import hashlib
got = tools['large'].run()
sha = lambda data: hashlib.sha256(data).hexdigest()
first, second, third = got['some']
result = [sha(got['all']), sha(first), second, sha(third), type(third).__name__, got['text']]
"""
    result = local(ROOM, large=large).execute(code, check=True).result
    assert result == [sha(LARGE), sha(LARGE[:100_000]), b"few", sha(LARGE[5:9000]), "bytearray", "é\0"]


def test_text_is_exact(local):
    text = 'aé\u4e2d\U0001f600\n"\\' * 500_000
    code = "import hashlib\nresult = hashlib.sha256(tools['large'].run().encode()).hexdigest()"
    assert local(ROOM, large=lambda: text).execute(code, check=True).result == sha(text.encode())


def test_many_at_once_are_not_mixed_up(local):
    def piece(n: int):
        return bytes([n]) * (1 << 20) + bytes([n + 1])

    code = (
        "got = tools['piece'].map([{'n': n} for n in range(12)])\nresult = [[set(g[:-1]), g[-1], len(g)] for g in got]"
    )
    result = local(ROOM, piece=piece).execute(code, check=True).result
    assert result == [[{n}, n + 1, (1 << 20) + 1] for n in range(12)]


def test_coroutines_get_theirs(local):
    async def piece(n: int):
        return bytes([n]) * (3 << 20)

    code = """
import asyncio
got = await asyncio.gather(*[tools['piece'].arun(n=n) for n in range(4)])
result = [set(one) for one in got]
"""
    assert local(ROOM, piece=piece).execute(code, check=True).result == [{n} for n in range(4)]


def test_what_is_too_large_fails_its_call(local):
    code = "try:\n    tools['large'].run()\nexcept Exception as error:\n    result = str(error)"
    result = local({"limits": {"value_bytes": "1Mi"}}, large=lambda: bytes(2 << 20)).execute(code, check=True).result
    assert "limits.value_bytes" in result or "1048576" in result


def test_a_schema_sees_the_value_itself(local):
    def large() -> bytes:
        return LARGE[: 1 << 20]

    assert local(ROOM, large=large).execute("len(tools['large'].run())", check=True).result == 1 << 20
