"""Compares CLIP with the reference implementation, PyTorch's in `transformers`, on random weights.

    python -m venv REF && REF/bin/pip install torch torchvision transformers pillow
    REF/bin/python scripts/tools/clip_reference.py record FOLDER --shape vit-b-32
    python scripts/tools/clip_reference.py compare FOLDER

`record` needs PyTorch and nothing of this project: it makes a CLIP with random weights and saves it
in the standard layout, with what the reference computes for random pictures and for sentences.
`compare` needs this project and no PyTorch: the largest differences, and pictures per second. The
small one in `tests/data/clip` was made by `record tests/data/clip --shape small`. The vocabulary is
a few merges of our own, or with `--bpe FILE` a published list (`bpe_simple_vocab_16e6.txt.gz`).
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

# hidden, layers, heads of both towers; picture, patch; projection
SHAPES = {
    "small": {"vision": (32, 2, 4), "text": (24, 2, 3), "picture": (32, 8), "dim": 16},
    "vit-b-32": {"vision": (768, 12, 12), "text": (512, 12, 8), "picture": (224, 32), "dim": 512},
    "vit-l-14-336": {
        "vision": (1024, 24, 16), "text": (768, 12, 12), "picture": (336, 14), "dim": 768,
    },
}  # fmt: skip
SENTENCES = (
    "the drawer is opened",
    "The ball is   in the goal!",
    "it's 2 metres of blue rope, don't cut it",
    "",
    "a caf\u00e9 table with a red circle " * 12,
)
MERGES = ["t h", "th e</w>", "i n</w>", "d r", "e r", "dr a", "i s</w>", "b l", "o o", "r e"]


def main() -> None:
    """Records or compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="small")
    parser.add_argument("--bpe", type=Path, default=None)
    parser.add_argument("--batch", type=int, default=64)
    flags = parser.parse_args()
    if flags.what == "record":
        record(flags.folder, flags.shape, flags.bpe)
    else:
        print(json.dumps(compare(flags.folder, flags.batch)))


def record(folder: Path, shape: str, bpe: Path | None) -> None:
    """Writes a random CLIP and what the reference computes with it."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
    words = write_vocabulary(folder, bpe)
    tokenizer = CLIPTokenizer.from_pretrained(str(folder))
    given = SHAPES[shape]
    size, patch = given["picture"]
    torch.manual_seed(0)
    config = CLIPConfig(
        vision_config=_tower(*given["vision"]) | {"image_size": size, "patch_size": patch},
        text_config=_tower(*given["text"])
        | {"vocab_size": words, "eos_token_id": words - 1, "bos_token_id": words - 2},
        projection_dim=given["dim"],
    )
    model = CLIPModel(config).eval()
    with torch.no_grad():  # fresh biases are 0 and norms 1, which would hide a wrong place
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    model.save_pretrained(str(folder))
    rng = np.random.default_rng(0)
    pictures = {name: picture(rng, *shape) for name, shape in _sizes(size).items()}
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )
    read = {
        name: processor(x, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
        for name, x in pictures.items()
    }
    tokens = tokenizer(
        list(SENTENCES), padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.no_grad():
        images = model.visual_projection(
            model.vision_model(
                pixel_values=torch.tensor(np.stack(list(read.values())).transpose(0, 3, 1, 2))
            ).pooler_output
        )
        texts = model.text_projection(model.text_model(**tokens).pooler_output)
    normal = lambda x: (x / x.norm(dim=-1, keepdim=True)).numpy()
    np.savez_compressed(
        folder / "expected.npz",
        tokens=tokens["input_ids"].numpy(),
        images=normal(images),
        texts=normal(texts),
        **{f"picture_{k}": v for k, v in pictures.items()},
        **{f"read_{k}": v.astype(np.float32) for k, v in read.items()},
    )


def compare(folder: Path, batch: int) -> dict[str, Any]:
    """Largest differences from what was recorded, and the speed of the image tower."""
    import jax

    from core_jax.reward_models import embedding

    model = embedding.load(folder)
    expected = np.load(folder / "expected.npz")
    tokens = model.tokenize(SENTENCES)
    names = [k.removeprefix("picture_") for k in expected if k.startswith("picture_")]
    read = [embedding.preprocess(expected[f"picture_{n}"][None], model.size)[0] for n in names]
    wanted = [expected[f"read_{n}"] for n in names]
    images = np.concatenate([model.image_features(expected[f"picture_{n}"][None]) for n in names])
    texts = np.asarray(model.text_features(tokens))
    found = {
        "tokens_equal": bool((used(tokens) == used(expected["tokens"])).all()),
        "preprocessing": {
            n: float(np.abs(r - w).max()) for n, r, w in zip(names, read, wanted, strict=True)
        },
        "images": {
            n: float(d)
            for n, d in zip(names, np.abs(images - expected["images"]).max(1), strict=True)
        },
        "texts": float(np.abs(texts - expected["texts"]).max()),
    }
    size = model.size
    some = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3)).astype(np.uint8)
    look = jax.jit(model.images)
    look(model.params, some).block_until_ready()
    began, used_before = time.monotonic(), time.process_time()
    look(model.params, some).block_until_ready()
    found["pictures_per_second"] = round(batch / (time.monotonic() - began), 2)
    # On a machine that does other work, too, the more telling number.
    found["pictures_per_cpu_second"] = round(batch / (time.process_time() - used_before), 2)
    return {"folder": folder.name, "batch": batch, **found}


def used(tokens: np.ndarray) -> np.ndarray:
    """Tokens up to the end-of-text token, then -1: implementations pad differently."""
    end = tokens.argmax(1)[:, None]
    return np.where(np.arange(tokens.shape[1]) <= end, tokens, -1)


def write_vocabulary(folder: Path, bpe: Path | None) -> int:
    """`vocab.json` and `merges.txt`; returns the number of tokens."""
    merges = MERGES
    if bpe is not None:  # CLIP uses the first 48,894 merges of the list (Radford et al. 2021)
        merges = gzip.decompress(bpe.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = byte_letters()
    words = [*letters, *(x + "</w>" for x in letters), *("".join(m.split()) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    return len(words)


def byte_letters() -> list[str]:
    """A letter that can be printed for each byte, in CLIP's order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A picture of noise and edges, uint8."""
    x = rng.integers(0, 256, (height, width, 3))
    x[height // 3 :, : width // 2] = [250, 20, 90]
    return x.astype(np.uint8)


def _sizes(size: int) -> dict[str, tuple[int, int]]:
    return {
        "smaller": (2 * size // 3, 3 * size // 4),
        "larger": (2 * size + 5, 3 * size + 2),
        "same": (size, size),
    }


def _tower(width: int, layers: int, heads: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }


if __name__ == "__main__":
    main()
