"""Reading verdicts: any form is read, no content is guessed."""

import json

import pytest

from core_jax.prompts import preference as prompts
from core_jax.prompts import rl_vlm_f
from core_jax.prompts.verdict import Unreadable, Verdict, read_verdict

GOOD = {
    "reason": "A is open",
    "scores_a": [0.1, 0.5, 1],
    "scores_b": [0, 0.0, 0.25],
    "choice": "A",
    "confidence": 0.8,
}
SAME = Verdict("A", 0.8, "A is open", ((0.1, 0.5, 1.0), (0.0, 0.0, 0.25)))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        json.dumps(GOOD, indent=2),
        f"Let me see.\n```json\n{json.dumps(GOOD)}\n```\nThat is all.",
        json.dumps(GOOD).replace("}", ",}").replace("1]", "1,]"),
        str(GOOD),  # Python's quotes
        json.dumps({k.upper(): v for k, v in GOOD.items()}),
        json.dumps(GOOD | {"choice": "Clip A"}),
        json.dumps(GOOD | {"choice": " a. "}),
        json.dumps(GOOD | {"confidence": "80%", "scores_a": ["10%", "50 %", "100%"]}),
        'Pictures {like this} aside: {"thought": 1} ' + json.dumps(GOOD),
        json.dumps({"choice": "B"}) + " no, rather " + json.dumps(GOOD),
        "choice: A\nconfidence: 0.8\n- scores_a = [0.1, 0.5, 1]\n**scores_b**: [0, 0, 0.25],\n"
        "Reason: A is open",
    ],
)
def test_forms_that_are_read(text):
    assert prompts.core_read(text, 3, unsure=True) == SAME


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": "C"}, "choice is 'C', not one of A, B, unsure"),
        ({"choice": "A or B"}, "choice is 'A or B'"),
        ({"choice": None}, "choice is None"),
        ({"scores_a": [0.1, 0.5]}, "scores_a is not a list of 3 scores"),
        ({"scores_b": [0, 0, 1.5]}, r"scores_b has 1.5, which is no number in \[0, 1\]"),
        ({"scores_b": [0, 0, "high"]}, "scores_b has 'high'"),
        ({"scores_b": [0, True, 1]}, "scores_b has True"),
        ({"scores_b": None}, "scores_b is not a list"),
    ],
)
def test_wrong_contents_are_unreadable(change, message):
    with pytest.raises(Unreadable, match=message):
        prompts.core_read(json.dumps(GOOD | change), 3, unsure=True)


@pytest.mark.parametrize("text", ["", "I cannot tell.", "{", "{" * 50 + "}" * 50, '["A"]', "{}"])
def test_nothing_there(text):
    with pytest.raises(Unreadable, match="no choice in the reply"):
        prompts.core_read(text, 3, unsure=True)


def test_who_must_choose_may_not_be_unsure():
    unsure = json.dumps(GOOD | {"choice": "unsure"})
    assert prompts.core_read(unsure, 3, unsure=True).choice == "unsure"
    with pytest.raises(Unreadable, match="choice is 'unsure', not one of A, B"):
        prompts.core_read(unsure, 3, unsure=False)


def test_other_styles():
    assert rl_vlm_f.read('{"choice": 2}', unsure=True) == Verdict("2", None, "")
    assert rl_vlm_f.read('{"choice": "picture 1"}', unsure=False).choice == "1"
    assert prompts.rate_read('{"rating": "Very Bad"}', 4).choice == "very bad"
    with pytest.raises(Unreadable, match="rating is 'not good'"):  # its last word is a rating
        prompts.rate_read('{"rating": "not good"}', 3)


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        (prompts.core_schema(True), ["reason", "scores_a", "scores_b", "choice", "confidence"]),
        (rl_vlm_f.schema(False), ["reason", "choice", "confidence"]),
        (prompts.rate_schema(5), ["reason", "rating", "confidence"]),
    ],
)
def test_schemas_are_strict(schema, fields):
    """What OpenAI's strict mode asks for: all fields required, no others."""
    assert list(schema["properties"]) == schema["required"] == fields
    assert schema["additionalProperties"] is False and schema["type"] == "object"
    assert schema["title"].isidentifier()
    [words] = [f["enum"] for f in schema["properties"].values() if "enum" in f]
    reply = {"reason": "", "scores_a": [0.0], "scores_b": [1.0], "confidence": 0.5}
    for word in words:
        name = "rating" if "rating" in fields else "choice"
        scores = [n for n in fields if n.startswith("scores")]
        found = read_verdict(json.dumps(reply | {name: word}), name, words, scores, 1)
        assert found.choice == word and found.confidence == 0.5
