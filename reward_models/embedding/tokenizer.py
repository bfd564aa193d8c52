"""CLIP's tokenizer, byte-level BPE over lower-cased text, from the files of a checkpoint."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core_jax.reward_models.embedding.clip import TextConfig

START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

Tokenize = Callable[[Sequence[str]], np.ndarray]


def load_tokenizer(folder: Path, config: TextConfig) -> Tokenize:
    """The tokenizer of a folder with `tokenizer.json`, or with `vocab.json` and `merges.txt`.

    Raises:
        ValueError: its vocabulary is not CLIP's: end-of-text must be the last token.
    """
    bpe = _from_json(folder) if (folder / "tokenizer.json").is_file() else _from_files(folder)
    ids = {word: bpe.token_to_id(word) for word in (START, END)}
    if ids[START] is None or ids[END] != config.vocab_size - 1:
        raise ValueError(
            f"the tokenizer in {folder} has {START} = {ids[START]} and {END} = {ids[END]}; a CLIP "
            f"with {config.vocab_size} tokens has {END} = {config.vocab_size - 1}"
        )
    return functools.partial(tokenize, bpe, ids[START], ids[END], config.max_position_embeddings)


def tokenize(bpe: Any, start: int, end: int, length: int, texts: Sequence[str]) -> np.ndarray:
    """Tokens int32 `[B, length]`: start, the text, end, then 0; a longer text is cut off."""
    rows = np.zeros((len(texts), length), np.int32)
    for row, text in zip(rows, texts, strict=True):
        ids = bpe.encode(text, add_special_tokens=False).ids[: length - 2]
        row[: len(ids) + 2] = [start, *ids, end]
    return rows


def _from_json(folder: Path) -> Any:
    from tokenizers import Tokenizer

    bpe = Tokenizer.from_file(str(folder / "tokenizer.json"))
    bpe.no_padding()
    bpe.no_truncation()
    return bpe


def _from_files(folder: Path) -> Any:
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    model = BPE.from_file(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        unk_token=END,
        end_of_word_suffix="</w>",
    )
    bpe = Tokenizer(model)
    bpe.normalizer = normalizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [words, bytes_]
    )
    return bpe
