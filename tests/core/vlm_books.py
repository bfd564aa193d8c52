"""Compares a run's records of questions and costs with those of the fake service that it asked."""

import json

from core_jax.feedback.labels import LabelStore


def check_books(out, fake, summary):
    """Every answer is recorded, none was asked for twice, and costs agree."""
    store = LabelStore(out / "labels.sqlite")
    [(name, counts)] = store.progress().items()
    delivered = sum(fake.good.values())
    assert max(fake.good.values()) == 1  # no good answer was asked for a second time
    exchanges = [e for a in store.questions() for e in store.exchanges(a.key, name)]
    # Equal descriptions lead to equal questions; the second is answered from the cache.
    answered = {json.dumps(e.prompt) for e in exchanges if e.reply and not e.problem}
    assert len(answered) == delivered, (len(answered), delivered, fake.bad, len(exchanges))
    for asked in store.questions():
        answer = store.find(asked.key, name)
        if answer is None or answer.preference is None:
            continue
        better = float(asked.question.b.dense.sum() > asked.question.a.dense.sum())
        assert answer.preference == better
    assert counts.cost_usd <= summary["cost_usd"] + 1e-9
    assert summary["cost_usd"] <= fake.charged + 1e-9
    store.close()
    return counts
