"""Files of a run's folder, damaged as disks, editors and killed programs do."""

import shutil

GARBAGE = (b"", b"{", b"[]", b"null", b"7", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": 1}')


def damage(rng, out):
    """Damages one file of a folder in one way; returns (the file's path in the folder, what was
    done)."""
    kinds = [
        kind
        for kind in (_checkpoint, _manifest, _config, _database, _rows, _json, _source, _scratch)
        if kind is not _source or list((out / "rewards").glob("*.py"))
    ]
    while True:
        done = rng.choice(kinds)(rng, out)
        if done is not None:
            path, how = done
            return path.relative_to(out).as_posix(), how


def _newest(out):
    found = sorted((out / "checkpoints").glob("step_*"))
    return found[-1] if found else None


def _checkpoint(rng, out):
    if (newest := _newest(out)) is None:
        return None
    return _broken(rng, max(_files(newest), key=lambda p: p.stat().st_size))


def _manifest(rng, out):
    if (newest := _newest(out)) is None:
        return None
    path = newest / "MANIFEST"
    if rng.random() < 0.3:
        path.unlink(missing_ok=True)
        path.mkdir()
        return path, "is a folder"
    return _garbage(rng, path)


def _config(rng, out):
    path = out / "config.json"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path, "half written"


def _database(rng, out):
    found = [p for p in (out / "labels.sqlite", out / "replies.sqlite") if p.exists()]
    return _broken(rng, rng.choice(found), after=100) if found else None


def _rows(rng, out):
    path = out / "metrics.jsonl"
    if not path.exists() or not path.stat().st_size:
        return None
    return _broken(rng, path)


def _json(rng, out):
    names = ("machine.json", ".lock", "rewards/history.json", "rewards/trials.json",
             "rewards/story.md")  # fmt: skip
    found = [out / name for name in names if (out / name).exists()]
    return _garbage(rng, rng.choice(found)) if found else None


def _source(rng, out):
    path = rng.choice(sorted((out / "rewards").glob("*.py")))
    path.unlink()
    return path, "removed"


def _scratch(rng, out):
    """What a program that was killed, or a person, leaves behind."""
    newest = _newest(out)
    name = rng.choice(["config.json.tmp", "checkpoints/step_000000300.tmp/x", "checkpoints/notes"])
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    if newest is not None and rng.random() < 0.5:
        copy = newest.with_name(newest.name + ".bak")
        if not copy.exists():
            shutil.copytree(newest, copy)
    return path, "left behind"


def _broken(rng, path, after=0):
    content = bytearray(path.read_bytes())
    if len(content) <= after:
        return None
    if rng.random() < 0.4:
        length = rng.randrange(after, len(content))
        path.write_bytes(content[:length])
        return path, f"cut at byte {length} of {len(content)}"
    first = rng.randrange(after, len(content))
    last = min(len(content), first + rng.choice([1, 16, 4_096]))
    for i in range(first, last):
        content[i] ^= 0x55
    path.write_bytes(content)
    return path, f"bytes {first} to {last} of {len(content)} flipped"


def _garbage(rng, path):
    content = rng.choice(GARBAGE)
    path.write_bytes(content)
    return path, f"is {content[:10]!r}"


def _files(folder):
    return [p for p in folder.rglob("*") if p.is_file()]
