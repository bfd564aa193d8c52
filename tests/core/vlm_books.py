"""The books of a run and of the fake vision-language model that it asked, held side by side."""

import json

from core_jax.feedback.labels import LabelStore


def check_books(out, fake, summary):
    """Nothing that was answered is lost, nothing was answered twice, and all is accounted for."""
    store = LabelStore(out / "labels.sqlite")
    [(name, counts)] = store.progress().items()
    delivered = sum(fake.good.values())
    assert max(fake.good.values()) == 1  # no good answer was asked for a second time
    said = [e for a in store.questions() for e in store.exchanges(a.key, name)]
    # Two descriptions may be the same, word for word; the second is then answered from the books.
    heard = {json.dumps(e.prompt) for e in said if e.reply and not e.problem}
    assert len(heard) == delivered, (len(heard), delivered, fake.bad, len(said))
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
