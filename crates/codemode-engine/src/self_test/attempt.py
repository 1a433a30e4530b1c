"""How the self-test goes about it: every attack gets its try, and one that fails in another way says so."""


def attempt(host, attacks):
    """`host`: what the executor says of its machine. A triple for each attack: its name, the verdict, what happened."""
    verdicts = []
    for attack in attacks:
        try:
            happened = attack(host)
        except Exception as error:  # noqa: BLE001 an attack that breaks has shown nothing
            verdicts.append([attack.__name__, "broken", repr(error)])
        else:
            verdicts.append([attack.__name__, "escaped" if happened else "contained", happened or ""])
    return verdicts
